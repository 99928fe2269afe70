#pragma once

#include <cstdint>

namespace fuzz {

/// What an input of target_memory_fuzz does, a byte each, with what follows it.
enum class TargetStep : uint8_t {
  kBytes,      ///< word u16, count u8, bytes: written over shared words
  kWord,       ///< word u16, value u64
  kCommit,     ///< group, partition, length u16, mark, lane, break: a message as a sender commits it, but for one broken link
  kSlot,       ///< sequence offset, body u64: an order slot
  kRewrite,    ///< see Rewriter::plan
  kDrain,      ///< budget, sinkWord u16, sinkValue u64: drains while the sink rewrites one word
  kRelease,    ///< which of the held ones, outcome
  kStart,      ///< which, started
  kSleep,      ///< arms, looks, disarms
  kCount,
};

}  // namespace fuzz
