#include "channel_layout.hpp"

#include "failure.hpp"
#include "layout.hpp"
#include "seeds.hpp"

using rsm::ChannelLayout;
using rsm::Failure;
using rsm::SegmentDescriptor;
using rsm::SegmentGeometry;
namespace layout = rsm::layout;

namespace {

bool refused(const std::function<void()>& action, const std::string& code, const std::string& says) {
  return check::throws<Failure>(
      action, [&](const Failure& f) { return f.code() == code && std::string(f.what()).find(says) != std::string::npos; });
}

struct Extent {
  uint64_t from;
  uint64_t length;
};

}  // namespace

TEST("M2: segments are laid out in ascending order of partition size, however many, and nothing overlaps") {
  check::forSeeds(100, [](check::Random& random) {
    const auto geometry = check::randomGeometry(random, 300);
    const ChannelLayout l = rsm::layOut(geometry);
    uint32_t partitions = 0;
    std::vector<Extent> extents{{0, layout::kLine}, {layout::kOrderRingOffset, uint64_t{l.slots} * sizeof(layout::OrderSlot)}};
    for (std::size_t i = 0; i < l.segments.size(); ++i) {
      const SegmentDescriptor& s = l.segments[i];
      if (i) CHECK(l.segments[i - 1].geometry.partitionSize < s.geometry.partitionSize);
      CHECK_EQ(l.firstCell[i], partitions);
      CHECK_EQ(s.length, uint64_t{s.geometry.partitionSize} * s.geometry.partitions);
      CHECK_EQ(s.offset % layout::kPage, 0);
      partitions += s.geometry.partitions;
      extents.push_back({s.directoryOffset, uint64_t{s.geometry.partitions} * sizeof(layout::DirectoryEntry)});
      extents.push_back({s.offset, s.length});
    }
    CHECK_EQ(l.segments.size(), geometry.size());
    CHECK_EQ(l.partitions, partitions);
    CHECK(l.slots >= partitions && (l.slots & (l.slots - 1)) == 0);
    for (std::size_t a = 0; a < extents.size(); ++a) {
      CHECK(extents[a].from + extents[a].length <= l.targetSize);
      for (std::size_t b = 0; b < a; ++b)
        CHECK(extents[a].from + extents[a].length <= extents[b].from || extents[b].from + extents[b].length <= extents[a].from);
    }
    CHECK(l.startedOffset >= layout::kReleaseRingOffset + uint64_t{l.slots} * sizeof(layout::ReleaseRecord));
    CHECK(l.startedOffset + uint64_t{partitions} * 8 <= l.releaseSize);
    CHECK_EQ(l.targetSize % layout::kPage + l.releaseSize % layout::kPage, 0);
  });
}

TEST("M1: both ends of a channel have the same number of partitions of the same size in every group") {
  check::forSeeds(100, [](check::Random& random) {
    const ChannelLayout theirs = rsm::layOut(check::randomGeometry(random, 300));
    const ChannelLayout ours = rsm::layOutDescribed(theirs.segments, theirs.targetSize);
    CHECK_EQ(ours.segments.size(), theirs.segments.size());
    for (std::size_t i = 0; i < ours.segments.size(); ++i) {
      CHECK_EQ(ours.segments[i].geometry.partitionSize, theirs.segments[i].geometry.partitionSize);
      CHECK_EQ(ours.segments[i].geometry.partitions, theirs.segments[i].geometry.partitions);
      CHECK_EQ(ours.segments[i].geometry.spanFactor, theirs.segments[i].geometry.spanFactor);
    }
    CHECK_EQ(ours.firstCell, theirs.firstCell);
    CHECK_EQ(ours.slots, theirs.slots);
    CHECK_EQ(ours.partitions, theirs.partitions);
    CHECK_EQ(ours.startedOffset, theirs.startedOffset);
    CHECK_EQ(ours.releaseSize, theirs.releaseSize);
    CHECK_EQ(ours.largestSpan(), theirs.largestSpan());
  });
}

TEST("M2: a channel may have 64 groups, and no two of one partition size") {
  std::vector<SegmentGeometry> many;
  for (uint32_t i = 1; i <= rsm::kMaxSegments; ++i) many.push_back({i * 8, 4, 4});
  CHECK_EQ(rsm::layOut(many).segments.size(), rsm::kMaxSegments);
  many.push_back({7, 4, 4});
  CHECK(refused([&] { rsm::layOut(many); }, rsm::codes::kInvalidOptions, "65"));
  CHECK(refused([] { rsm::layOut({{64, 4, 4}, {128, 4, 4}, {64, 8, 1}}); }, rsm::codes::kInvalidOptions, "partitionSize 64"));
}

TEST("a geometry that cannot be is refused, naming what is wrong") {
  struct Case {
    SegmentGeometry geometry;
    const char* says;
  };
  const Case cases[] = {
      {{0, 1, 1}, "partitionSize"},
      {{rsm::kMaxPartitionSize + 1, 1, 1}, "partitionSize"},
      {{1, 0, 1}, "partitions"},
      {{1, rsm::kMaxPartitions + 1, 1}, "partitions"},
      {{1, 1, 0}, "spanFactor"},
      {{1, 1, 2}, "spanFactor"},
      {{1u << 30, 4, 4}, "4 GiB"},
  };
  for (const Case& c : cases) CHECK(refused([&] { rsm::layOut({c.geometry}); }, rsm::codes::kInvalidOptions, c.says));
  CHECK(refused([] { rsm::layOut({}); }, rsm::codes::kInvalidOptions, "not 0"));
  CHECK(refused([] { rsm::layOut({{1, rsm::kMaxPartitions, 1}, {2, 1, 1}}); }, rsm::codes::kInvalidOptions, "partitions in all"));
  CHECK_EQ(rsm::layOut({{1, 1, 1}}).largestSpan(), 1);
}

TEST("a described segment that does not lie in the target region is refused") {
  const ChannelLayout good = rsm::layOut({{64, 16, 4}, {4096, 8, 8}});
  const auto corrupt = [&](const std::function<void(SegmentDescriptor&, SegmentDescriptor&)>& change, uint64_t size) {
    auto list = good.segments;
    change(list[0], list[1]);
    return refused([&] { rsm::layOutDescribed(list, size); }, rsm::codes::kCorruptSegment, "");
  };
  const uint64_t size = good.targetSize;
  CHECK(corrupt([](auto& a, auto&) { a.region = 1; }, size));
  CHECK(corrupt([](auto& a, auto&) { a.offset = 0; }, size));
  CHECK(corrupt([](auto& a, auto&) { a.offset = UINT64_MAX - 10; }, size));
  CHECK(corrupt([&](auto&, auto& b) { b.offset = size - b.length + 1; }, size));
  CHECK(corrupt([](auto& a, auto&) { a.length -= 1; }, size));
  CHECK(corrupt([](auto& a, auto&) { a.directoryOffset = 0; }, size));
  CHECK(corrupt([](auto& a, auto&) { a.directoryOffset += 8; }, size));
  CHECK(corrupt([&](auto& a, auto&) { a.directoryOffset = size - 16; }, size));
  CHECK(corrupt([](auto& a, auto&) { a.directoryOffset = UINT64_MAX - 15; }, size));
  CHECK(corrupt([](auto& a, auto& b) { std::swap(a, b); }, size));
  CHECK(corrupt([](auto& a, auto& b) { b = a; }, size));
  CHECK(corrupt([](auto& a, auto&) { a.geometry.partitions = 0; }, size));
  CHECK(corrupt([](auto& a, auto&) { a.geometry.spanFactor = 17; }, size));
  CHECK(corrupt([](auto&, auto& b) { b.geometry.partitions = rsm::kMaxPartitions; b.length = uint64_t{4096} * rsm::kMaxPartitions; }, size));
  CHECK(corrupt([](auto&, auto&) {}, 0));
  CHECK(corrupt([](auto&, auto&) {}, size - layout::kPage));
  CHECK(refused([&] { rsm::layOutDescribed({}, size); }, rsm::codes::kCorruptSegment, "no segment"));
  rsm::layOutDescribed(good.segments, size);
}
