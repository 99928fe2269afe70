#include "polling_window.hpp"

#include <algorithm>

namespace rsm {
namespace {

constexpr uint64_t kFirstHoldOff = 20'000'000;
constexpr uint64_t kLastHoldOff = 1'280'000'000;
constexpr uint32_t kFruitless = 3;       // growths that catch nothing before polling is given up
constexpr uint64_t kSmallest = 10'000;

}  // namespace

PollingWindow::PollingWindow(int64_t microseconds)
    : adaptive_(microseconds < 0), length_(adaptive_ ? kFirst : static_cast<uint64_t>(microseconds) * 1000), holdOff_(kFirstHoldOff) {}

void PollingWindow::caught(uint64_t gap) {
  if (!adaptive_) return;
  misses_ = fruitless_ = 0;
  if (++caught_ >= kConvincing) holdOff_ = kFirstHoldOff;
  if (now_ < holdOffUntil_) return;
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
  if (slept >= kMax) return;
  misses_ = 0;
  if (++fruitless_ > kFruitless) return holdOff();
  length_ = std::min(kMax, std::max({length_, kFirst, slept * 2}));
}

void PollingWindow::descheduled(uint64_t late) {
  if (!adaptive_ || now_ < holdOffUntil_) return;
  if (late < kLost && caught_ >= kConvincing) {
    caught_ = 0;
    return;
  }
  holdOff();
}

void PollingWindow::holdOff() {
  length_ = 0;
  fruitless_ = caught_ = 0;
  holdOffUntil_ = now_ + holdOff_;
  holdOff_ = std::min(holdOff_ * 2, kLastHoldOff);
}

}  // namespace rsm
