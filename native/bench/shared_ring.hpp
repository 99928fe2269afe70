#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace rsm::bench {

/// The least that can carry messages between two processes: one byte ring, one writer, one reader, no directory, no release, no bell.
/// What the segments cost more than this is the price of what they promise.
struct RingMemory {
  alignas(128) std::atomic<uint64_t> written;  ///< bytes, by the writer
  alignas(128) std::atomic<uint64_t> taken;    ///< bytes, by the reader
};

inline constexpr std::size_t kRingHeader = sizeof(RingMemory);
inline constexpr std::size_t kRecordHeader = 8;
inline constexpr uint64_t kSkip = UINT64_MAX;  ///< instead of a length: go on at the ring's beginning

inline uint64_t recordSize(uint64_t length) { return kRecordHeader + ((length + 7) & ~uint64_t{7}); }

class RingWriter {
 public:
  RingWriter(std::byte* memory, uint64_t size)
      : header_(reinterpret_cast<RingMemory*>(memory)), bytes_(memory + kRingHeader), size_(size - kRingHeader) {}

  /// False where there is no room. A message is at most half the ring long.
  bool write(const std::byte* payload, uint64_t length) {
    const uint64_t need = recordSize(length);
    uint64_t at = at_ % size_;
    const uint64_t skip = size_ - at < need ? size_ - at : 0;
    if (at_ + skip + need - takenSeen_ > size_) {
      takenSeen_ = header_->taken.load(std::memory_order_acquire);
      if (at_ + skip + need - takenSeen_ > size_) return false;
    }
    if (skip) {
      std::memcpy(bytes_ + at, &kSkip, 8);
      at_ += skip;
      at = 0;
    }
    std::memcpy(bytes_ + at, &length, 8);
    std::memcpy(bytes_ + at + kRecordHeader, payload, length);
    at_ += need;
    header_->written.store(at_, std::memory_order_release);
    return true;
  }

 private:
  RingMemory* header_;
  std::byte* bytes_;
  uint64_t size_;
  uint64_t at_ = 0;
  uint64_t takenSeen_ = 0;
};

class RingReader {
 public:
  RingReader(std::byte* memory, uint64_t size)
      : header_(reinterpret_cast<RingMemory*>(memory)), bytes_(memory + kRingHeader), size_(size - kRingHeader) {}

  /// Hands each message that is there to `take(bytes, length)`, as long as that returns true; returns how many it took.
  template <class Take>
  std::size_t read(Take&& take) {
    const uint64_t end = header_->written.load(std::memory_order_acquire);
    std::size_t count = 0;
    while (at_ != end) {
      const uint64_t at = at_ % size_;
      uint64_t length;
      std::memcpy(&length, bytes_ + at, 8);
      if (length == kSkip) {
        at_ += size_ - at;
        continue;
      }
      if (!take(bytes_ + at + kRecordHeader, length)) break;
      at_ += recordSize(length);
      ++count;
    }
    return count;
  }
  /// Gives what was read back to the writer.
  void release() { header_->taken.store(at_, std::memory_order_release); }

 private:
  RingMemory* header_;
  std::byte* bytes_;
  uint64_t size_;
  uint64_t at_ = 0;
};

}  // namespace rsm::bench
