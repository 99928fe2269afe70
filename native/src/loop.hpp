#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace rsm {

/// An endpoint's timers.
enum class Timer : uint8_t { kGreetings, kWakes };
inline constexpr std::size_t kTimers = 2;

/// What an endpoint needs of an event loop. One thread; all callbacks come from the loop, never from inside these calls.
class Loop {
 public:
  virtual ~Loop() = default;

  /// Calls `readable` whenever `fd` can be read or was hung up. One watch per descriptor.
  virtual void watch(int fd, std::function<void()> readable) = 0;
  /// Ends a watch; before the descriptor is closed.
  virtual void unwatch(int fd) = 0;
  /// While on, `turn` (see onTurn) is called once in every iteration of the loop, which then does not wait for I/O.
  virtual void poll(bool on) = 0;
  virtual void onTurn(std::function<void()> turn) = 0;
  /// Calls `tick` once after so many milliseconds; a second call for the same timer replaces the first; 0 cancels. Keeps no loop alive.
  virtual void timer(Timer which, uint64_t milliseconds, std::function<void()> tick) = 0;
  /// A monotonic clock, in nanoseconds.
  virtual uint64_t now() const = 0;
  /// Whether watches keep the loop alive.
  virtual void keepAlive(bool on) = 0;
  /// Ends everything; no callback comes after it.
  virtual void close() = 0;
};

}  // namespace rsm
