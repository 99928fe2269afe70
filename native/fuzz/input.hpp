#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "segment_descriptor.hpp"

/// A promise that no input may break.
#define REQUIRE(...)                                                                                    \
  do {                                                                                                  \
    if (!(__VA_ARGS__)) {                                                                               \
      std::fprintf(stderr, "%s:%d: broken by this input: %s\n", __FILE__, __LINE__, #__VA_ARGS__);      \
      std::abort();                                                                                     \
    }                                                                                                   \
  } while (false)

namespace fuzz {

/// Reads an input as numbers, little-endian; beyond its end there are zeroes.
class Input {
 public:
  Input(const uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}

  bool empty() const { return at_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  template <class T>
  T number() {
    T value = 0;
    const std::size_t count = std::min(sizeof value, left());
    if (count) std::memcpy(&value, at_, count);
    at_ += count;
    return value;
  }
  uint8_t byte() { return number<uint8_t>(); }
  /// 0 to `highest`; one byte of input where that is enough, else two or four.
  uint32_t upTo(uint32_t highest) {
    const uint32_t value = highest < 0x100 ? byte() : highest < 0x10000 ? number<uint16_t>() : number<uint32_t>();
    return highest == UINT32_MAX ? value : value % (highest + 1);
  }
  std::vector<std::byte> bytes(std::size_t count) {
    count = std::min(count, left());
    const auto* from = reinterpret_cast<const std::byte*>(at_);
    at_ += count;
    return {from, from + count};
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

/// Writes what Input reads.
class Output {
 public:
  template <class T>
  Output& number(T value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    return append(from, sizeof value);
  }
  Output& byte(uint32_t value) { return number(static_cast<uint8_t>(value)); }
  Output& upTo(uint32_t value, uint32_t highest) {
    return highest < 0x100 ? byte(value) : highest < 0x10000 ? number(static_cast<uint16_t>(value)) : number(value);
  }
  Output& append(const std::byte* from, std::size_t count) {
    bytes_.insert(bytes_.end(), from, from + count);
    return *this;
  }
  Output& bytes(const std::vector<std::byte>& list) { return append(list.data(), list.size()); }
  const std::vector<std::byte>& all() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

inline constexpr uint32_t kMostSegments = 4;
inline constexpr uint32_t kLargestPartition = 2000;
inline constexpr uint32_t kMostPartitions = 80;

/// 1 to 4 small segments.
inline std::vector<rsm::SegmentGeometry> readGeometry(Input& in) {
  std::vector<rsm::SegmentGeometry> list;
  for (uint32_t count = 1 + in.upTo(kMostSegments - 1); count; --count) {
    const uint32_t size = 1 + in.upTo(kLargestPartition - 1);
    const uint32_t partitions = 1 + in.upTo(kMostPartitions - 1);
    const uint32_t factor = 1 + in.upTo(partitions - 1);
    const bool used = std::any_of(list.begin(), list.end(), [&](const auto& g) { return g.partitionSize == size; });
    if (!used) list.push_back({size, partitions, factor});
  }
  return list;
}

inline void writeGeometry(Output& out, const std::vector<rsm::SegmentGeometry>& list) {
  out.upTo(static_cast<uint32_t>(list.size() - 1), kMostSegments - 1);
  for (const auto& g : list) {
    out.upTo(g.partitionSize - 1, kLargestPartition - 1).upTo(g.partitions - 1, kMostPartitions - 1);
    out.upTo(g.spanFactor - 1, g.partitions - 1);
  }
}

}  // namespace fuzz
