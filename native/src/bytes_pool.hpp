#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace rsm {

/// Memory of long messages, used again: a page touched for the first time costs more than the copy into it. For one thread.
class BytesPool {
 public:
  using Bytes = std::vector<std::byte>;

  static constexpr std::size_t kMost = 32 << 20;  ///< bytes kept at most
  static constexpr std::size_t kGrain = 64 << 10;

  /// Empty, with room for `length` bytes.
  Bytes take(std::size_t length) {
    used_ = true;
    // The last one given is the likeliest to be in the caches still.
    for (auto at = free_.rbegin(); at != free_.rend(); ++at) {
      if (at->capacity() < length || at->capacity() / 2 > length) continue;
      Bytes bytes = std::move(*at);
      free_.erase(std::next(at).base());
      kept_ -= bytes.capacity();
      bytes.clear();
      return bytes;
    }
    Bytes bytes;
    bytes.reserve((length + kGrain - 1) / kGrain * kGrain);
    return bytes;
  }

  void give(Bytes bytes) {
    if (bytes.capacity() < kGrain || bytes.capacity() > kMost) return;
    kept_ += bytes.capacity();
    free_.push_back(std::move(bytes));
    while (kept_ > kMost) {  // the oldest go: sizes that nobody asks for any more
      kept_ -= free_.front().capacity();
      free_.erase(free_.begin());
    }
  }

  /// Called now and then: gives back what nobody has asked for since the last time.
  void trim() {
    if (!std::exchange(used_, false)) {
      free_.clear();
      kept_ = 0;
    }
  }

  std::size_t kept() const { return kept_; }

 private:
  std::vector<Bytes> free_;
  std::size_t kept_ = 0;
  bool used_ = false;
};

}  // namespace rsm
