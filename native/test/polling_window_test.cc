#include "polling_window.hpp"

#include <vector>

#include "check.hpp"

using rsm::PollingWindow;

TEST("a blocking window stays empty and a fixed one as it is, whatever happens") {
  for (const int64_t microseconds : {int64_t{0}, int64_t{75}}) {
    PollingWindow window(microseconds);
    window.at(1'000'000);
    for (int i = 0; i < 10; ++i) {
      window.caught(400'000);
      window.missed();
      window.rung(1000);
      window.descheduled(PollingWindow::kLost);
      CHECK_EQ(window.length(), microseconds * 1000);
    }
  }
}

TEST("an adaptive window shrinks to nothing where nothing comes: no CPU at idle") {
  PollingWindow window(-1);
  CHECK_EQ(window.length(), PollingWindow::kFirst);
  uint64_t last = window.length();
  for (int i = 0; i < 20; ++i) {
    window.missed();
    CHECK(window.length() <= last);
    last = window.length();
  }
  CHECK_EQ(last, 0);
}

TEST("one miss alone does not shrink it: a burst's end is no habit") {
  PollingWindow window(-1);
  window.missed();
  CHECK_EQ(window.length(), PollingWindow::kFirst);
  window.caught(1000);
  window.missed();
  CHECK_EQ(window.length(), PollingWindow::kFirst);
}

TEST("it grows where polling would have caught the message, up to its limit") {
  PollingWindow window(-1);
  window.caught(100'000);
  CHECK_EQ(window.length(), 200'000);
  window.caught(100'000);
  CHECK_EQ(window.length(), 200'000);
  window.caught(10'000'000);
  CHECK_EQ(window.length(), PollingWindow::kMax);
  for (int i = 0; i < 20; ++i) window.missed();
  CHECK_EQ(window.length(), 0);
  window.rung(PollingWindow::kMax);  // too long ago: polling that long is no gain
  CHECK_EQ(window.length(), 0);
  window.rung(10'000);
  CHECK_EQ(window.length(), PollingWindow::kFirst);
  window.rung(200'000);
  CHECK_EQ(window.length(), 400'000);
}

TEST("a thread that lost its core while it polled blocks for a while, then may poll again") {
  PollingWindow window(-1);
  window.at(1'000'000'000);
  window.descheduled(PollingWindow::kLost);
  CHECK_EQ(window.length(), 0);
  window.at(1'010'000'000);
  window.rung(1000);
  CHECK_EQ(window.length(), 0);
  window.at(1'020'000'000);
  window.rung(1000);
  CHECK_EQ(window.length(), PollingWindow::kFirst);
}

TEST("a core lost for a moment is forgiven where message after message was caught since, and only then") {
  PollingWindow window(-1);
  window.at(1'000'000'000);
  for (int i = 0; i < 10; ++i) {
    for (uint32_t n = 0; n < PollingWindow::kConvincing; ++n) window.caught(2000);
    window.descheduled(PollingWindow::kLost - 1);
    CHECK_EQ(window.length(), PollingWindow::kFirst);
  }
  window.descheduled(PollingWindow::kLost - 1);
  CHECK_EQ(window.length(), 0);

  PollingWindow other(-1);
  other.at(1'000'000'000);
  for (uint32_t n = 0; n < PollingWindow::kConvincing; ++n) other.caught(2000);
  other.descheduled(PollingWindow::kLost);
  CHECK_EQ(other.length(), 0);
}

namespace {

constexpr uint64_t kMillisecond = 1'000'000;

/// For how many milliseconds from now on a bell makes the window grow no more.
uint64_t heldOff(PollingWindow& window, uint64_t& now) {
  for (uint64_t waited = 0; waited < 10'000; ++waited, now += kMillisecond) {
    window.at(now);
    window.rung(1000);
    if (window.length()) return waited;
  }
  return UINT64_MAX;
}

}  // namespace

TEST("a window that grew again and again and caught nothing is given up for a while, longer each time, yet never for ever") {
  PollingWindow window(-1);
  uint64_t now = 1'000'000'000;
  std::vector<uint64_t> waits;
  for (int round = 0; round < 10; ++round) {
    int growths = 0;
    for (; growths < 100; ++growths) {
      window.at(now);
      window.rung(1000);
      if (window.length() == 0) break;
      window.missed();
      window.missed();
    }
    CHECK(growths < 100);
    waits.push_back(heldOff(window, now));
  }
  CHECK(waits[0] > 0);
  for (std::size_t i = 1; i < waits.size(); ++i) CHECK(waits[i] >= waits[i - 1]);
  CHECK(waits[3] > waits[0]);
  CHECK(waits.back() <= 2000);
  CHECK_EQ(waits[9], waits[8]);
}

TEST("polling that catches message after message earns its trust back") {
  PollingWindow window(-1);
  uint64_t now = 1'000'000'000;
  window.at(now);
  window.descheduled(PollingWindow::kLost);
  const uint64_t first = heldOff(window, now);
  window.descheduled(PollingWindow::kLost);
  const uint64_t second = heldOff(window, now);
  CHECK(second > first);
  for (int i = 0; i < 100'000; ++i) window.caught(1000);
  window.descheduled(PollingWindow::kLost);
  CHECK_EQ(heldOff(window, now), first);
}

TEST("while polling is given up neither a bell nor a message brings it back") {
  PollingWindow window(-1);
  window.at(1'000'000'000);
  window.descheduled(PollingWindow::kLost);
  window.rung(1000);
  window.caught(1000);
  CHECK_EQ(window.length(), 0);
}
