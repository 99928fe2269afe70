#pragma once

#include <cstdint>

namespace rsm {

/// How one segment is cut. Decided by the receiver.
struct SegmentGeometry {
  uint32_t partitionSize;  ///< bytes
  uint32_t partitions;
  uint32_t spanFactor;  ///< the most partitions one span may have

  /// The longest message one span of such a segment holds, in bytes.
  uint64_t spanCapacity() const { return uint64_t{partitionSize} * spanFactor; }
  /// How many partitions a span of so many bytes has. Most have one, which spares the division.
  uint64_t partitionsFor(uint64_t length) const { return length <= partitionSize ? 1 : (length + partitionSize - 1) / partitionSize; }
};

/// What a sender needs to form its image of a target segment. All offsets count from the start of the target region.
struct SegmentDescriptor {
  uint32_t region;           ///< which region of the channel: always 0, the target region, on `mapped`
  uint64_t offset;           ///< of the first partition
  uint64_t length;           ///< bytes of all partitions
  uint64_t directoryOffset;  ///< of the first directory entry
  SegmentGeometry geometry;
  uint64_t key;  ///< the interconnect's own key for remote writes; 0 on `mapped`
};

}  // namespace rsm
