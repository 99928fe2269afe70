#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace rsm {

/// The seam between the channel and whatever carries its stores into the peer's memory. A channel writes into image() and says
/// what it wrote; whether that is the peer's memory already (`mapped`) or has to be sent there by remote writes (`fabric`) is
/// this side's business alone. Remote writes reach the peer one after another in the order of the calls, but a single one
/// may arrive in any byte order: hence announce(), which is told apart from written().
class Interconnect {
 public:
  virtual ~Interconnect() = default;

  /// This side's image of the peer's region. Never read for what the peer wrote: the peer does not write here.
  virtual std::byte* image() = 0;
  /// Bytes of the image were written and must be in the peer's memory before anything announced later.
  virtual void written(uint64_t offset, uint64_t length) = 0;
  /// Writes a 16-byte slot {body, stamp}. Whoever sees the stamp sees the body and everything written before. (release)
  virtual void announce(uint64_t offset, uint64_t body, uint64_t stamp) = 0;
  /// Writes a lone 64-bit word. (release)
  virtual void store(uint64_t offset, uint64_t value) = 0;
  /// Orders every earlier store of this side before every later load of its own memory. (sequentially consistent)
  virtual void fence() = 0;
  /// Pages of the image that hold nothing any more go back to the system.
  virtual void discard(uint64_t offset, uint64_t length) = 0;
  /// "mapped" or "fabric".
  virtual const char* name() const = 0;
};

/// Own memory that the peer writes: a slot's stamp is loaded with acquire before anything it announces.
inline uint64_t loadAcquire(const std::atomic<uint64_t>& word) { return word.load(std::memory_order_acquire); }

}  // namespace rsm
