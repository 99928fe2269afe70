#pragma once

#include <poll.h>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "failure.hpp"
#include "loop.hpp"

namespace check {

/// An event loop over poll(2) that a test turns by hand. With `virtualTime` its clock moves only when the test turns it, so that nothing
/// depends on how fast the machine is.
class PollLoop final : public rsm::Loop {
 public:
  static constexpr uint64_t kTurn = 20'000;  ///< ns of virtual time that one iteration takes

  explicit PollLoop(bool virtualTime) : virtualTime_(virtualTime) {}

  void watch(int fd, std::function<void()> readable) override {
    if (refusesWatches) throw rsm::Failure(rsm::codes::kUnreachable, "a descriptor cannot be watched");
    watches_[fd] = std::move(readable);
  }
  void unwatch(int fd) override { watches_.erase(fd); }
  void poll(bool on) override { polling_ = on; }
  void onTurn(std::function<void()> turn) override { turn_ = std::move(turn); }
  void timer(rsm::Timer which, uint64_t milliseconds, std::function<void()> tick) override {
    Timer& timer = timers_[static_cast<std::size_t>(which)];
    timer = {milliseconds ? now() + milliseconds * 1'000'000 : 0, std::move(tick)};
  }
  uint64_t now() const override {
    if (virtualTime_) return clock_;
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  void keepAlive(bool) override {}
  void close() override {
    closed_ = true;
    watches_.clear();
    polling_ = false;
    timers_ = {};
  }

  /// One iteration; waits up to `milliseconds` for a descriptor unless an endpoint polls. False if it had nothing to do.
  bool iterate(int milliseconds = 0) {
    clock_ += kTurn;
    bool did = false;
    for (Timer& timer : timers_) {
      if (closed_ || !timer.deadline || now() < timer.deadline) continue;
      timer.deadline = 0;
      std::exchange(timer.tick, nullptr)();
      did = true;
    }
    std::vector<pollfd> fds;
    for (const auto& [fd, call] : watches_) fds.push_back({fd, POLLIN, 0});
    ::poll(fds.data(), fds.size(), polling_ ? 0 : milliseconds);
    for (const pollfd& p : fds) {
      if (!p.revents) continue;
      const auto found = watches_.find(p.fd);  // a callback before it may have ended the watch
      if (found == watches_.end()) continue;
      const std::function<void()> call = found->second;
      call();
      did = true;
    }
    if (polling_ && !closed_) {
      const std::function<void()> call = turn_;
      call();
      did = true;
    }
    return did;
  }

  /// Virtual time passes.
  void advance(uint64_t milliseconds) { clock_ += milliseconds * 1'000'000; }
  bool refusesWatches = false;  ///< as where the system has no room for another one
  bool polling() const { return polling_; }
  bool closed() const { return closed_; }
  std::size_t watches() const { return watches_.size(); }

 private:
  struct Timer {
    uint64_t deadline = 0;  ///< 0: not running
    std::function<void()> tick;
  };

  bool virtualTime_;
  uint64_t clock_ = 1'000'000'000;
  bool polling_ = false;
  bool closed_ = false;
  std::map<int, std::function<void()>> watches_;
  std::function<void()> turn_;
  std::array<Timer, rsm::kTimers> timers_;
};

}  // namespace check
