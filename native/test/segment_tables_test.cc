#include "segment_tables.hpp"

#include "channel_layout.hpp"
#include "check.hpp"
#include "segment_manager.hpp"

using namespace rsm;

TEST("M8: every segment and every group is entered, found by its number, and forgotten with its connection") {
  SegmentTable segments;
  SegmentGroupTable groups;
  const ChannelLayout layout = layOut({{64, 16, 4}, {1024, 8, 8}});
  for (const uint32_t connection : {7u, 8u})
    for (uint32_t number = 0; number < 2; ++number) {
      const uint32_t segment = segments.add({connection, number == 0, "mapped", layout.segments[number]});
      groups.add({connection, Direction::kOut, number, segment});
    }
  CHECK_EQ(segments.entries().size(), 4);
  CHECK_EQ(groups.entries().size(), 4);
  for (const auto& [id, group] : groups.entries()) {
    const SegmentEntry& segment = segments.entries().at(group.segment);
    CHECK_EQ(segment.connection, group.connection);
    CHECK_EQ(segment.descriptor.geometry.partitionSize, layout.segments[group.number].geometry.partitionSize);
  }
  segments.removeConnection(7);
  groups.removeConnection(7);
  CHECK_EQ(segments.entries().size(), 2);
  CHECK_EQ(groups.entries().size(), 2);
  for (const auto& [id, segment] : segments.entries()) CHECK_EQ(segment.connection, 8);
  for (const auto& [id, group] : groups.entries()) CHECK_EQ(group.connection, 8);
}

TEST("M8: a number in a table is never given again") {
  SegmentTable segments;
  const uint32_t first = segments.add({1, true, "mapped", {}});
  segments.removeConnection(1);
  CHECK(segments.entries().empty());
  CHECK(segments.add({2, true, "mapped", {}}) > first);
}

TEST("M7: a sender obtains from the segment manager what a receiver registered, until the connection ends") {
  SegmentManager manager;
  const ChannelLayout layout = layOut({{64, 16, 4}, {1024, 8, 8}});
  CHECK(manager.obtain(1, Direction::kIn) == nullptr);
  manager.registerTarget(1, Direction::kIn, {layout.targetSize, 4096, layout.segments});
  manager.registerTarget(1, Direction::kOut, {layout.targetSize * 2, 8192, layout.segments});
  manager.registerTarget(2, Direction::kIn, {layout.targetSize * 3, 4096, layout.segments});
  CHECK_EQ(manager.registered(), 3);
  const DescribedTarget* found = manager.obtain(1, Direction::kIn);
  CHECK(found != nullptr);
  CHECK_EQ(found->targetSize, layout.targetSize);
  CHECK_EQ(found->segments.size(), 2);
  CHECK_EQ(found->segments[1].geometry.partitionSize, 1024);
  CHECK_EQ(manager.obtain(1, Direction::kOut)->targetSize, layout.targetSize * 2);
  CHECK(manager.obtain(2, Direction::kOut) == nullptr);
  manager.removeConnection(1);
  CHECK(manager.obtain(1, Direction::kIn) == nullptr);
  CHECK(manager.obtain(1, Direction::kOut) == nullptr);
  CHECK(manager.obtain(2, Direction::kIn) != nullptr);
  CHECK_EQ(manager.registered(), 1);
}
