#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "channel_layout.hpp"
#include "layout.hpp"
#include "partition_map.hpp"

namespace rsm {

/// What the sender knows of one committed span: a row of its in-flight table, found by the span's cell (channel-wide number of its
/// first partition). A sequence of 0 means that no span begins there.
struct InFlight {
  uint64_t sequence;
  uint32_t length;
  uint32_t count;  ///< partitions
  uint16_t group;
  uint16_t attempt;
  uint8_t lane;
  uint8_t mark;
  bool watched;  ///< the release is reported even if it is `done`
};

/// The sender's own directory of all source segments of a channel: authoritative for what is free and what is in flight. The target
/// directory gets copies of its entries; nothing is ever read back from there.
class SourceDirectory {
 public:
  explicit SourceDirectory(const ChannelLayout& layout);

  struct GroupUse {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    uint32_t highWater = 0;  ///< most partitions taken at once
  };

  /// Takes `count` contiguous partitions of a group; PartitionMap::kNone if it has not got them now.
  uint32_t take(uint32_t group, uint32_t count);
  void give(uint32_t group, uint32_t first, uint32_t count) { maps_[group].give(first, count); }

  InFlight& row(uint32_t cell) { return rows_[cell]; }
  const InFlight& row(uint32_t cell) const { return rows_[cell]; }
  uint32_t cells() const { return cells_; }
  const PartitionMap& map(uint32_t group) const { return maps_[group]; }
  GroupUse& use(uint32_t group) { return use_[group]; }
  const GroupUse& use(uint32_t group) const { return use_[group]; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };

  uint32_t cells_;
  std::vector<PartitionMap> maps_;
  std::vector<GroupUse> use_;
  std::unique_ptr<InFlight[], Free> rows_;  ///< zero pages until touched: an idle channel costs none
};

}  // namespace rsm
