// The protocol without Node.js: two processes that spin on SourceChannel and TargetChannel. Prints one JSON object.
//   channel_program ping-pong BYTES MILLISECONDS     round trips between two processes
//   channel_program one-way BYTES MILLISECONDS       messages from one process to another
//   channel_program work [COUNT]                     a fixed amount of work in one process, no clock: for counting instructions
#if defined(__linux__)
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "channel_layout.hpp"
#include "mapped_interconnect.hpp"
#include "source_channel.hpp"
#include "target_channel.hpp"

namespace {

using rsm::layout::Outcome;

/// As libs/segments/src/defaults.ts.
const std::vector<rsm::SegmentGeometry> kSegments = {{64, 8192, 16}, {512, 2048, 16}, {4096, 512, 32}, {32'768, 128, 64}};
constexpr uint64_t kMaxMessageSize = 64 << 20;
constexpr uint64_t kEnd = UINT64_MAX;  ///< a message that begins with it is the last

uint64_t nanoseconds() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

rsm::FileDescriptor duplicate(int fd) { return rsm::FileDescriptor(::dup(fd)); }

/// The two regions of one channel. Made before the fork; afterwards each process takes its end.
class SharedChannel {
 public:
  SharedChannel()
      : layout_(rsm::layOut(kSegments)), target_(rsm::Region::allocate(layout_.targetSize)), release_(rsm::Region::allocate(layout_.releaseSize)) {}

  std::unique_ptr<rsm::SourceChannel> source() const {
    auto image = std::make_unique<rsm::MappedInterconnect>(rsm::Region::adopt(duplicate(target_.fd()), layout_.targetSize));
    return std::make_unique<rsm::SourceChannel>(layout_, std::move(image), rsm::Region::adopt(duplicate(release_.fd()), layout_.releaseSize),
                                                kMaxMessageSize);
  }
  std::unique_ptr<rsm::TargetChannel> target() const {
    auto image = std::make_unique<rsm::MappedInterconnect>(rsm::Region::adopt(duplicate(release_.fd()), layout_.releaseSize));
    return std::make_unique<rsm::TargetChannel>(layout_, rsm::Region::adopt(duplicate(target_.fd()), layout_.targetSize), std::move(image));
  }

 private:
  rsm::ChannelLayout layout_;
  rsm::Region target_;
  rsm::Region release_;
};

/// One process' end of a connection.
struct End {
  std::unique_ptr<rsm::SourceChannel> source;
  std::unique_ptr<rsm::TargetChannel> target;
  std::vector<rsm::ReleasedMessage> released;
  std::vector<std::byte> arena;

  /// Commits, spinning while there is no room.
  void send(const std::vector<std::byte>& bytes) {
    const rsm::MessageParts parts{nullptr, 0, bytes.data(), bytes.size()};
    for (;;) {
      const auto status = source->send(parts, {}).status;
      if (status == rsm::SendStatus::kCommitted) break;
      if (status == rsm::SendStatus::kTooLarge) std::abort();
      source->takeReleases(released);
      source->pump();
    }
    while (source->sending()) {
      source->takeReleases(released);
      source->pump();
    }
    source->receiverWantsBell();  // nobody sleeps here, but an endpoint looks after each commit
  }

  /// Copies and releases up to `budget` messages; returns how many whole ones there were. `last` is the first word of the last one.
  std::size_t receive(std::size_t budget, uint64_t& last) {
    std::size_t whole = 0;
    target->drain(budget, [&](const rsm::Reference& reference) {
      if (arena.size() < reference.length) arena.resize(reference.length);
      std::memcpy(arena.data(), target->payload(reference), reference.length);
      if (reference.length >= 8) std::memcpy(&last, arena.data(), 8);
      target->release(reference, Outcome::kDone);
      whole += reference.last();
    });
    if (!target->corrupt().empty()) std::abort();
    return whole;
  }
};

std::vector<std::byte> message(std::size_t bytes) { return std::vector<std::byte>(std::max<std::size_t>(bytes, 8), std::byte{7}); }

void number(std::vector<std::byte>& bytes, uint64_t value) { std::memcpy(bytes.data(), &value, 8); }

/// Whatever becomes of the other process, or of the one that started this: neither spins for ever.
void endAnyway() {
  ::alarm(120);
#if defined(__linux__)
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

template <class Here, class There>
void inTwoProcesses(Here&& here, There&& there) {
  endAnyway();
  const pid_t child = ::fork();
  if (child == 0) {
    endAnyway();
    there();
    ::_exit(0);
  }
  here();
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) std::exit(1);
}

void pingPong(std::size_t bytes, uint64_t milliseconds) {
  const SharedChannel there, back;
  std::vector<uint64_t> times;
  times.reserve(1 << 22);
  inTwoProcesses(
      [&] {
        End end{there.source(), back.target(), {}, {}};
        auto ping = message(bytes);
        uint64_t before = nanoseconds();
        const uint64_t until = before + milliseconds * 1'000'000;
        for (uint64_t i = 1; before < until; ++i) {
          number(ping, i);
          end.send(ping);
          uint64_t last = 0;
          while (end.receive(1, last) == 0) {}
          if (last != i) std::abort();
          const uint64_t now = nanoseconds();
          if (times.size() < times.capacity()) times.push_back(now - before);
          before = now;
        }
        number(ping, kEnd);
        end.send(ping);
      },
      [&] {
        End end{back.source(), there.target(), {}, {}};
        auto pong = message(bytes);
        for (uint64_t last = 0; last != kEnd;) {
          if (end.receive(1, last) == 0) continue;
          number(pong, last);
          if (last != kEnd) end.send(pong);
        }
      });
  std::sort(times.begin(), times.end());
  std::printf("{\"p50\":%.4f,\"p99\":%.4f,\"messages\":%zu}\n", static_cast<double>(times[times.size() / 2]) / 1e3,
              static_cast<double>(times[times.size() * 99 / 100]) / 1e3, times.size());
}

void oneWay(std::size_t bytes, uint64_t milliseconds) {
  const SharedChannel there, back;
  inTwoProcesses(
      [&] {
        End end{there.source(), back.target(), {}, {}};
        auto bytesOut = message(bytes);
        const uint64_t began = nanoseconds();
        uint64_t sent = 0;
        while (nanoseconds() - began < milliseconds * 1'000'000)
          for (int i = 0; i < 64; ++i) {
            number(bytesOut, ++sent);
            end.send(bytesOut);
          }
        number(bytesOut, kEnd);
        end.send(bytesOut);
        uint64_t last = 0;
        while (end.receive(1, last) == 0) {}  // everything has arrived
        const double seconds = static_cast<double>(nanoseconds() - began) / 1e9;
        std::printf("{\"rate\":%.1f,\"throughput\":%.4f,\"messages\":%llu}\n", static_cast<double>(sent) / seconds,
                    static_cast<double>(sent) * static_cast<double>(bytesOut.size()) / seconds / 1e9, static_cast<unsigned long long>(sent));
        std::fflush(stdout);
      },
      [&] {
        End end{back.source(), there.target(), {}, {}};
        for (uint64_t last = 0; last != kEnd;) end.receive(256, last);
        end.send(message(8));
      });
}

/// Mixed sizes, batches and out-of-order releases, always the same: what one message costs in instructions.
void work(uint64_t count) {
  const SharedChannel channel;
  auto source = channel.source();
  auto target = channel.target();
  constexpr std::size_t kSizes[] = {64, 64, 64, 64, 200, 64, 64, 1024, 64, 4000, 64, 64, 300, 64, 64, 12'000};
  constexpr std::size_t kBatch = 32;
  const auto bytes = message(12'000);
  std::vector<std::byte> arena(12'000);
  std::vector<rsm::Reference> held;
  std::vector<rsm::ReleasedMessage> released;
  uint64_t sum = 0;
  for (uint64_t sent = 0; sent < count;) {
    for (std::size_t i = 0; i < kBatch && sent < count; ++i, ++sent) {
      const rsm::MessageParts parts{bytes.data(), 8, bytes.data() + 8, kSizes[sent % std::size(kSizes)] - 8};
      if (source->send(parts, {1, 0, false}).status != rsm::SendStatus::kCommitted) std::abort();
      source->receiverWantsBell();
    }
    target->drain(kBatch, [&](const rsm::Reference& r) { held.push_back(r); });
    for (const auto& r : held) {
      std::memcpy(arena.data(), target->payload(r), r.length);
      target->markStarted(r, true);
      sum += r.length;
    }
    for (std::size_t i = held.size(); i-- > 0;) target->release(held[i], Outcome::kDone);
    held.clear();
    source->takeReleases(released);
  }
  if (source->inFlight() != 0) std::abort();
  std::printf("{\"messages\":%llu,\"bytes\":%llu}\n", static_cast<unsigned long long>(count), static_cast<unsigned long long>(sum));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const auto argument = [&](int i, uint64_t fallback) { return argc > i ? std::strtoull(argv[i], nullptr, 10) : fallback; };
  if (mode == "ping-pong") pingPong(argument(2, 64), argument(3, 200));
  else if (mode == "one-way") oneWay(argument(2, 64), argument(3, 200));
  else if (mode == "work") work(argument(2, 20'000));
  else {
    std::fprintf(stderr, "channel_program ping-pong|one-way BYTES MILLISECONDS, or work [COUNT]\n");
    return 2;
  }
  return 0;
}
