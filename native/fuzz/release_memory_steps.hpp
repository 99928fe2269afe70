#pragma once

#include <cstdint>

namespace fuzz {

/// What an input of release_memory_fuzz does, a byte each, with what follows it.
enum class ReleaseStep : uint8_t {
  kSend,       ///< length u16, salt, lane, attempt, watched
  kRelease,    ///< which of the spans in flight, outcome: a record as the receiver writes it
  kForge,      ///< sequence u64, cell u32, outcome: the next record, whatever it says
  kBytes,      ///< word u16, count u8, bytes: written over release memory
  kWord,       ///< word u16, value u64
  kRewrite,    ///< see Rewriter::plan
  kTake,       ///< takes releases
  kPump,       ///< commits fragments
  kSleep,      ///< looks for a sleeper, arms, disarms
  kStarted,    ///< which of the spans in flight
  kUnfinished, ///< lists what is not released
  kTrim,
  kCount,
};

}  // namespace fuzz
