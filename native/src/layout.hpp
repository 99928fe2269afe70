#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

/// The words that two processes share: the only place where their offset, size and WRITER stand.
///
/// One channel (one direction between one sender and one receiver) has two regions.
///
///   target region, allocated by the receiver, written by the SENDER, read by the receiver:
///     +0               TargetHeader        128 B
///     +128             order ring          16 B x slots (a power of two, >= partitions of the channel)
///     then per segment a directory         16 B x partitions
///     then per segment the partitions      partition size x partitions, on 4 KiB boundaries
///
///   release region, allocated by the sender, written by the RECEIVER, read by the sender:
///     +0               ReleaseHeader       128 B
///     +128             release ring        16 B x slots (the order ring's count)
///     then             started words       8 B x partitions of the channel
///
/// Each region has a single writer. Its owner maps it read-only.
namespace rsm::layout {

inline constexpr uint32_t kProtocolVersion = 1;

/// Words with different writers, and words polled apart from one another, stand this far apart (two cache lines: the
/// adjacent-line prefetcher pairs them).
inline constexpr std::size_t kLine = 128;
inline constexpr std::size_t kPage = 4096;

/// writer: SENDER
struct TargetHeader {
  /// 0: the sender does not wait. Else it waits for releases and wants the doorbell: an arm (see below) that names the next release. [D]
  std::atomic<uint64_t> senderWaits;
  unsigned char pad[kLine - 8];
};

/// writer: SENDER. One slot per committed span, in order of commit: slot = sequence % slots.
///   body      63          32 31           0
///            +--------------+--------------+
///            | group        | partition    |
///            +--------------+--------------+
struct OrderSlot {
  std::atomic<uint64_t> body;
  /// The message's sequence (the first is 1); stored last: before it the message does not exist. [A]
  std::atomic<uint64_t> sequence;
};

/// writer: SENDER. One entry per partition.
///   word0     63          32 31           0
///            +--------------+--------------+
///            | length       | next         |   next: the partition that follows in the span, kEndOfSpan in the last
///            +--------------+--------------+   length: bytes of the whole span, in its first entry; else 0
///   word1     63  56 55  48 47     32 31  0
///            +------+------+---------+-----+
///            | lane | mark | attempt | 0   |
///            +------+------+---------+-----+
struct DirectoryEntry {
  std::atomic<uint64_t> word0;
  std::atomic<uint64_t> word1;
};

inline constexpr uint32_t kEndOfSpan = 0xffffffffu;

enum Mark : uint8_t {
  kMarkNone = 0,
  kMarkFirst = 1,      ///< first partition of a message (or of one fragment of it)
  kMarkFragment = 2,   ///< the span is a fragment: more of the same message stands in other spans
  kMarkLast = 4,       ///< the fragment is the message's last
};

/// writer: RECEIVER
struct ReleaseHeader {
  /// 0: the receiver polls. Else it sleeps and wants the doorbell: an arm that names the next sequence. [C]
  std::atomic<uint64_t> sleeping;
  unsigned char pad[kLine - 8];
};

/// writer: RECEIVER. One record per released span, in order of release: slot = number of the release % slots.
///   body      63                    4 3    0
///            +-----------------------+------+
///            | sequence              | outc.|
///            +-----------------------+------+
///   stamp     63          32 31           0
///            +--------------+--------------+   cell: the span's first partition, counted over all groups of the channel
///            | cell         | number + 1   |   stored last; its low half announces the record. [B]
///            +--------------+--------------+
struct ReleaseRecord {
  std::atomic<uint64_t> body;
  std::atomic<uint64_t> stamp;
};

/// writer: RECEIVER. started[cell] = sequence of the message whose handler began. Read by the sender after a crash only. [E]
using StartedWord = std::atomic<uint64_t>;

enum class Outcome : uint8_t { kDone = 1, kFailed = 2, kNack = 3, kReturned = 4 };

/// An arm, in `sleeping` and `senderWaits`: never 0.
///            63          32 31           0
///            +--------------+--------------+   generation: from 1; each arm has another, and is rung for once
///            | generation   | expected     |   expected: low half of the number that the side that armed expects next
///            +--------------+--------------+
inline constexpr uint64_t arm(uint32_t generation, uint64_t expected) { return uint64_t{generation} << 32 | static_cast<uint32_t>(expected); }
inline constexpr uint32_t generationOf(uint64_t arm) { return static_cast<uint32_t>(arm >> 32); }
/// Something was given out that the side that armed had not seen: `next` is the number that comes next. Else the arm crossed with what
/// it has already.
inline constexpr bool beyond(uint64_t arm, uint64_t next) { return static_cast<int32_t>(static_cast<uint32_t>(next) - static_cast<uint32_t>(arm)) > 0; }

static_assert(sizeof(TargetHeader) == kLine && offsetof(TargetHeader, senderWaits) == 0);
static_assert(sizeof(OrderSlot) == 16 && offsetof(OrderSlot, body) == 0 && offsetof(OrderSlot, sequence) == 8);
static_assert(sizeof(DirectoryEntry) == 16 && offsetof(DirectoryEntry, word0) == 0 && offsetof(DirectoryEntry, word1) == 8);
static_assert(sizeof(ReleaseHeader) == kLine && offsetof(ReleaseHeader, sleeping) == 0);
static_assert(sizeof(ReleaseRecord) == 16 && offsetof(ReleaseRecord, body) == 0 && offsetof(ReleaseRecord, stamp) == 8);
static_assert(sizeof(StartedWord) == 8);
static_assert(std::atomic<uint64_t>::is_always_lock_free, "shared words need lock-free 64-bit atomics");

inline constexpr std::size_t kTargetHeaderOffset = 0;
inline constexpr std::size_t kOrderRingOffset = kLine;
inline constexpr std::size_t kReleaseHeaderOffset = 0;
inline constexpr std::size_t kReleaseRingOffset = kLine;

}  // namespace rsm::layout
