#include "polling_window.hpp"

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
      window.descheduled();
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
  window.descheduled();
  CHECK_EQ(window.length(), 0);
  window.at(1'010'000'000);
  window.rung(1000);
  CHECK_EQ(window.length(), 0);
  window.at(1'020'000'000);
  window.rung(1000);
  CHECK_EQ(window.length(), PollingWindow::kFirst);
}
