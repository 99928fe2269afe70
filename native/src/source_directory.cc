#include "source_directory.hpp"

#include <algorithm>
#include <new>

namespace rsm {

SourceDirectory::SourceDirectory(const ChannelLayout& layout)
    : cells_(layout.partitions), use_(layout.segments.size()), rows_(static_cast<InFlight*>(std::calloc(layout.partitions, sizeof(InFlight)))) {
  if (!rows_) throw std::bad_alloc();
  for (const auto& s : layout.segments) maps_.emplace_back(s.geometry.partitions);
}

uint32_t SourceDirectory::take(uint32_t group, uint32_t count) {
  const uint32_t first = maps_[group].take(count);
  if (first != PartitionMap::kNone) use_[group].highWater = std::max(use_[group].highWater, maps_[group].takenCount());
  return first;
}

}  // namespace rsm
