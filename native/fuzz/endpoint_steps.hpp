#pragma once

#include <cstdint>
#include <vector>

#include "segment_descriptor.hpp"

namespace fuzz {

/// What an input of endpoint_fuzz does, a byte each, with what follows it.
enum class EndpointStep : uint8_t {
  kHello,      ///< flaw, value u32: the greeting, whole or with one flaw
  kRegister,   ///< flaw, value u64: the registration, whole or with one flaw
  kObtain,
  kNotice,     ///< code u32
  kFrame,      ///< kind, descriptors, length u16, bytes: a frame of any kind
  kBytes,      ///< length, bytes: no frame at all
  kForm,       ///< greets, registers, obtains, and maps what the server describes
  kLook,       ///< reads what the server sent
  kTurns,      ///< count: the server's loop turns
  kCommit,     ///< group, partition, length u16, mark, lane, break: a message in the server's target memory
  kTargetWord, ///< word u16, value u64: anywhere in the server's target region
  kAnswer,     ///< which, outcome: releases a message of the server
  kForge,      ///< sequence u64, cell u32, outcome
  kReleaseWord,///< word u16, value u64: anywhere in the server's release region
  kRewrite,    ///< after, target or release, word u16, value u64: changes a word between two loads of the server
  kSend,       ///< length u16, lane, watched: the server sends
  kSettle,     ///< which, operation
  kStart,      ///< which, started
  kReturn,     ///< the server hands back what has not started
  kServer,     ///< which: the server closes, trims, notifies, counts
  kTime,       ///< milliseconds: passes
  kRing,       ///< the peer rings
  kHangUp,     ///< the peer closes its socket
  kCount,
};

inline const std::vector<rsm::SegmentGeometry> kServerGeometry{{64, 16, 8}, {1000, 8, 7}};
inline const std::vector<rsm::SegmentGeometry> kPeerGeometry{{50, 8, 8}, {512, 8, 2}};

}  // namespace fuzz
