#pragma once

#include <cstdint>

namespace rsm {

/// How long a loop that saw a message goes on polling before it sleeps. All times in nanoseconds.
///
/// Adaptive: a sleep that ended so soon that polling would have caught the message makes the window grow; a window that passed without a
/// message makes it shrink, down to none: no CPU at idle. Where polling keeps the peer from its core (growth that catches nothing, or
/// a thread that is descheduled for long while it polls) there is no polling for a while, longer each time: never slower than blocking for long.
class PollingWindow {
 public:
  static constexpr uint64_t kMax = 500'000;
  static constexpr uint64_t kFirst = 50'000;
  /// A thread that loses its core for so long lost it to another process, which wants to run for milliseconds; the kernel's own threads and V8's
  /// helpers take it for less, and not often.
  static constexpr uint64_t kLost = 1'000'000;
  static constexpr uint32_t kConvincing = 1000;  ///< messages caught in a row that show the peer to have a core of its own

  /// `microseconds`: -1 adaptive, 0 blocking, else a fixed window.
  explicit PollingWindow(int64_t microseconds);

  uint64_t length() const { return length_; }
  /// Told at each turn of the loop.
  void at(uint64_t now) { now_ = now; }
  /// A message came while polling, `gap` after the one before.
  void caught(uint64_t gap);
  /// The window passed without one.
  void missed();
  /// A bell ended a sleep that lasted `slept`.
  void rung(uint64_t slept);
  /// The thread lost its core while it polled, and came back so much later.
  void descheduled(uint64_t late);

 private:
  bool adaptive_;
  uint64_t length_;
  uint64_t now_ = 0;
  void holdOff();

  uint64_t holdOffUntil_ = 0;
  uint64_t holdOff_;
  uint32_t misses_ = 0;
  uint32_t fruitless_ = 0;  ///< growths since a message was caught
  uint32_t caught_ = 0;     ///< messages in a row
};

}  // namespace rsm
