#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "segment_descriptor.hpp"

namespace check {

using Random = std::mt19937;

inline uint32_t upTo(Random& random, uint32_t highest) { return std::uniform_int_distribution<uint32_t>(0, highest)(random); }
inline uint32_t between(Random& random, uint32_t lowest, uint32_t highest) { return lowest + upTo(random, highest - lowest); }

/// Runs `property` with `rounds` seeds. A failure names its seed: RSM_TEST_SEED=<seed> runs that one alone.
inline void forSeeds(uint32_t rounds, const std::function<void(Random&)>& property) {
  const char* given = std::getenv("RSM_TEST_SEED");
  const uint32_t first = given ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
  for (uint32_t round = 0; round < (given ? 1 : rounds) && failures().empty(); ++round) {
    const uint32_t seed = first + round;
    Random random(seed);
    property(random);
    if (!failures().empty()) failures().push_back("with RSM_TEST_SEED=" + std::to_string(seed));
  }
}

/// 1 to 6 segments with distinct partition sizes of 1 to 5,000 bytes, odd ones among them.
inline std::vector<rsm::SegmentGeometry> randomGeometry(Random& random, uint32_t mostPartitions = 70) {
  std::vector<rsm::SegmentGeometry> list;
  const uint32_t groups = between(random, 1, 6);
  while (list.size() < groups) {
    const uint32_t size = upTo(random, 3) ? between(random, 1, 5000) : between(random, 1, 16);
    bool used = false;
    for (const auto& g : list) used |= g.partitionSize == size;
    if (used) continue;
    const uint32_t partitions = between(random, 1, mostPartitions);
    list.push_back({size, partitions, between(random, 1, partitions)});
  }
  return list;
}

}  // namespace check
