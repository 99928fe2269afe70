#include "partition_map.hpp"

#include "seeds.hpp"

using check::between;
using check::Random;
using rsm::PartitionMap;

namespace {

/// The same by looking at every partition.
struct NaiveMap {
  std::vector<bool> takenOnes;
  explicit NaiveMap(uint32_t partitions) : takenOnes(partitions, false) {}

  uint32_t take(uint32_t count) {
    for (uint32_t first = 0; first + count <= takenOnes.size(); ++first) {
      bool free = true;
      for (uint32_t i = 0; i < count && free; ++i) free = !takenOnes[first + i];
      if (!free) continue;
      for (uint32_t i = 0; i < count; ++i) takenOnes[first + i] = true;
      return first;
    }
    return PartitionMap::kNone;
  }
  void give(uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) takenOnes[first + i] = false;
  }
};

void agree(const PartitionMap& map, const NaiveMap& naive) {
  uint32_t taken = 0;
  for (uint32_t i = 0; i < naive.takenOnes.size(); ++i) {
    taken += naive.takenOnes[i];
    if (map.taken(i) != naive.takenOnes[i]) check::fail(__FILE__, __LINE__, "partition " + std::to_string(i) + " differs");
  }
  CHECK_EQ(map.takenCount(), taken);
}

}  // namespace

TEST("M10: the partition map takes the lowest run of free partitions, as a naive one does, over any history") {
  check::forSeeds(60, [](Random& random) {
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 200, 1000, 4095, 4096, 4097, 4160};
    const uint32_t partitions = sizes[check::upTo(random, 13)];
    PartitionMap map(partitions);
    NaiveMap naive(partitions);
    std::vector<std::pair<uint32_t, uint32_t>> held;
    for (int step = 0; step < 300 && check::failures().empty(); ++step) {
      if (check::upTo(random, 2) && !held.empty()) {
        const uint32_t which = check::upTo(random, static_cast<uint32_t>(held.size() - 1));
        map.give(held[which].first, held[which].second);
        naive.give(held[which].first, held[which].second);
        held[which] = held.back();
        held.pop_back();
      } else {
        const uint32_t count = between(random, 1, check::upTo(random, 3) ? std::min(partitions, 9u) : partitions);
        const uint32_t first = map.take(count);
        CHECK_EQ(first, naive.take(count));
        if (first != PartitionMap::kNone) held.push_back({first, count});
      }
      if (step % 20 == 0) agree(map, naive);
    }
    agree(map, naive);
    for (const auto& [first, count] : held) map.give(first, count);
    CHECK_EQ(map.takenCount(), 0);
    CHECK_EQ(map.take(partitions), 0);  // all free again, in one piece
  });
}

TEST("M10: a run may cross every word boundary of the partition map") {
  for (const uint32_t boundary : {64u, 128u, 4096u})
    for (uint32_t before = 0; before <= 3; ++before)
      for (const uint32_t count : {1u, 2u, 4u, 64u, 70u, 130u}) {
        PartitionMap map(boundary + 200);
        if (boundary > before) CHECK_EQ(map.take(boundary - before), 0);
        CHECK_EQ(map.take(count), boundary - before);
        CHECK_EQ(map.taken(boundary - before + count - 1), true);
        CHECK_EQ(map.taken(boundary - before + count), false);
        map.give(boundary - before, count);
        CHECK_EQ(map.takenCount(), boundary - before);
      }
}

TEST("M10: a hole that is too small is passed over, and taken by what fits into it") {
  PartitionMap map(130);
  CHECK_EQ(map.take(130), 0);
  CHECK_EQ(map.take(1), PartitionMap::kNone);
  map.give(62, 3);   // a hole over a word's end
  map.give(120, 10);
  CHECK_EQ(map.take(4), 120);
  CHECK_EQ(map.take(3), 62);
  CHECK_EQ(map.take(7), PartitionMap::kNone);
  CHECK_EQ(map.take(6), 124);
  CHECK_EQ(map.takenCount(), 130);
}

TEST("M4: a run never wraps around the end of the segment") {
  PartitionMap map(10);
  CHECK_EQ(map.take(8), 0);
  map.give(0, 3);
  CHECK_EQ(map.take(4), PartitionMap::kNone);  // 2 at the end and 3 at the beginning are no 4
  CHECK_EQ(map.take(11), PartitionMap::kNone);
  CHECK_EQ(map.take(3), 0);
  CHECK_EQ(map.take(2), 8);
}
