#include "partition_map.hpp"

#include <algorithm>
#include <bit>

namespace rsm {

PartitionMap::PartitionMap(uint32_t partitions)
    : partitions_(partitions), free_((partitions + 63) / 64, 0), anyFree_((free_.size() + 63) / 64, 0) {
  mark(0, partitions, true);
}

uint32_t PartitionMap::nextFree(uint32_t from) const {
  if (from >= partitions_) return kNone;
  uint32_t word = from / 64;
  const uint64_t bits = free_[word] & (~uint64_t{0} << (from % 64));
  if (bits) return word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
  ++word;
  for (uint32_t group = word / 64; group < anyFree_.size(); ++group) {
    uint64_t words = anyFree_[group];
    if (group == word / 64) words &= ~uint64_t{0} << (word % 64);
    if (words) {
      const uint32_t found = group * 64 + static_cast<uint32_t>(std::countr_zero(words));
      return found * 64 + static_cast<uint32_t>(std::countr_zero(free_[found]));
    }
  }
  return kNone;
}

uint32_t PartitionMap::nextTaken(uint32_t from, uint32_t limit) const {
  for (uint32_t word = from / 64; word * 64 < limit; ++word) {
    uint64_t bits = ~free_[word];
    if (word == from / 64) bits &= ~uint64_t{0} << (from % 64);
    if (bits) return std::min(limit, word * 64 + static_cast<uint32_t>(std::countr_zero(bits)));
  }
  return limit;
}

uint32_t PartitionMap::take(uint32_t count) {
  if (count > partitions_ - taken_) return kNone;
  uint32_t first = nextFree(lowest_);
  if (first == kNone) return kNone;
  lowest_ = first;
  while (first != kNone && first + count <= partitions_) {
    const uint32_t end = count == 1 ? first + 1 : nextTaken(first, first + count);
    if (end == first + count) {
      mark(first, count, false);
      taken_ += count;
      if (first == lowest_) lowest_ = end;
      return first;
    }
    first = nextFree(end);
  }
  return kNone;
}

void PartitionMap::give(uint32_t first, uint32_t count) {
  mark(first, count, true);
  taken_ -= count;
  lowest_ = std::min(lowest_, first);
}

void PartitionMap::markOne(uint32_t partition, bool free) {
  const uint32_t word = partition / 64;
  const uint64_t bit = uint64_t{1} << (partition % 64);
  const uint64_t wordBit = uint64_t{1} << (word % 64);
  if (free) {
    free_[word] |= bit;
    anyFree_[word / 64] |= wordBit;
  } else if ((free_[word] &= ~bit) == 0) {
    anyFree_[word / 64] &= ~wordBit;
  }
}

void PartitionMap::mark(uint32_t first, uint32_t count, bool free) {
  if (count == 1) return markOne(first, free);
  for (uint32_t at = first, end = first + count; at < end;) {
    const uint32_t word = at / 64;
    const uint32_t bit = at % 64;
    const uint32_t length = std::min(64 - bit, end - at);
    const uint64_t mask = (length == 64 ? ~uint64_t{0} : ((uint64_t{1} << length) - 1)) << bit;
    free_[word] = free ? free_[word] | mask : free_[word] & ~mask;
    const uint64_t wordBit = uint64_t{1} << (word % 64);
    anyFree_[word / 64] = free_[word] ? anyFree_[word / 64] | wordBit : anyFree_[word / 64] & ~wordBit;
    at += length;
  }
}

}  // namespace rsm
