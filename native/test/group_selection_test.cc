#include "group_selection.hpp"

#include "channel_layout.hpp"
#include "seeds.hpp"

using rsm::GroupChoice;
using rsm::GroupSelection;
using rsm::SegmentGeometry;

namespace {

std::vector<uint32_t> chosen(const std::vector<SegmentGeometry>& geometry, uint64_t length) {
  const GroupChoice choice = GroupSelection(rsm::layOut(geometry).segments).choose(length);
  return {choice.groups.begin(), choice.groups.begin() + choice.count};
}

/// METHOD.md's words, in sets: M5 filters, M3 prefers, M10 orders.
std::vector<uint32_t> naive(std::vector<SegmentGeometry> geometry, uint64_t length) {
  std::sort(geometry.begin(), geometry.end(), [](auto& a, auto& b) { return a.partitionSize < b.partitionSize; });
  std::vector<uint32_t> able;
  std::vector<uint32_t> smallerThanMessage;
  for (uint32_t g = 0; g < geometry.size(); ++g) {
    if (uint64_t{geometry[g].partitionSize} * geometry[g].spanFactor < length) continue;
    able.push_back(g);
    if (geometry[g].partitionSize < length) smallerThanMessage.push_back(g);
  }
  if (able.empty()) return {};
  const uint32_t preferred = smallerThanMessage.empty() ? able.front() : smallerThanMessage.back();
  std::vector<uint32_t> order{preferred};
  std::vector<uint32_t> below;
  std::vector<uint32_t> above;
  for (const uint32_t g : able) {
    if (g < preferred) below.push_back(g);
    if (g > preferred) above.push_back(g);
  }
  if (!below.empty()) order.push_back(below.back());
  if (!above.empty()) order.push_back(above.front());
  return order;
}

}  // namespace

TEST("M3, M5, M10: the group is the largest able one whose partitions are smaller than the message, else the smallest able one") {
  const std::vector<SegmentGeometry> geometry{{64, 16, 4}, {256, 16, 4}, {1024, 16, 8}};  // spans hold 256, 1,024 and 8,192 bytes
  struct Case {
    uint64_t length;
    std::vector<uint32_t> order;
  };
  const Case cases[] = {
      {0, {0, 1}},        // no longer than the smallest partition: one partition of the smallest group
      {1, {0, 1}},        {63, {0, 1}},
      {64, {0, 1}},       // an exact fit is not smaller than the message
      {65, {0, 1}},       // two partitions of 64
      {256, {0, 1}},      // 4 x 64 exactly; partitions of 256 are not smaller
      {257, {1, 2}},      // M5: 4 x 64 cannot hold it
      {1024, {1, 2}},     // 4 x 256 exactly
      {1025, {2}},        // only 1,024 can, and is smaller
      {8192, {2}},        {8193, {}},  // M12's affair
  };
  for (const Case& c : cases) CHECK_EQ(chosen(geometry, c.length), c.order);
}

TEST("M5: where the group that M3 prefers cannot hold the message, a group with larger partitions is taken") {
  CHECK_EQ(chosen({{100, 10, 2}, {500, 10, 1}}, 201), (std::vector<uint32_t>{1}));  // 500 is larger than the message, yet the only able one
  CHECK_EQ(chosen({{100, 10, 2}, {500, 10, 1}, {900, 10, 1}}, 201), (std::vector<uint32_t>{1, 2}));
  CHECK_EQ(chosen({{100, 10, 3}, {200, 2, 1}, {300, 4, 4}}, 300), (std::vector<uint32_t>{0, 2}));  // the middle one is never able
  CHECK_EQ(chosen({{100, 90, 90}, {200, 90, 90}, {300, 90, 90}, {400, 90, 90}}, 350), (std::vector<uint32_t>{2, 1, 3}));
}

TEST("M3, M5, M10: selection agrees with docs/method.md for every length over random geometries") {
  check::forSeeds(60, [](check::Random& random) {
    const auto geometry = check::randomGeometry(random);
    const GroupSelection selection(rsm::layOut(geometry).segments);
    std::vector<uint64_t> lengths;
    for (uint64_t length = 0; length < 300; ++length) lengths.push_back(length);
    for (const auto& g : geometry)
      for (uint64_t k = 1; k <= g.spanFactor + 1; ++k)
        for (int off = -1; off <= 1; ++off) lengths.push_back(k * g.partitionSize + off);
    for (int i = 0; i < 300; ++i) lengths.push_back(check::upTo(random, 400'000));
    for (const uint64_t length : lengths) {
      const GroupChoice choice = selection.choose(length);
      const std::vector<uint32_t> order(choice.groups.begin(), choice.groups.begin() + choice.count);
      CHECK_EQ(order, naive(geometry, length));
      if (!check::failures().empty()) return check::fail(__FILE__, __LINE__, "for a message of " + std::to_string(length) + " bytes");
    }
  });
}
