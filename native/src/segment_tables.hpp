#pragma once

#include <cstdint>
#include <map>

#include "segment_descriptor.hpp"

namespace rsm {

enum class Direction : uint8_t { kOut, kIn };  ///< as seen from this process

/// One segment: a target segment of this process, or a source segment, its image of another's.
struct SegmentEntry {
  uint32_t connection;
  bool source;
  const char* interconnect;
  SegmentDescriptor descriptor;
};

/// One segment group, by this process's half of it.
struct GroupEntry {
  uint32_t connection;
  Direction direction;
  uint32_t number;   ///< within its channel, in ascending order of partition size
  uint32_t segment;  ///< key in the segment table
};

/// A register: entries get a number that is never used again.
template <class Entry>
class Register {
 public:
  uint32_t add(const Entry& entry) {
    entries_.emplace(++last_, entry);
    return last_;
  }
  void removeConnection(uint32_t connection) {
    std::erase_if(entries_, [&](const auto& item) { return item.second.connection == connection; });
  }
  const std::map<uint32_t, Entry>& entries() const { return entries_; }

 private:
  uint32_t last_ = 0;
  std::map<uint32_t, Entry> entries_;
};

/// Every segment of this endpoint is registered here...
using SegmentTable = Register<SegmentEntry>;
/// ...and every segment group here. Both are listed while the program runs.
using SegmentGroupTable = Register<GroupEntry>;

}  // namespace rsm
