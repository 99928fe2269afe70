#include "group_selection.hpp"

namespace rsm {

GroupSelection::GroupSelection(const std::vector<SegmentDescriptor>& segments) {
  for (const auto& s : segments) geometry_.push_back(s.geometry);
  lastChoice_ = decide(lastLength_);
}

const GroupChoice& GroupSelection::choose(uint64_t length) const {
  if (length != lastLength_) {
    lastChoice_ = decide(length);
    lastLength_ = length;
  }
  return lastChoice_;
}

GroupChoice GroupSelection::decide(uint64_t length) const {
  constexpr int kNone = -1;
  const int groups = static_cast<int>(geometry_.size());
  const auto able = [&](int g) { return geometry_[g].spanCapacity() >= length; };
  int preferred = kNone;
  for (int g = groups - 1; g >= 0 && preferred == kNone; --g)
    if (geometry_[g].partitionSize < length && able(g)) preferred = g;
  for (int g = 0; g < groups && preferred == kNone; ++g)
    if (able(g)) preferred = g;

  GroupChoice choice{};
  if (preferred == kNone) return choice;
  choice.groups[choice.count++] = static_cast<uint32_t>(preferred);
  for (int g = preferred - 1; g >= 0; --g)
    if (able(g)) {
      choice.groups[choice.count++] = static_cast<uint32_t>(g);
      break;
    }
  for (int g = preferred + 1; g < groups; ++g)
    if (able(g)) {
      choice.groups[choice.count++] = static_cast<uint32_t>(g);
      break;
    }
  return choice;
}

}  // namespace rsm
