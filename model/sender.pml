/* The sender: SourceChannel, and what Endpoint does with it. */

/* Loads `sleeping`: the receiver is to be rung if it sleeps, was not rung for this sleep, and had not seen what is committed. [C] */
inline receiverWantsBell() {
  wants = memory[SLEEPING] != 0;
#ifdef MUTATION_EXPECTED_OFF_BY_ONE
  wants = wants && nextSequence > EXPECTED(memory[SLEEPING]) + 1;
#elif defined(MUTATION_ARM_WITHOUT_EXPECTED)
  wants = wants && !lookedOnArrival;
#else
  wants = wants && nextSequence > EXPECTED(memory[SLEEPING]);
#endif
#ifdef MUTATION_RUNG_ONCE
  /* remembers that it rang until it happens to see the receiver awake */
  rung[RECEIVER] = rung[RECEIVER] && memory[SLEEPING] != 0;
#endif
  wants = wants && !rung[RECEIVER];
  rung[RECEIVER] = rung[RECEIVER] || wants
}

/* Rings, if what was loaded says so: the load may be long ago. */
#define RING_RECEIVER_IF_WANTED \
  if \
  :: atomic { wants -> wants = false; SENDER_CRASH_POINT RING_PEER(SENDER) } \
  :: !wants \
  fi

/* The lowest run of free partitions that is long enough; PARTITIONS if there is none. */
inline findRoom() {
  first = 0;
  do
  :: first + wanted > PARTITIONS -> first = PARTITIONS; break
  :: first + wanted <= PARTITIONS && holder[first] == 0 && holder[first + wanted - 1] == 0 -> break
  :: else -> first++
  od
}

inline storePayload() {
  SENDER_CRASH_POINT
  STORE(SENDER, PAYLOAD(first), nextSequence, RELAXED);
  if
  :: wanted == 2 -> SENDER_CRASH_POINT STORE(SENDER, PAYLOAD(first + 1), nextSequence, RELAXED)
  :: else
  fi
}

inline storeDirectory() {
  SENDER_CRASH_POINT
  STORE(SENDER, DIRECTORY(first), wanted, RELAXED)
}

inline storeBody() {
  SENDER_CRASH_POINT
  STORE(SENDER, ORDER_BODY(nextSequence % SLOTS), first, RELAXED)
}

inline storeSequence() {
  SENDER_CRASH_POINT
  STORE(SENDER, ORDER_SEQUENCE(nextSequence % SLOTS), nextSequence, ORDER_STAMP_ORDERING)
}

/* Each store is a step of its own when it arrives; that all are on their way at once leaves the same arrivals. */
inline commit() {
  d_step {
    assert(nextSequence - delivered <= SLOTS);  /* the slot's last message was read */
    lengthOf[nextSequence] = wanted
  };
#ifdef MUTATION_STAMP_BEFORE_PAYLOAD
  storeDirectory(); storeBody(); storeSequence(); storePayload();
#elif defined(MUTATION_STAMP_BEFORE_DIRECTORY)
  storePayload(); storeBody(); storeSequence(); storeDirectory();
#elif defined(MUTATION_STAMP_BEFORE_BODY)
  storePayload(); storeDirectory(); storeSequence(); storeBody();
#else
  storePayload(); storeDirectory(); storeBody(); storeSequence();  /* [A] */
#endif
  SENDER_CRASH_POINT
  COMPLETE(SENDER, nextSequence);
  d_step {
    holder[first] = nextSequence;
    holder[first + wanted - 1] = nextSequence;
    nextSequence++;
    wanted = 0;
    first = 0
  }
}

inline give() {
  if
  :: first + 1 < PARTITIONS && holder[first + 1] == holder[first] -> holder[first + 1] = 0
  :: else
  fi;
  holder[first] = 0
}

/* One record: it must name what is in flight; then its partitions are free. [B] */
inline takeRelease(bodyRead) {
  first = STAMPED_CELL(memory[RECORD_STAMP(nextRelease % SLOTS)]);
  assert(STAMPED_NUMBER(memory[RECORD_STAMP(nextRelease % SLOTS)]) == nextRelease + 1);
  assert(first < PARTITIONS && holder[first] != 0 && holder[first] == bodyRead);  /* else the connection would end as corrupt */
  give();
  nextRelease++;
  releasesTaken = nextRelease;
  PROGRESS;
  first = 0
}

inline takeReleases() {
  atomic {
    do
#ifdef MUTATION_RECORD_BODY_READ_FIRST
    :: RELEASED(nextRelease) -> takeRelease(early); break
#else
    :: RELEASED(nextRelease) -> takeRelease(memory[RECORD_BODY(nextRelease % SLOTS)])
#endif
    :: !RELEASED(nextRelease) -> break
    od
  }
}

#ifdef MEMORY_FABRIC
inline lookOnArrivalAtSender() {
  atomic {
    armArrived[SENDER] = false;
#ifndef MUTATION_ARRIVAL_NOT_LOOKED_AT
    lookedOnArrival = true;
    receiverWantsBell();
    RING_AT_ONCE(SENDER);
    lookedOnArrival = false
#endif
  };
  RING_RECEIVER_IF_WANTED
}
#endif

/* Without room, or with nothing more to do than to hear of releases. [D] */
inline armForReleases() {
  SENDER_CRASH_POINT
  STORE(SENDER, SENDER_WAITS, ARMED(nextRelease), RELEASE);
  ARMED_ONCE_MORE
}

inline disarmForReleases() { STORE(SENDER, SENDER_WAITS, 0, RELEASE) }

#ifdef MUTATION_NO_FENCE_AT_COMMIT
#define FENCED_AT_COMMIT true
#else
#define FENCED_AT_COMMIT FENCED(SENDER)
#endif
#ifdef MUTATION_NO_FENCE_AT_WAIT
#define FENCED_AT_WAIT true
#else
#define FENCED_AT_WAIT FENCED(SENDER)
#endif
#ifdef MUTATION_NO_RECHECK_AFTER_WAIT
#define RELEASED_AFTER_ARM false
#else
#define RELEASED_AFTER_ARM RELEASED(nextRelease)
#endif

/* What was committed and not released is what the application hears of as unfinished. */
inline reportUnfinished() {
#ifndef MUTATION_UNFINISHED_BEFORE_RELEASES
  takeReleases();
#endif
  skip;  /* spin lets no loop end at a d_step */
  d_step {
    wanted = 1;  /* goes through the sequences, `first` through the partitions */
    do
    :: wanted < nextSequence ->
       wants = false;
       first = 0;
       do
       :: first < PARTITIONS ->
          if
          :: holder[first] == wanted ->
#ifdef STARTED_WORDS
             assert(wants || !begun[wanted] || memory[STARTED(first)] == wanted);  /* [E] in the word of its first cell */
#endif
             wants = true
          :: else
          fi;
          first++
       :: first == PARTITIONS -> break
       od;
       assert(wants == !released[wanted]);  /* neither lost, nor sent again although it is finished */
       wanted++
    :: wanted == nextSequence -> break
    od
  }
}

#define FORGET(words, index) words[index] = 0;

proctype sender() {
  byte nextSequence = 1;
  byte nextRelease;
#ifdef COUNT_WAKES
  byte inVain;
#endif
  byte wanted, first;       /* partitions for the message in hand */
  byte holder[PARTITIONS];  /* the sender's own directory: the sequence in each partition, or 0 */
  bool wants;
#ifndef MEMORY_FABRIC
  bool sends;
#endif
#ifdef MEMORY_FABRIC
  bool lookedOnArrival;
#endif
#ifdef MUTATION_RECORD_BODY_READ_FIRST
  byte early;
#endif

polls:
#ifdef MUTATION_RECORD_BODY_READ_FIRST
  early = memory[RECORD_BODY(nextRelease % SLOTS)];
#endif
#ifndef MEMORY_FABRIC
  sends = false;
#endif
  if
#ifdef MEMORY_FABRIC
  :: armArrived[SENDER] -> lookOnArrivalAtSender(); goto polls
#endif
  :: RELEASED(nextRelease) -> takeReleases(); goto polls
  :: atomic { nextSequence <= MESSAGES ->
       if
       :: wanted == 0 -> wanted = 1
       :: wanted == 0 && nextSequence == LONG_MESSAGE -> wanted = 2
       :: wanted != 0 -> skip
       fi;
       findRoom();
       if
       :: first == PARTITIONS && RELEASED(nextRelease) -> first = 0; goto polls
       :: first == PARTITIONS && !RELEASED(nextRelease) ->
          first = 0;
#ifdef MUTATION_FREE_BEFORE_RELEASE
          give(); goto polls
#else
          goto waits
#endif
       :: first < PARTITIONS -> skip
       fi
     };
#ifdef MUTATION_LOOK_BEFORE_COMMIT
     atomic { nextSequence++; receiverWantsBell(); nextSequence-- };
     atomic { commit() };
#else
     atomic { commit() };
     atomic { FENCED_AT_COMMIT -> SENDER_CRASH_POINT receiverWantsBell(); RING_AT_ONCE(SENDER) };
#endif
     RING_RECEIVER_IF_WANTED;
     goto polls
  :: nextSequence > MESSAGES && nextRelease < MESSAGES && !RELEASED(nextRelease) -> goto waits
  :: nextSequence > MESSAGES && nextRelease == MESSAGES -> goto ends
  fi;

waits:
  atomic { armForReleases() };
  if
  :: atomic { FENCED_AT_WAIT && RELEASED_AFTER_ARM -> disarmForReleases(); goto polls }
  :: FENCED_AT_WAIT && !RELEASED_AFTER_ARM
#ifndef MEMORY_FABRIC
  :: FENCED_AT_WAIT && !RELEASED_AFTER_ARM -> sends = true
#endif
  fi;
#ifdef MUTATION_DOORBELL_HOLDS_NO_RING
  asleep[SENDER] = true;
#endif

sleeps:
  if
#ifdef SENDER_KILLED
  :: atomic { killed[SENDER] = true; goto ends }
#endif
#ifdef MEMORY_FABRIC
  :: armArrived[SENDER] -> lookOnArrivalAtSender(); goto sleeps
#endif
  :: atomic { bell[SENDER] -> bell[SENDER] = false;
#ifdef MUTATION_DOORBELL_HOLDS_NO_RING
       asleep[SENDER] = false;
#endif
       disarmForReleases(); goto polls }
  /* the application happens to send while its endpoint sleeps, and so takes what was released: the wait has ended, and begins anew */
#ifndef MEMORY_FABRIC  /* else too many states */
  :: sends && RELEASED(nextRelease) -> takeReleases();
     atomic {
       disarmForReleases();
#ifdef MUTATION_WAIT_NOT_BEGUN_ANEW
       if
       :: nextRelease < MESSAGES -> goto sleeps
       :: nextRelease == MESSAGES -> skip
       fi;
#endif
#ifdef MUTATION_DOORBELL_HOLDS_NO_RING
       asleep[SENDER] = false;
#endif
       goto polls
     }
#endif
  :: HUNG_UP(RECEIVER) -> reportUnfinished(); goto ends
  fi;

ends:
  atomic {
    closed[SENDER] = true;
    nextSequence = 0; nextRelease = 0; PROGRESS; wanted = 0; first = 0; wants = false;
    FOR_EACH_PARTITION(FORGET, holder)
  }
}
