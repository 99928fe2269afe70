#pragma once

#include <uv.h>

#include <array>
#include <memory>
#include <unordered_map>

#include "loop.hpp"

namespace rsm {

/// libuv's loop. Handles outlive this object until their close callbacks have run; `closed` (if set) is called after the last one.
class UvLoop final : public Loop {
 public:
  explicit UvLoop(uv_loop_t* loop);
  ~UvLoop() override;

  void watch(int fd, std::function<void()> readable) override;
  void unwatch(int fd) override;
  void poll(bool on) override;
  void onTurn(std::function<void()> turn) override;
  void timer(Timer which, uint64_t milliseconds, std::function<void()> tick) override;
  uint64_t now() const override { return uv_hrtime(); }
  void keepAlive(bool on) override;
  void close() override;
  /// Called once close() is complete; at once if it is already.
  void whenClosed(std::function<void()> closed);

 private:
  struct Shared {
    int handles = 0;
    bool closing = false;
    std::function<void()> closed;
    std::function<void()> turn;
    std::array<std::function<void()>, kTimers> ticks;
  };
  struct Watch {
    uv_poll_t handle;
    std::function<void()> readable;
    std::shared_ptr<Shared> shared;
  };
  /// idle keeps the loop from waiting, check runs after its I/O.
  struct Turner {
    uv_idle_t idle;
    uv_check_t check;
    std::array<uv_timer_t, kTimers> timers;
    std::shared_ptr<Shared> shared;
    int open = 2 + kTimers;
  };

  template <class Handle>
  void keep(Handle* handle) {
    if (alive_) uv_ref(reinterpret_cast<uv_handle_t*>(handle));
    else uv_unref(reinterpret_cast<uv_handle_t*>(handle));
  }
  static void closeWatch(Watch* watch);
  static void oneClosed(const std::shared_ptr<Shared>& shared);

  uv_loop_t* loop_;
  std::shared_ptr<Shared> shared_;
  Turner* turner_;
  std::unordered_map<int, Watch*> watches_;
  bool alive_ = true;
};

}  // namespace rsm
