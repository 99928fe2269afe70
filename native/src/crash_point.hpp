#pragma once

// Crash points: places where a test lets its own process die or stop. RSM_CRASH_POINT("name") is nothing at all unless the tests are
// compiled with -DRSM_CRASH_POINTS; there it numbers the point, counts how often the process passed it, and at the asked-for passage
// kills (SIGKILL) or stops (SIGSTOP) the process.
//   RSM_CRASH_AT=name:nth   which passage, the first is 1
//   RSM_CRASH_HOW=stop      stop instead of kill
// One stands behind every store to shared memory and every step of handshake, forming and teardown that somebody else can see.

#if !defined(RSM_CRASH_POINTS)

#define RSM_CRASH_POINT(name) static_cast<void>(0)

#else

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#define RSM_CRASH_POINT(name) ::rsm::crash::reached(::rsm::crash::Point<name>::number)

namespace rsm::crash {

inline constexpr uint32_t kMaxPoints = 256;
inline constexpr uint32_t kNowhere = UINT32_MAX;

/// The names of all points that are compiled in; a point's number is its place here.
inline std::vector<const char*>& names() {
  static std::vector<const char*> all;
  return all;
}

inline uint32_t enrol(const char* name) {
  auto& all = names();
  if (all.size() == kMaxPoints) std::abort();
  all.push_back(name);
  return static_cast<uint32_t>(all.size() - 1);
}

template <std::size_t N>
struct Name {
  char text[N];
  constexpr Name(const char (&from)[N]) { std::copy_n(from, N, text); }
};

/// One name is one point, however many places carry it. Enrolled before main().
template <Name name>
struct Point {
  static inline const uint32_t number = enrol(name.text);
};

struct Plan {
  uint32_t point = kNowhere;
  uint64_t passage = 1;
  bool stop = false;
};

/// Where this process crashes; the environment says so unless a test sets it.
inline Plan& plan() {
  static Plan planned = [] {
    Plan p;
    const char* at = std::getenv("RSM_CRASH_AT");
    if (!at) return p;
    const std::string text = at;
    const std::size_t colon = text.rfind(':');
    const auto found = std::find(names().begin(), names().end(), text.substr(0, colon));
    if (found == names().end()) std::abort();  // a misspelt point must not pass for one that is harmless
    p.point = static_cast<uint32_t>(found - names().begin());
    if (colon != std::string::npos) p.passage = std::strtoull(text.c_str() + colon + 1, nullptr, 10);
    const char* how = std::getenv("RSM_CRASH_HOW");
    p.stop = how && std::string(how) == "stop";
    return p;
  }();
  return planned;
}

/// How often this process (its parent before the fork included) passed each point.
inline std::array<std::atomic<uint64_t>, kMaxPoints>& passages() {
  static std::array<std::atomic<uint64_t>, kMaxPoints> counts{};
  return counts;
}

inline void reached(uint32_t point) {
  const uint64_t passage = passages()[point].fetch_add(1, std::memory_order_relaxed) + 1;
  const Plan& p = plan();
  if (p.point != point || p.passage != passage) return;
  if (p.stop) {
    ::raise(SIGSTOP);
    return;
  }
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

}  // namespace rsm::crash

#endif
