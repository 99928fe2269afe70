#include "polling_window.hpp"

#include <algorithm>

namespace rsm {
namespace {

constexpr uint64_t kHoldOff = 20'000'000;
constexpr uint64_t kSmallest = 10'000;

}  // namespace

PollingWindow::PollingWindow(int64_t microseconds)
    : adaptive_(microseconds < 0), length_(adaptive_ ? kFirst : static_cast<uint64_t>(microseconds) * 1000) {}

void PollingWindow::caught(uint64_t gap) {
  if (!adaptive_) return;
  misses_ = 0;
  // Room for twice the gap: one that nearly missed would miss next time.
  if (gap * 2 > length_) length_ = std::min(kMax, gap * 2);
}

void PollingWindow::missed() {
  if (!adaptive_) return;
  if (++misses_ < 2) return;
  length_ = length_ / 2 < kSmallest ? 0 : length_ / 2;
}

void PollingWindow::rung(uint64_t slept) {
  if (!adaptive_ || now_ < holdOffUntil_) return;
  if (slept < kMax) {
    misses_ = 0;
    length_ = std::min(kMax, std::max({length_, kFirst, slept * 2}));
  }
}

void PollingWindow::descheduled() {
  if (!adaptive_) return;
  length_ = 0;
  holdOffUntil_ = now_ + kHoldOff;
}

}  // namespace rsm
