#pragma once

#include <cstdint>
#include <unordered_map>

#include "connection.hpp"

namespace rsm {

/// Looks for lost wake-ups: a connection that sleeps although something has come, with no ring in its doorbell. Endpoints do it in builds with
/// RSM_WAKE_CHECKS only. No shared word says when something was committed: its age counts from the first look that found it.
class WakeCheck {
 public:
  static constexpr uint64_t kInterval = 100;         ///< milliseconds between two rounds of looks
  static constexpr uint64_t kOld = 50'000'000;       ///< nanoseconds
  static constexpr uint64_t kLate = 10'000'000;      ///< nanoseconds; a later round says that the loop was busy, and what it finds is new to it

  /// Begins a round; `due`: when the loop was to come here. Both in nanoseconds.
  void begin(uint64_t now, uint64_t due) {
    now_ = now;
    responsive_ = now <= due + kLate;
  }
  void look(const Connection& c);

  /// Looks at sleeping connections.
  uint64_t checks() const { return checks_; }
  /// Messages, and releases that a sender waits for, that were older than kOld.
  uint64_t missed() const { return missed_; }

 private:
  struct Sight {
    uint64_t number = 0;  ///< of what was found; 0: nothing
    uint64_t since = 0;
    bool counted = false;
  };
  struct Sights {
    Sight message;
    Sight release;
  };
  void note(Sight& sight, uint64_t number);

  uint64_t now_ = 0;
  bool responsive_ = true;
  uint64_t checks_ = 0;
  uint64_t missed_ = 0;
  std::unordered_map<uint32_t, Sights> sights_;
};

}  // namespace rsm
