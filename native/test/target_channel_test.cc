#include "channel_pair.hpp"

using check::ChannelPair;
using check::pattern;
using check::Random;
namespace layout = rsm::layout;

namespace {

const std::vector<rsm::SegmentGeometry> kGeometry{{10, 16, 4}, {100, 8, 4}};

/// Forges one message; expects that the receiver stops there for this reason, and for good.
void refused(const char* words, const std::function<void(ChannelPair&)>& forge) {
  ChannelPair pair(kGeometry);
  pair.commit("good");
  forge(pair);
  CHECK_EQ(pair.receive().size(), 1);
  if (pair.target->corrupt().find(words) == std::string::npos)
    check::fail(__FILE__, __LINE__, std::string("expected \"") + words + "\", got \"" + pair.target->corrupt() + "\"");
  CHECK(pair.target->corrupt().find("message 2") != std::string::npos);
  pair.forgeEntry(0, 4, 5, layout::kEndOfSpan);
  pair.forge(2, 0, 4);  // made good too late
  CHECK_EQ(pair.receive().size(), 0);
  CHECK(!pair.target->pending());
  CHECK_EQ(pair.target->held(), 1);
}

}  // namespace

TEST("M9: a forged message that keeps the rules is read like any other") {
  ChannelPair pair(kGeometry);
  pair.commit("good");
  pair.forgeEntry(1, 5, 250, 6);
  pair.forgeEntry(1, 6, 0, 7, layout::kMarkNone);
  pair.forgeEntry(1, 7, 0, layout::kEndOfSpan, layout::kMarkNone);
  pair.forge(2, 1, 5);
  CHECK_EQ(pair.receive().size(), 2);
  CHECK(pair.target->corrupt().empty());
}

TEST("an order slot that names no group or no partition of this channel stops it") {
  refused("group 2", [](ChannelPair& p) { p.forge(2, 2, 0); });
  refused("group 4294967295", [](ChannelPair& p) { p.forge(2, UINT32_MAX, 0); });
  refused("partition 16", [](ChannelPair& p) { p.forge(2, 0, 16); });
  refused("partition 8", [](ChannelPair& p) { p.forge(2, 1, 8); });
  refused("partition 4294967295", [](ChannelPair& p) { p.forge(2, 0, UINT32_MAX); });
}

TEST("a directory entry with a wild mark, lane or length stops the channel") {
  const auto with = [](uint32_t partition, uint32_t length, uint32_t next, uint8_t mark, uint8_t lane) {
    return [=](ChannelPair& p) {
      p.forgeEntry(0, partition, length, next, mark, lane);
      p.forge(2, 0, partition);
    };
  };
  const uint32_t end = layout::kEndOfSpan;
  refused("does not say so", [](ChannelPair& p) { p.forge(2, 0, 4); });  // an entry nobody wrote
  refused("does not say so", with(4, 5, end, layout::kMarkNone, 0));
  refused("does not say so", with(4, 5, end, layout::kMarkFragment | layout::kMarkLast, 0));
  refused("does not say so", with(4, 5, end, 9, 0));
  refused("does not say so", with(4, 5, end, 255, 0));
  refused("lane 3", with(4, 5, end, layout::kMarkFirst, 3));
  refused("lane 255", with(4, 5, end, layout::kMarkFirst, 255));
  refused("41 bytes", with(4, 41, end, layout::kMarkFirst, 0));
  refused("4294967295 bytes", with(4, UINT32_MAX, end, layout::kMarkFirst, 0));
  refused("segment's end", with(15, 11, 16, layout::kMarkFirst, 0));
  refused("segment's end", with(13, 40, 14, layout::kMarkFirst, 0));
}

TEST("M4: a directory chain that is not contiguous stops the channel") {
  const auto chain = [](uint32_t first, uint32_t second) {
    return [=](ChannelPair& p) {
      p.forgeEntry(0, 4, 15, first);
      p.forgeEntry(0, 5, 0, second, layout::kMarkNone);
      p.forge(2, 0, 4);
    };
  };
  refused("contiguous", chain(6, layout::kEndOfSpan));
  refused("contiguous", chain(4, layout::kEndOfSpan));
  refused("contiguous", chain(layout::kEndOfSpan, layout::kEndOfSpan));
  refused("contiguous", chain(5, 6));
  refused("contiguous", chain(5, 0));
  refused("contiguous", [](ChannelPair& p) {  // one partition, yet it goes on
    p.forgeEntry(0, 4, 5, 5);
    p.forge(2, 0, 4);
  });
}

TEST("messages that stand on one another cannot be committed without end: no more is held than there is") {
  ChannelPair pair(kGeometry);
  pair.forgeEntry(0, 2, 40, 3);
  pair.forgeEntry(0, 3, 0, 4, layout::kMarkNone);
  pair.forgeEntry(0, 4, 0, 5, layout::kMarkNone);
  pair.forgeEntry(0, 5, 0, layout::kEndOfSpan, layout::kMarkNone);
  std::size_t read = 0;
  for (uint64_t sequence = 1; sequence <= 100 && pair.target->corrupt().empty(); ++sequence) {
    pair.forge(sequence, 0, 2);
    read += pair.receive().size();
  }
  CHECK_EQ(read, 4);  // 4 spans of 4 are the 16 partitions of the segment
  CHECK(pair.target->corrupt().find("not released") != std::string::npos);
}

TEST("a sequence ahead of its turn or of an earlier round of the ring is not a message") {
  ChannelPair pair(kGeometry);
  pair.forgeEntry(0, 0, 5, layout::kEndOfSpan);
  for (const uint64_t sequence : {uint64_t{2}, uint64_t{33}, UINT64_MAX, uint64_t{1} << 32 | 1}) {
    pair.slot(1).body.store(0);
    pair.slot(1).sequence.store(sequence);
    CHECK(!pair.target->pending());
    CHECK_EQ(pair.receive().size(), 0);
  }
  CHECK(pair.target->corrupt().empty());
  pair.forge(1, 0, 0);
  CHECK_EQ(pair.receive().size(), 1);
}

TEST("arbitrary target memory never crashes the receiver, and what it reads lies inside the segment") {
  check::forSeeds(300, [](Random& random) {
    ChannelPair pair(check::randomGeometry(random, 20));
    const uint32_t groups = static_cast<uint32_t>(pair.layout.segments.size());
    for (uint32_t g = 0; g < groups; ++g) {
      const auto& geometry = pair.layout.segments[g].geometry;
      for (uint32_t p = 0; p < geometry.partitions; ++p) {
        if (check::upTo(random, 4) == 0) {
          pair.entry(g, p).word0.store(uint64_t{random()} << 32 | random());
          pair.entry(g, p).word1.store(uint64_t{random()} << 32 | random());
        } else {
          const uint32_t length = check::upTo(random, static_cast<uint32_t>(geometry.spanCapacity()));
          const uint32_t next = check::upTo(random, 1) || length > geometry.partitionSize ? p + 1 : layout::kEndOfSpan;
          pair.forgeEntry(g, p, length, next, layout::kMarkFirst | check::upTo(random, 7), check::upTo(random, 3) ? 0 : check::upTo(random, 4));
        }
      }
    }
    for (uint64_t sequence = 1; sequence <= pair.layout.slots; ++sequence) {
      const uint32_t group = check::upTo(random, groups - (check::upTo(random, 20) ? 1 : 0));
      pair.forge(sequence, group, check::upTo(random, group < groups ? pair.layout.segments[group].geometry.partitions - 1 : 100));
    }
    for (const auto& r : pair.receive()) {
      const auto& s = pair.layout.segments[r.reference.group];
      const uint32_t first = r.reference.cell - pair.layout.firstCell[r.reference.group];
      CHECK(uint64_t{first} * s.geometry.partitionSize + r.reference.length <= s.length);
      pair.release(r);
    }
    CHECK_EQ(pair.target->held(), 0);
  });
}
