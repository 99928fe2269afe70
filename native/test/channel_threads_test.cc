// One channel used by two threads over the very same addresses: what ThreadSanitizer can watch. (Over two mappings of one region it sees
// two memories.)
#include <sys/mman.h>

#include <thread>

#include "channel_pair.hpp"

namespace layout = rsm::layout;
using check::pattern;

namespace {

/// MappedInterconnect over somebody else's mapping.
class SameMemory final : public rsm::Interconnect {
 public:
  explicit SameMemory(const rsm::Region& region) : base_(region.data()) { ::mprotect(base_, region.size(), PROT_READ | PROT_WRITE); }
  std::byte* image() override { return base_; }
  void written(uint64_t, uint64_t) override {}
  void announce(uint64_t offset, uint64_t body, uint64_t stamp) override {
    word(offset).store(body, std::memory_order_relaxed);
    word(offset + 8).store(stamp, std::memory_order_release);
  }
  void store(uint64_t offset, uint64_t value) override { word(offset).store(value, std::memory_order_release); }
  void fence() override {}
  void discard(uint64_t, uint64_t) override {}
  const char* name() const override { return "mapped"; }

 private:
  std::atomic<uint64_t>& word(uint64_t offset) { return *reinterpret_cast<std::atomic<uint64_t>*>(base_ + offset); }
  std::byte* base_;
};

}  // namespace

TEST("M4, M12: a sender and a receiver that run at once need no lock: no data race, every message identical and in order") {
  const auto l = rsm::layOut({{64, 32, 8}, {1024, 16, 8}});
  rsm::Region targetRegion = rsm::Region::allocate(l.targetSize);
  rsm::Region releaseRegion = rsm::Region::allocate(l.releaseSize);
  auto toTarget = std::make_unique<SameMemory>(targetRegion);
  auto toSender = std::make_unique<SameMemory>(releaseRegion);
  rsm::SourceChannel source(l, std::move(toTarget), std::move(releaseRegion), 1 << 20);
  rsm::TargetChannel target(l, std::move(targetRegion), std::move(toSender));
  constexpr uint32_t kMessages = 5000;
  const auto lengthOf = [](uint32_t i) { return i % 97 == 0 ? 20'000u : i * 37 % 3000; };

  std::atomic<bool> ended{false};
  std::thread receiver([&] {
    const std::unique_ptr<std::atomic<bool>, void (*)(std::atomic<bool>*)> atEnd(&ended, [](auto* flag) { flag->store(true); });
    std::vector<rsm::Reference> held;
    std::string assembly;
    uint32_t received = 0;
    while (received < kMessages) {
      const std::size_t read = target.drain(8, [&](const rsm::Reference& r) {
        assembly.append(reinterpret_cast<const char*>(target.payload(r)), r.length);
        held.push_back(r);
        if (!r.last()) return;
        if (assembly != pattern(lengthOf(received), received)) check::fail(__FILE__, __LINE__, "message " + std::to_string(received) + " differs");
        target.markStarted(r, true);
        assembly.clear();
        ++received;
      });
      if (!target.corrupt().empty()) return check::fail(__FILE__, __LINE__, target.corrupt());
      if (read == 0) std::this_thread::yield();
      // The last ones first.
      for (; held.size() > 4 || (read == 0 && !held.empty()); held.pop_back()) target.release(held.back(), layout::Outcome::kDone);
    }
    for (; !held.empty(); held.pop_back()) target.release(held.back(), layout::Outcome::kDone);
  });

  std::vector<rsm::ReleasedMessage> released;
  for (uint32_t i = 0; i < kMessages && source.corrupt().empty() && !ended;) {
    const std::string text = pattern(lengthOf(i), i);
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    if (source.send({bytes, text.size(), nullptr, 0}, {}).status == rsm::SendStatus::kCommitted) {
      ++i;
    } else if (source.takeReleases(released) == 0) {
      std::this_thread::yield();
    }
    source.pump();
  }
  while (!ended) {
    if (source.takeReleases(released) == 0) std::this_thread::yield();
    source.pump();
  }
  receiver.join();
  source.takeReleases(released);
  CHECK_EQ(source.inFlight(), 0);
  CHECK_EQ(source.corrupt(), "");
  CHECK(released.empty());
}
