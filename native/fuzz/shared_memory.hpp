#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "input.hpp"
#include "mapped_interconnect.hpp"
#include "process_state.hpp"
#include "region.hpp"

namespace fuzz {

/// A region as its owner sees it, and a second mapping through which the harness is the hostile peer.
struct SharedMemory {
  rsm::Region own;  ///< read-only; moved to the channel under test
  rsm::Region peer;
  const std::byte* base;  ///< where the owner sees it

  explicit SharedMemory(uint64_t size) : own(rsm::Region::allocate(size)), base(own.data()) {
    peer = rsm::Region::adopt(check::duplicate(own.fd()), size);
  }
  /// A third mapping, for the side whose stores are honest. Before `own` is moved.
  rsm::Region again() const { return rsm::Region::adopt(check::duplicate(own.fd()), peer.size()); }
  uint64_t words() const { return peer.size() / 8; }
  void set(uint64_t word, uint64_t value) const { reinterpret_cast<std::atomic<uint64_t>*>(peer.data())[word].store(value); }
  /// From a word on, as far as the region goes.
  void write(uint64_t word, const std::vector<std::byte>& bytes) const {
    std::copy_n(bytes.begin(), std::min<uint64_t>(bytes.size(), peer.size() - word * 8), peer.data() + word * 8);
  }
  void flip(uint64_t word, uint64_t bits) const { reinterpret_cast<std::atomic<uint64_t>*>(peer.data())[word].fetch_xor(bits); }
};

/// Refuses stores outside the region, which the address sanitizer would not see in a mapping.
class CheckedInterconnect final : public rsm::Interconnect {
 public:
  explicit CheckedInterconnect(rsm::Region region) : size_(region.size()), inner_(std::move(region)) {}

  std::byte* image() override { return inner_.image(); }
  void written(uint64_t offset, uint64_t length) override {
    inside(offset, length);
    inner_.written(offset, length);
  }
  void announce(uint64_t offset, uint64_t body, uint64_t stamp) override {
    REQUIRE(offset % 16 == 0);
    inside(offset, 16);
    inner_.announce(offset, body, stamp);
    announced = {offset, body, stamp};
  }
  void store(uint64_t offset, uint64_t value) override {
    REQUIRE(offset % 8 == 0);
    inside(offset, 8);
    inner_.store(offset, value);
  }
  void fence() override { inner_.fence(); }
  void discard(uint64_t offset, uint64_t length) override {
    inside(offset, length);
    inner_.discard(offset, length);
  }
  const char* name() const override { return inner_.name(); }

  struct Announced {
    uint64_t offset = 0, body = 0, stamp = 0;
  };
  Announced announced;  ///< the last one

 private:
  void inside(uint64_t offset, uint64_t length) const { REQUIRE(length <= size_ && offset <= size_ - length); }

  uint64_t size_;
  rsm::MappedInterconnect inner_;
};

/// Watches the loads from one region: that none stands outside the words agreed, and rewrites memory between them as the input
/// planned it.
class Rewriter final : public LoadObserver {
 public:
  using Loaded = std::function<void(uint64_t word, uint64_t value)>;

  /// Loads may read the region's first `words` words.
  Rewriter(const SharedMemory& memory, uint64_t words, Loaded loaded = {}) : memory_(memory), words_(words), loaded_(std::move(loaded)) {
    loadObserver = this;
  }
  ~Rewriter() override { loadObserver = nullptr; }

  /// Reads one planned rewrite from the input: after how many loads, which word (anywhere, or beside the one that was loaded), what.
  void plan(Input& in) {
    Rewrite r;
    r.after = in.byte();
    const uint32_t how = in.byte();
    r.beside = how & 1;
    r.flips = how & 2;
    r.word = r.beside ? in.upTo(8) : in.upTo(UINT16_MAX);
    r.value = in.number<uint64_t>();
    if (planned_.size() < 32) planned_.push_back(r);
  }
  static void write(Output& out, uint8_t after, bool beside, bool flips, uint32_t word, uint64_t value) {
    out.byte(after).byte((beside ? 1 : 0) | (flips ? 2 : 0)).upTo(word, beside ? 8 : UINT16_MAX).number(value);
  }
  bool quiet() const { return planned_.empty(); }

  void before(const void* word) override {
    const auto* base = memory_.base;
    const auto* at = static_cast<const std::byte*>(word);
    REQUIRE(at >= base && at < base + words_ * 8);
  }
  void after(const void* word, uint64_t value) override {
    const uint64_t index = static_cast<uint64_t>(static_cast<const std::byte*>(word) - memory_.base) / 8;
    if (loaded_) loaded_(index, value);
    while (!planned_.empty()) {
      Rewrite& next = planned_.front();
      if (next.after > 0) {
        --next.after;
        return;
      }
      const uint64_t target = next.beside ? (index + memory_.words() + next.word - 4) % memory_.words() : next.word % words_;
      if (next.flips) memory_.flip(target, next.value);
      else memory_.set(target, next.value);
      planned_.pop_front();
    }
  }

 private:
  struct Rewrite {
    uint32_t after = 0;
    bool beside = false;
    bool flips = false;
    uint32_t word = 0;
    uint64_t value = 0;
  };

  const SharedMemory& memory_;
  uint64_t words_;
  Loaded loaded_;
  std::deque<Rewrite> planned_;
};

/// Which of the lowest 64 descriptors are open, a bit each.
inline uint64_t openDescriptors() {
  uint64_t open = 0;
  for (int fd = 0; fd < 64; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0) open |= uint64_t{1} << fd;
  return open;
}

}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size);
