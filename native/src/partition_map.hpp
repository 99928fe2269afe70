#pragma once

#include <cstdint>
#include <vector>

namespace rsm {

/// Which partitions of one source segment are free: the index of the source directory. Finds the lowest run of contiguous free
/// partitions (low numbers stay in cache). Never allocates after construction.
class PartitionMap {
 public:
  static constexpr uint32_t kNone = 0xffffffffu;

  explicit PartitionMap(uint32_t partitions);

  /// Takes the lowest run of `count` free partitions and returns its first, or kNone.
  uint32_t take(uint32_t count);
  void give(uint32_t first, uint32_t count);
  bool taken(uint32_t partition) const { return !(free_[partition / 64] >> (partition % 64) & 1); }
  uint32_t takenCount() const { return taken_; }
  uint32_t partitions() const { return partitions_; }

 private:
  /// The first free partition at or after `from`, or kNone.
  uint32_t nextFree(uint32_t from) const;
  /// The first taken partition in [from, limit), or limit.
  uint32_t nextTaken(uint32_t from, uint32_t limit) const;
  void mark(uint32_t first, uint32_t count, bool free);
  void markOne(uint32_t partition, bool free);

  uint32_t partitions_;
  uint32_t taken_ = 0;
  uint32_t lowest_ = 0;             ///< no free partition stands before this one
  std::vector<uint64_t> free_;      ///< a bit per partition
  std::vector<uint64_t> anyFree_;   ///< a bit per word of free_
};

}  // namespace rsm
