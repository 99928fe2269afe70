#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "segment_descriptor.hpp"

namespace rsm {

/// The groups that may carry one message, in the order in which they are tried.
struct GroupChoice {
  std::array<uint32_t, 3> groups;
  uint32_t count = 0;
};

/// Decides which segment group carries a message (rows M3, M5 and M10 of docs/method.md). Groups are numbered in ascending order of
/// partition size.
class GroupSelection {
 public:
  explicit GroupSelection(const std::vector<SegmentDescriptor>& segments);

  /// Of the groups able to hold `length` bytes (partition size x span factor >= length): first the one with the largest partition
  /// size smaller than the message, or, where none is, the smallest able one; then the next smaller able one; then the next larger
  /// able one. Empty if none is able.
  const GroupChoice& choose(uint64_t length) const;

 private:
  GroupChoice decide(uint64_t length) const;

  std::vector<SegmentGeometry> geometry_;
  mutable uint64_t lastLength_ = 0;  ///< messages of one size tend to follow one another
  mutable GroupChoice lastChoice_;
};

}  // namespace rsm
