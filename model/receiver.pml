/* The receiver: TargetChannel, and what Endpoint does with it. */

/* States of a message here, besides 0 */
#define HELD 1      /* read from the order ring; it waits in its partitions for credit, or for its handler to end */
#define COPIED 2    /* marked as started */
#define HANDLED 3   /* its handler has begun */
#define FINISHED 4  /* released */

/* The payload is whole, and the one that was committed with this sequence. */
inline check(sequence) {
  cell = cellOf[sequence];
  assert(memory[PAYLOAD(cell)] == sequence);
  assert(memory[PAYLOAD(cell + lengthOf[sequence] - 1)] == sequence);
  cell = 0
}

/*
 * Reads an order slot that may be read, and the directory entry it names. [A]
 * The payload is copied out some time between this and the release: it is checked at the first moment and at the last.
 */
inline readNext(body) {
  cell = body;
  assert(cell < PARTITIONS && memory[DIRECTORY(cell)] == lengthOf[nextSequence]);
  cellOf[nextSequence] = cell;
  check(nextSequence);
  state[nextSequence] = HELD;
  delivered = nextSequence;
  nextSequence++;
  PROGRESS
}

inline markStarted(sequence) {
  RECEIVER_CRASH_POINT
  STORE(RECEIVER, STARTED(cellOf[sequence]), sequence, RELEASE)  /* [E] */
}

/* A remote write that tells of a start must have arrived before the handler begins: else nobody hears of it if this host dies now. */
#if defined(MEMORY_FABRIC) && !defined(MUTATION_HANDLER_BEFORE_STARTED_ARRIVED)
#define START_IS_KNOWN(sequence) (memory[STARTED(cellOf[sequence])] == sequence)
#else
#define START_IS_KNOWN(sequence) true
#endif

inline storeRecordBody(sequence) {
  RECEIVER_CRASH_POINT
  STORE(RECEIVER, RECORD_BODY(nextRelease % SLOTS), sequence, RELAXED)
}

inline storeRecordStamp(sequence) {
  RECEIVER_CRASH_POINT
  STORE(RECEIVER, RECORD_STAMP(nextRelease % SLOTS), STAMP(cellOf[sequence], nextRelease), RECORD_STAMP_ORDERING)
}

inline release(sequence) {
#ifndef MUTATION_RELEASE_BEFORE_COPY
  check(sequence);
  lengthOf[sequence] = 0;
#endif
  assert(nextRelease - releasesTaken < SLOTS);  /* the release ring never overflows */
  releasedAs[nextRelease] = sequence;
#ifdef MUTATION_RECORD_STAMP_BEFORE_BODY
  storeRecordStamp(sequence); storeRecordBody(sequence);
#else
  storeRecordBody(sequence); storeRecordStamp(sequence);  /* [B] */
#endif
  RECEIVER_CRASH_POINT
  COMPLETE(RECEIVER, nextRelease + 1);
  nextRelease++;
#ifndef MUTATION_RELEASE_BEFORE_COPY
  cellOf[sequence] = 0;
#endif
  state[sequence] = FINISHED;
  releasesToFlush = true
}

/* Credit comes and handlers end in any order, whether this side polls or sleeps. */
#ifndef STARTED_WORDS
#define MESSAGE(sequence) :: atomic { state[sequence] == HELD -> release(sequence) }
#elif defined(MUTATION_STARTED_AFTER_HANDLER)
#define MESSAGE(sequence) \
  :: atomic { state[sequence] == HELD -> begun[sequence] = true; markStarted(sequence); state[sequence] = HANDLED } \
  :: atomic { state[sequence] == HANDLED -> release(sequence) }
#else
#define MESSAGE(sequence) \
  :: atomic { state[sequence] == HELD -> markStarted(sequence); state[sequence] = COPIED } \
  :: atomic { state[sequence] == COPIED && START_IS_KNOWN(sequence) -> begun[sequence] = true; state[sequence] = HANDLED } \
  :: atomic { state[sequence] == HANDLED -> release(sequence) }
#endif

#define COPY_AFTER_RELEASE(sequence) :: atomic { state[sequence] == FINISHED -> check(sequence) }
#define FORGET_MESSAGE(sequence) state[sequence] = 0; cellOf[sequence] = 0;

#if MESSAGES == 2
#define FOR_EACH_MESSAGE(option) option(1) option(2)
#elif MESSAGES == 3
#define FOR_EACH_MESSAGE(option) option(1) option(2) option(3)
#else
#define FOR_EACH_MESSAGE(option) option(1) option(2) option(3) option(4)
#endif

/* Loads `senderWaits`: the sender is to be rung if it waits, was not rung for this wait, and had not seen what is released. [D] */
inline senderWantsBell() {
  wants = memory[SENDER_WAITS] != 0;
#ifdef MUTATION_WAIT_WITHOUT_EXPECTED
  wants = wants && !lookedOnArrival;
#elif defined(MUTATION_RELEASE_EXPECTED_OFF_BY_ONE)
  wants = wants && nextRelease > EXPECTED(memory[SENDER_WAITS]) + 1;
#elif !defined(MUTATION_WAIT_RUNG_ON_ANY_ARRIVAL)
  wants = wants && nextRelease > EXPECTED(memory[SENDER_WAITS]);
#endif
#ifdef MUTATION_RUNG_ONCE
  rung[SENDER] = rung[SENDER] && memory[SENDER_WAITS] != 0;
#endif
  wants = wants && !rung[SENDER];
  rung[SENDER] = rung[SENDER] || wants
}

#define RING_SENDER_IF_WANTED \
  if \
  :: atomic { wants -> wants = false; RECEIVER_CRASH_POINT RING_PEER(RECEIVER) } \
  :: !wants \
  fi

#ifdef MEMORY_FABRIC
inline lookOnArrivalAtReceiver() {
  atomic {
    armArrived[RECEIVER] = false;
#ifndef MUTATION_ARRIVAL_NOT_LOOKED_AT
    lookedOnArrival = true;
    senderWantsBell();
    RING_AT_ONCE(RECEIVER);
    lookedOnArrival = false
#endif
  };
  RING_SENDER_IF_WANTED
}
#endif

/* [C] */
inline arm() {
  RECEIVER_CRASH_POINT
  STORE(RECEIVER, SLEEPING, ARMED(nextSequence), RELEASE);
  ARMED_ONCE_MORE
}

inline disarm() { STORE(RECEIVER, SLEEPING, 0, RELEASE) }

#ifdef MUTATION_NO_FENCE_AT_FLUSH
#define FENCED_AT_FLUSH true
#else
#define FENCED_AT_FLUSH FENCED(RECEIVER)
#endif
#ifdef MUTATION_NO_FENCE_AT_ARM
#define FENCED_AT_ARM true
#else
#define FENCED_AT_ARM FENCED(RECEIVER)
#endif
#ifdef MUTATION_NO_RECHECK_AFTER_ARM
#define COMMITTED_AFTER_ARM false
#else
#define COMMITTED_AFTER_ARM COMMITTED(nextSequence)
#endif
#ifdef MUTATION_NO_FLUSH_BEFORE_SLEEP
#define FLUSHED true
#define FORGET_FLUSH releasesToFlush = false;
#else
#define FLUSHED !releasesToFlush
#define FORGET_FLUSH
#endif

proctype receiver() {
  byte nextSequence = 1;
  byte nextRelease;
#ifdef COUNT_WAKES
  byte inVain;
#endif
  byte cell;
  byte state[MESSAGES + 2];
  byte cellOf[MESSAGES + 1];
  bool awake = true;
  bool releasesToFlush, wants;
#ifdef MEMORY_FABRIC
  bool lookedOnArrival;
#endif
#ifdef MUTATION_ORDER_BODY_READ_FIRST
  byte early;
#endif

  do
#ifdef RECEIVER_KILLED
  :: atomic { killed[RECEIVER] = true; goto ends }
#endif
#ifdef RECEIVER_CLOSES
  :: goto ends
#endif
  :: HUNG_UP(SENDER) -> break

#ifdef MUTATION_ORDER_BODY_READ_FIRST
  :: awake && early == 0 -> early = memory[ORDER_BODY(nextSequence % SLOTS)] + 1
  :: atomic { awake && early != 0 && COMMITTED(nextSequence) -> readNext(early - 1); early = 0 }
#else
  :: atomic { awake && COMMITTED(nextSequence) -> readNext(memory[ORDER_BODY(nextSequence % SLOTS)]) }
#endif

  FOR_EACH_MESSAGE(MESSAGE)
#ifdef MUTATION_RELEASE_BEFORE_COPY
  FOR_EACH_MESSAGE(COPY_AFTER_RELEASE)
#endif

  :: atomic { releasesToFlush && FENCED_AT_FLUSH -> RECEIVER_CRASH_POINT releasesToFlush = false; senderWantsBell(); RING_AT_ONCE(RECEIVER) };
     RING_SENDER_IF_WANTED

#ifdef MEMORY_FABRIC
  :: armArrived[RECEIVER] -> lookOnArrivalAtReceiver()
#endif

  :: atomic { awake && FLUSHED && !COMMITTED(nextSequence) -> FORGET_FLUSH arm() };
     if
     :: atomic { FENCED_AT_ARM && COMMITTED_AFTER_ARM -> disarm() }
     :: atomic { FENCED_AT_ARM && !COMMITTED_AFTER_ARM -> awake = false }
#ifdef MUTATION_DOORBELL_HOLDS_NO_RING
        ; asleep[RECEIVER] = true
#endif
     fi
  :: atomic { !awake && bell[RECEIVER] -> bell[RECEIVER] = false; awake = true;
#ifdef MUTATION_DOORBELL_HOLDS_NO_RING
              asleep[RECEIVER] = false;
#endif
              disarm() }
  od;

  /* Drain first, then close. */
#ifndef MUTATION_CLOSE_BEFORE_DRAIN
  do
  :: atomic { COMMITTED(nextSequence) -> readNext(memory[ORDER_BODY(nextSequence % SLOTS)]) }
  :: !COMMITTED(nextSequence) -> break
  od;
#endif

ends:
#ifdef MUTATION_RELEASE_AFTER_CLOSE
  closed[RECEIVER] = true;
  if
  FOR_EACH_MESSAGE(MESSAGE)
  :: skip
  fi;
#endif
  atomic {
    closed[RECEIVER] = true;
    nextSequence = 0; nextRelease = 0; PROGRESS; cell = 0; awake = false; wants = false; releasesToFlush = false;
    FOR_EACH_MESSAGE(FORGET_MESSAGE)
  }
}
