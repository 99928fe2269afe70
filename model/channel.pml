/*
 * One channel: how a message is committed, released, rung for and hung up on (docs/protocol.md), for spin.
 *
 * The steps of native/src/source_channel.cc and target_channel.cc, one shared word at a time. What a process stores reaches the other
 * only when its carrier brings it there, at any later time: the store buffer of a core, or a queue of remote writes.
 *
 * Chosen with -D:
 *   MEMORY_TSO     stores arrive in their order; a fence waits until all have arrived
 *   MEMORY_WEAK    relaxed stores arrive in any order, a release store after all before it; the fence as above
 *   MEMORY_FABRIC  remote writes arrive one after another, the halves of a slot in any order; a slot may be read once its completion
 *                  came; a fence waits for nothing. An arm that arrives is looked at by whoever it arrives at
 *   SENDER_KILLED, RECEIVER_KILLED   at any point, or never; else both live until everything was released
 *   RECEIVER_CLOSES                  the receiver hangs up by itself, at any time
 *   STARTED_WORDS                    with the words that tell which handlers began
 *   MUTATION_...                     an ordering broken: the verification must fail
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
/* It is one partition or two long, the others are one. */
#ifndef LONG_MESSAGE
#define LONG_MESSAGE 2
#endif
#ifndef PARTITIONS
#define PARTITIONS 2
#endif

/* What only the properties look at. */
byte lengthOf[MESSAGES + 1];  /* partitions of a committed message, until it was released */
byte releasedAs[MESSAGES];    /* number of the release -> sequence, until its record arrived */
byte announced;               /* the last sequence that reached the target */
byte delivered;               /* the last sequence that was read from the order ring */
byte releasesTaken;           /* records that the sender has read */
bool released[MESSAGES + 1];  /* its record reached the sender */
#ifdef STARTED_WORDS
bool begun[MESSAGES + 1];     /* its handler ran */
#endif

#include "memory.pml"
#include "sender.pml"
#include "receiver.pml"

init {
  atomic {
    run carrier(SENDER);
    run carrier(RECEIVER);
    run sender();
    run receiver()
  }
  /* Nobody may stop before this: a lost wake-up shows as an invalid end state, in which somebody sleeps and nobody will ring. */
  atomic {
    closed[SENDER] && closed[RECEIVER] && empty(stores[SENDER]) && empty(stores[RECEIVER]) -> skip;
#ifdef SENDER_KILLED
    assert(delivered == announced)  /* what was committed outlives its sender */
#elif !defined(RECEIVER_KILLED) && !defined(RECEIVER_CLOSES)
    assert(delivered == MESSAGES && announced == MESSAGES)
#endif
  }
}
