#include "uv_loop.hpp"

#include <utility>

#include "failure.hpp"

namespace rsm {

UvLoop::UvLoop(uv_loop_t* loop) : loop_(loop), shared_(std::make_shared<Shared>()), turner_(new Turner) {
  turner_->shared = shared_;
  uv_idle_init(loop_, &turner_->idle);
  uv_check_init(loop_, &turner_->check);
  turner_->idle.data = turner_->check.data = turner_;
  // Only watches decide whether the process lives on.
  uv_unref(reinterpret_cast<uv_handle_t*>(&turner_->check));
  uv_unref(reinterpret_cast<uv_handle_t*>(&turner_->idle));
  for (uv_timer_t& timer : turner_->timers) {
    uv_timer_init(loop_, &timer);
    timer.data = turner_;
    uv_unref(reinterpret_cast<uv_handle_t*>(&timer));
  }
  shared_->handles = turner_->open;
}

UvLoop::~UvLoop() { close(); }

void UvLoop::oneClosed(const std::shared_ptr<Shared>& shared) {
  if (--shared->handles == 0 && shared->closing && shared->closed) std::exchange(shared->closed, nullptr)();
}

void UvLoop::watch(int fd, std::function<void()> readable) {
  auto* watch = new Watch{{}, std::move(readable), shared_};
  const int status = uv_poll_init(loop_, &watch->handle, fd);
  if (status != 0) {
    delete watch;
    throw Failure(codes::kUnreachable, std::string("a descriptor cannot be watched: ") + uv_strerror(status));
  }
  watch->handle.data = watch;
  ++shared_->handles;
  watches_.emplace(fd, watch);
  keep(&watch->handle);
  uv_poll_start(&watch->handle, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* handle, int, int) {
    auto* self = static_cast<Watch*>(handle->data);
    const std::shared_ptr<Shared> shared = self->shared;
    if (!shared->closing && !uv_is_closing(reinterpret_cast<uv_handle_t*>(handle))) {
      const std::function<void()> call = self->readable;  // the watch may end inside
      call();
    }
  });
}

void UvLoop::closeWatch(Watch* watch) {
  uv_poll_stop(&watch->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), [](uv_handle_t* handle) {
    auto* self = static_cast<Watch*>(handle->data);
    const std::shared_ptr<Shared> shared = self->shared;
    delete self;
    oneClosed(shared);
  });
}

void UvLoop::unwatch(int fd) {
  const auto found = watches_.find(fd);
  if (found == watches_.end()) return;
  closeWatch(found->second);
  watches_.erase(found);
}

void UvLoop::onTurn(std::function<void()> turn) { shared_->turn = std::move(turn); }

void UvLoop::poll(bool on) {
  if (shared_->closing) return;
  if (!on) {
    uv_idle_stop(&turner_->idle);
    uv_check_stop(&turner_->check);
    return;
  }
  uv_idle_start(&turner_->idle, [](uv_idle_t*) {});
  uv_check_start(&turner_->check, [](uv_check_t* handle) {
    const std::shared_ptr<Shared> shared = static_cast<Turner*>(handle->data)->shared;
    if (!shared->closing && shared->turn) shared->turn();
  });
}

void UvLoop::timer(Timer which, uint64_t milliseconds, std::function<void()> tick) {
  if (shared_->closing) return;
  const auto number = static_cast<std::size_t>(which);
  shared_->ticks[number] = std::move(tick);
  if (milliseconds == 0) {
    uv_timer_stop(&turner_->timers[number]);
    return;
  }
  uv_timer_start(
      &turner_->timers[number],
      [](uv_timer_t* handle) {
        auto* turner = static_cast<Turner*>(handle->data);
        const std::shared_ptr<Shared> shared = turner->shared;
        auto& due = shared->ticks[static_cast<std::size_t>(handle - turner->timers.data())];
        if (shared->closing || !due) return;
        const std::function<void()> call = std::exchange(due, nullptr);
        call();
      },
      milliseconds, 0);
}

void UvLoop::keepAlive(bool on) {
  alive_ = on;
  for (auto& [fd, watch] : watches_) keep(&watch->handle);
}

void UvLoop::close() {
  if (shared_->closing) return;
  shared_->closing = true;
  for (auto& [fd, watch] : watches_) closeWatch(watch);
  watches_.clear();
  uv_idle_stop(&turner_->idle);
  uv_check_stop(&turner_->check);
  for (uv_timer_t& timer : turner_->timers) uv_timer_stop(&timer);
  const uv_close_cb closed = [](uv_handle_t* handle) {
    auto* turner = static_cast<Turner*>(handle->data);
    const std::shared_ptr<Shared> shared = turner->shared;
    if (--turner->open == 0) delete turner;
    oneClosed(shared);
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&turner_->idle), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&turner_->check), closed);
  for (uv_timer_t& timer : turner_->timers) uv_close(reinterpret_cast<uv_handle_t*>(&timer), closed);
}

void UvLoop::whenClosed(std::function<void()> closed) {
  if (shared_->closing && shared_->handles == 0) return closed();
  shared_->closed = std::move(closed);
}

}  // namespace rsm
