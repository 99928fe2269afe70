/* Shared words, and the carriers that bring stores to them. */

/* The smallest power of two that is not below the partitions. */
#if defined(MUTATION_FEWER_SLOTS_THAN_PARTITIONS) || PARTITIONS == 1
#define SLOTS 1
#elif PARTITIONS > 2
#define SLOTS 4
#else
#define SLOTS 2
#endif

#define SENDER 0
#define RECEIVER 1
#define PEER(side) (1 - side)

/* Target region, written by the sender. */
#define SENDER_WAITS 0
#define ORDER_BODY(slot) (1 + (slot))
#define ORDER_SEQUENCE(slot) (1 + SLOTS + (slot))
#define DIRECTORY(cell) (1 + 2 * SLOTS + (cell))
#define PAYLOAD(cell) (1 + 2 * SLOTS + PARTITIONS + (cell))
#define RELEASE_REGION (1 + 2 * SLOTS + 2 * PARTITIONS)
/* Release region, written by the receiver. */
#define SLEEPING (RELEASE_REGION)
#define RECORD_BODY(slot) (RELEASE_REGION + 1 + (slot))
#define RECORD_STAMP(slot) (RELEASE_REGION + 1 + SLOTS + (slot))
#define STARTED(cell) (RELEASE_REGION + 1 + 2 * SLOTS + (cell))
#ifdef STARTED_WORDS
#define WORDS (STARTED(PARTITIONS))
#else
#define WORDS (STARTED(0))
#endif
/* Not words: what else a carrier brings. */
#define COMPLETION 200
#define RING 201

/* an arm: the next number expected, as in `sleeping`; its generation: see `rung` */
#define ARMED(expected) (8 + (expected))
#define EXPECTED(word) ((word) % 8)
/* cell and number + 1 in one word, as in the stamp of a record */
#define STAMP(cell, number) ((cell) * 16 + (number) + 1)
#define STAMPED_CELL(word) ((word) / 16)
#define STAMPED_NUMBER(word) ((word) % 16)

#define RELAXED 0
#define RELEASE 1
#ifdef MUTATION_ORDER_STAMP_RELAXED
#define ORDER_STAMP_ORDERING RELAXED
#else
#define ORDER_STAMP_ORDERING RELEASE
#endif
#ifdef MUTATION_RECORD_STAMP_RELAXED
#define RECORD_STAMP_ORDERING RELAXED
#else
#define RECORD_STAMP_ORDERING RELEASE
#endif

#ifdef MEMORY_FABRIC
#ifndef CAPACITY
#define CAPACITY 6
#endif
#else
#define CAPACITY 10
#endif

byte memory[WORDS];
chan stores[2] = [CAPACITY] of {byte, byte, bit};  /* word, value, ordering: on their way */
bool bell[2];    /* the doorbell of that side holds rings; all are taken at once, so their number does not matter */
bool killed[2];
bool closed[2];  /* killed, or closed its control socket */
#ifdef MEMORY_FABRIC
bool armArrived[2];   /* the peer's arm came in and was not looked at */
byte completions[2];  /* slots of this side that are completely written */
#endif
#ifdef MUTATION_DOORBELL_HOLDS_NO_RING
bool asleep[2];
#endif

#ifdef MEMORY_FABRIC
/* waits while as many writes are on their way as the interconnect takes */
#define STORE(side, word, value, ordering) stores[side]!word,value,ordering
#else
#define STORE(side, word, value, ordering) assert(nfull(stores[side])); stores[side]!word,value,ordering
#endif

/* Here the process may be killed: before each store, each look, each ring, and while it sleeps. */
#ifdef SENDER_KILLED
#define SENDER_CRASH_POINT if :: skip :: killed[SENDER] = true; goto ends fi;
#else
#define SENDER_CRASH_POINT
#endif
#ifdef RECEIVER_KILLED
#define RECEIVER_CRASH_POINT if :: skip :: killed[RECEIVER] = true; goto ends fi;
#else
#define RECEIVER_CRASH_POINT
#endif

/*
 * A generation is only compared with the last one that was rung for, and no two arms have the same. So a bit says as much: the arm that is
 * now in the word was rung for. Another arm that arrives has another generation, and was not.
 */
bool rung[2];  /* the side that armed was rung, for the arm in its word */

/* Nobody is woken for nothing for ever. */
#ifdef COUNT_WAKES
#define ARMED_ONCE_MORE inVain++; assert(inVain <= 4)
#define PROGRESS inVain = 0
#else
#define ARMED_ONCE_MORE skip
#define PROGRESS skip
#endif

/* Nobody hears of the end of a process before its last store has arrived, or can no longer arrive. */
#ifdef MUTATION_HANG_UP_OVERTAKES_WRITES
#define HUNG_UP(side) (closed[side])
#else
#define HUNG_UP(side) (closed[side] && empty(stores[side]))
#endif

#ifdef MEMORY_FABRIC
#define FENCED(side) true
#define RING_PEER(side) STORE(side, RING, 0, RELEASE)
/* When it is put on its way, between looks, makes no difference. */
#define RING_AT_ONCE(side) if :: wants -> wants = false; RING_PEER(side) :: !wants fi
#define COMPLETE(side, number) STORE(side, COMPLETION, number, RELEASE)
#else
#define FENCED(side) empty(stores[side])
#ifdef MUTATION_DOORBELL_HOLDS_NO_RING
#define RING_PEER(side) bell[PEER(side)] = asleep[PEER(side)]
#else
#define RING_PEER(side) bell[PEER(side)] = true
#endif
#define RING_AT_ONCE(side) skip
#define COMPLETE(side, number) skip
#endif

/* A slot may be read: its stamp is there; on fabric its completion is. */
#if defined(MEMORY_FABRIC) && !defined(MUTATION_SLOT_READ_BEFORE_COMPLETION)
#define COMMITTED(sequence) (completions[RECEIVER] >= (sequence))
#else
#define COMMITTED(sequence) (memory[ORDER_SEQUENCE((sequence) % SLOTS)] == (sequence))
#endif
#if defined(MEMORY_FABRIC) && !defined(MUTATION_RECORD_READ_BEFORE_COMPLETION)
#define RELEASED(number) (completions[SENDER] >= (number) + 1)
#else
#define RELEASED(number) (STAMPED_NUMBER(memory[RECORD_STAMP((number) % SLOTS)]) == (number) + 1)
#endif

#if defined(MUTATION_SAME_GENERATION) || defined(MUTATION_RUNG_ONCE)
#define NEW_GENERATION(side) skip
#elif defined(MEMORY_FABRIC)
#define NEW_GENERATION(side) rung[side] = false; armArrived[PEER(side)] = true
#else
#define NEW_GENERATION(side) rung[side] = false
#endif

/* For the properties: a slot or a record is in the peer's memory, for good. */
inline arrived(side, number) {
  if
  :: side == SENDER -> announced = number
  :: else -> released[releasedAs[number - 1]] = true; releasedAs[number - 1] = 0
  fi
}

inline arrive(side, word, value) {
  if
#ifdef MEMORY_FABRIC
  :: word == RING -> bell[PEER(side)] = true
  :: word == COMPLETION -> completions[PEER(side)] = value; arrived(side, value)
#endif
  :: word == SENDER_WAITS || word == SLEEPING ->
     memory[word] = value;
     if
     :: value != 0 -> NEW_GENERATION(side)
     :: else
     fi
#ifndef MEMORY_FABRIC
  :: side == SENDER && word >= ORDER_SEQUENCE(0) && word < ORDER_SEQUENCE(SLOTS) -> memory[word] = value; arrived(side, value)
  :: side == RECEIVER && word >= RECORD_STAMP(0) && word < RECORD_STAMP(SLOTS) -> memory[word] = value; arrived(side, STAMPED_NUMBER(value))
#endif
  :: else -> memory[word] = value
  fi;
#if defined(MEMORY_FABRIC) && !defined(HALVES)
  part = word != COMPLETION && word != RING && word != SENDER_WAITS && word != SLEEPING && word < STARTED(0);
#endif
  word = 0;
  value = 0
}

#define OUT_OF_ORDER(word_of, index) \
  :: atomic { stores[side]??eval(word_of(index)),value,RELAXED -> word = word_of(index); arrive(side, word, value) }
#define SECOND_HALF_FIRST(halves, index) \
  :: atomic { stores[side]?[eval(halves##_BODY(index)),_,_] && stores[side]??[eval(halves##_STAMP(index)),_,_] -> \
              stores[side]??eval(halves##_STAMP(index)),value,_; word = halves##_STAMP(index); arrive(side, word, value) }
#define ORDER_STAMP(slot) ORDER_SEQUENCE(slot)

#if SLOTS == 1
#define FOR_EACH_SLOT(option, words) option(words, 0)
#elif SLOTS == 2
#define FOR_EACH_SLOT(option, words) option(words, 0) option(words, 1)
#else
#define FOR_EACH_SLOT(option, words) option(words, 0) option(words, 1) option(words, 2) option(words, 3)
#endif
#if PARTITIONS == 1
#define FOR_EACH_PARTITION(option, words) option(words, 0)
#elif PARTITIONS == 2
#define FOR_EACH_PARTITION(option, words) option(words, 0) option(words, 1)
#else
#define FOR_EACH_PARTITION(option, words) option(words, 0) option(words, 1) option(words, 2)
#endif

proctype carrier(byte side) {
  byte word, value;
#if defined(MEMORY_FABRIC) && !defined(HALVES)
  bool part;
#endif
end:
  do
  :: atomic { stores[side]?word,value,_ -> arrive(side, word, value);
#if defined(MEMORY_FABRIC) && !defined(HALVES)
       /* nobody can tell when each part of a commit or a release came in: only the completion says that they have */
       do
       :: part && nempty(stores[side]) -> stores[side]?word,value,_; arrive(side, word, value)
       :: part && empty(stores[side]) -> break
       :: !part -> break
       od;
       part = false
#endif
     }
#ifdef MEMORY_WEAK
  FOR_EACH_SLOT(OUT_OF_ORDER, ORDER_BODY)
  FOR_EACH_SLOT(OUT_OF_ORDER, RECORD_BODY)
  FOR_EACH_PARTITION(OUT_OF_ORDER, DIRECTORY)
  FOR_EACH_PARTITION(OUT_OF_ORDER, PAYLOAD)
#ifdef MUTATION_ORDER_STAMP_RELAXED
  FOR_EACH_SLOT(OUT_OF_ORDER, ORDER_SEQUENCE)
#endif
#ifdef MUTATION_RECORD_STAMP_RELAXED
  FOR_EACH_SLOT(OUT_OF_ORDER, RECORD_STAMP)
#endif
#endif
#ifdef HALVES
  FOR_EACH_SLOT(SECOND_HALF_FIRST, ORDER)
  FOR_EACH_SLOT(SECOND_HALF_FIRST, RECORD)
#endif
#ifdef MEMORY_FABRIC
  /* Remote writes of a killed process that were still on their way may never arrive. */
  :: atomic {
       killed[side] && nempty(stores[side]) ->
       do
       :: nempty(stores[side]) -> stores[side]?_,_,_
       :: empty(stores[side]) -> break
       od
     }
#endif
  od
}
