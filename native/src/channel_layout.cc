#include "channel_layout.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "failure.hpp"
#include "layout.hpp"

namespace rsm {
namespace {

uint64_t roundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

std::string describe(const SegmentGeometry& g) {
  return "{ partitionSize: " + std::to_string(g.partitionSize) + ", partitions: " + std::to_string(g.partitions) +
         ", spanFactor: " + std::to_string(g.spanFactor) + " }";
}

void checkGeometry(const SegmentGeometry& g, const char* code) {
  if (g.partitionSize < 1 || g.partitionSize > kMaxPartitionSize)
    throw Failure(code, "segment " + describe(g) + ": partitionSize must be 1 to " + std::to_string(kMaxPartitionSize) + " bytes");
  if (g.partitions < 1 || g.partitions > kMaxPartitions)
    throw Failure(code, "segment " + describe(g) + ": partitions must be 1 to " + std::to_string(kMaxPartitions));
  if (g.spanFactor < 1 || g.spanFactor > g.partitions)
    throw Failure(code, "segment " + describe(g) + ": spanFactor must be 1 to partitions");
  if (g.spanCapacity() > UINT32_MAX)
    throw Failure(code, "segment " + describe(g) + ": partitionSize x spanFactor must stay below 4 GiB");
}

void finish(ChannelLayout& layout, const char* code) {
  uint64_t partitions = 0;
  for (const auto& s : layout.segments) {
    layout.firstCell.push_back(static_cast<uint32_t>(partitions));
    partitions += s.geometry.partitions;
  }
  if (partitions > kMaxPartitions)
    throw Failure(code, "a channel may have " + std::to_string(kMaxPartitions) + " partitions in all, not " + std::to_string(partitions));
  layout.partitions = static_cast<uint32_t>(partitions);
  layout.slots = std::bit_ceil(layout.partitions);
  layout.startedOffset = layout::kReleaseRingOffset + uint64_t{layout.slots} * sizeof(layout::ReleaseRecord);
  layout.releaseSize = roundUp(layout.startedOffset + partitions * sizeof(layout::StartedWord), layout::kPage);
}

}  // namespace

uint64_t ChannelLayout::largestSpan() const {
  uint64_t largest = 0;
  for (const auto& s : segments) largest = std::max(largest, s.geometry.spanCapacity());
  return largest;
}

ChannelLayout layOut(const std::vector<SegmentGeometry>& geometry) {
  const char* code = codes::kInvalidOptions;
  if (geometry.empty() || geometry.size() > kMaxSegments)
    throw Failure(code, "segments: 1 to " + std::to_string(kMaxSegments) + " are allowed, not " + std::to_string(geometry.size()));
  ChannelLayout layout;
  for (const auto& g : geometry) {
    checkGeometry(g, code);
    layout.segments.push_back({0, 0, uint64_t{g.partitionSize} * g.partitions, 0, g, 0});
  }
  std::sort(layout.segments.begin(), layout.segments.end(),
            [](const auto& a, const auto& b) { return a.geometry.partitionSize < b.geometry.partitionSize; });
  for (std::size_t i = 1; i < layout.segments.size(); ++i)
    if (layout.segments[i].geometry.partitionSize == layout.segments[i - 1].geometry.partitionSize)
      throw Failure(code, "segments: two have the same partitionSize " + std::to_string(layout.segments[i].geometry.partitionSize));
  finish(layout, code);
  uint64_t at = layout::kOrderRingOffset + uint64_t{layout.slots} * sizeof(layout::OrderSlot);
  for (auto& s : layout.segments) {
    s.directoryOffset = at;
    at += uint64_t{s.geometry.partitions} * sizeof(layout::DirectoryEntry);
  }
  for (auto& s : layout.segments) {
    at = roundUp(at, layout::kPage);
    s.offset = at;
    at += s.length;
  }
  layout.targetSize = roundUp(at, layout::kPage);
  return layout;
}

ChannelLayout layOutDescribed(const std::vector<SegmentDescriptor>& descriptors, uint64_t targetSize) {
  const char* code = codes::kCorruptSegment;
  if (descriptors.empty() || descriptors.size() > kMaxSegments) throw Failure(code, "the peer described no segment, or too many");
  ChannelLayout layout;
  layout.targetSize = targetSize;
  layout.segments = descriptors;
  uint32_t before = 0;
  for (const auto& s : descriptors) {
    checkGeometry(s.geometry, code);
    if (s.geometry.partitionSize <= before) throw Failure(code, "the peer's segments are not in ascending order of partition size");
    before = s.geometry.partitionSize;
    if (s.length != uint64_t{s.geometry.partitionSize} * s.geometry.partitions)
      throw Failure(code, "the peer described a segment whose length is not partition size x partitions");
  }
  finish(layout, code);
  const uint64_t first = layout::kOrderRingOffset + uint64_t{layout.slots} * sizeof(layout::OrderSlot);
  for (const auto& s : descriptors) {
    const uint64_t directory = uint64_t{s.geometry.partitions} * sizeof(layout::DirectoryEntry);
    const bool directoryFits = s.directoryOffset >= first && s.directoryOffset % 16 == 0 && directory <= targetSize &&
                               s.directoryOffset <= targetSize - directory;
    const bool partitionsFit = s.offset >= first && s.length <= targetSize && s.offset <= targetSize - s.length;
    if (s.region != 0 || !directoryFits || !partitionsFit)
      throw Failure(code, "the peer described a segment that does not lie in its target region");
  }
  return layout;
}

}  // namespace rsm
