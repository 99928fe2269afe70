#pragma once

#include <cstdint>
#include <vector>

#include "segment_descriptor.hpp"

namespace rsm {

/// Where everything of one channel stands in its two regions. Computed by the receiver from its geometry, and by the sender
/// from the descriptors it obtained. Segments are in ascending order of partition size.
struct ChannelLayout {
  uint32_t slots = 0;       ///< of the order ring and of the release ring; a power of two
  uint32_t partitions = 0;  ///< of all segments
  uint64_t targetSize = 0;
  uint64_t startedOffset = 0;
  uint64_t releaseSize = 0;
  std::vector<SegmentDescriptor> segments;
  std::vector<uint32_t> firstCell;  ///< per segment: the channel-wide number of its partition 0

  /// The most bytes one span of any segment holds.
  uint64_t largestSpan() const;
};

inline constexpr uint32_t kMaxSegments = 64;
inline constexpr uint32_t kMaxPartitions = 1u << 24;
inline constexpr uint32_t kMaxPartitionSize = 1u << 30;

/// The receiver's lay-out. Throws RSM_INVALID_OPTIONS for a geometry that cannot be.
ChannelLayout layOut(const std::vector<SegmentGeometry>& geometry);

/// The sender's lay-out of what the receiver described: every number is checked against the region's size.
/// Throws RSM_CORRUPT_SEGMENT.
ChannelLayout layOutDescribed(const std::vector<SegmentDescriptor>& descriptors, uint64_t targetSize);

}  // namespace rsm
