#include <algorithm>
#include <cstring>

#include "channel_pair.hpp"

using check::between;
using check::ChannelPair;
using check::pattern;
using check::Random;
using check::Received;
using check::upTo;
using rsm::SendStatus;
namespace layout = rsm::layout;

namespace {

/// Lengths where something could go wrong in this channel: nothing, exact fits, one over, and any.
uint64_t interestingLength(Random& random, const rsm::ChannelLayout& l) {
  const auto& g = l.segments[upTo(random, static_cast<uint32_t>(l.segments.size() - 1))].geometry;
  const uint64_t fit = uint64_t{g.partitionSize} * between(random, 1, g.spanFactor);
  switch (upTo(random, 5)) {
    case 0: return 0;
    case 1: return fit;
    case 2: return fit + 1;
    case 3: return fit - 1;
    case 4: return upTo(random, 64);
    default: return upTo(random, static_cast<uint32_t>(std::min<uint64_t>(l.largestSpan(), 20'000)));
  }
}

}  // namespace

TEST("M4: a message of several partitions is contiguous in one segment and arrives as one message") {
  ChannelPair pair({{100, 16, 8}});
  const std::string text = pattern(750, 1);
  pair.commit(text);
  const auto got = pair.receive();
  CHECK_EQ(got.size(), 1);
  CHECK(got[0].bytes == text);
  CHECK_EQ(got[0].reference.cell, 0);
  const auto& s = pair.layout.segments[0];
  CHECK(std::memcmp(pair.targetMemory.data() + s.offset, text.data(), text.size()) == 0);
  CHECK_EQ(pair.partitionsTaken(), 8);
}

TEST("M4: a span never wraps around the segment's end: the message waits instead") {
  ChannelPair pair({{10, 10, 4}});
  std::vector<Received> held;
  for (int i = 0; i < 3; ++i) pair.commit(pattern(i < 2 ? 40 : 10, i));  // partitions 0-3, 4-7, 8
  held = pair.receive();
  pair.release(held[0]);
  CHECK_EQ(pair.source->directory().map(0).takenCount(), 9);
  pair.takeReleases();
  pair.commit(pattern(30, 3));  // 0-2
  CHECK_EQ(pair.send(pattern(25, 4)).status, SendStatus::kNoRoom);  // 3 and 9 are free, and do not touch
  pair.commit(pattern(10, 5));
  pair.commit(pattern(10, 6));
  const auto rest = pair.receive();
  CHECK_EQ(rest.size(), 3);
  CHECK_EQ(rest[1].reference.cell, 3);
  CHECK_EQ(rest[2].reference.cell, 9);
}

TEST("M9: the directory the receiver reads says which partition is a message's first, how long it is and which comes next") {
  ChannelPair pair({{100, 16, 8}, {1000, 8, 8}});
  pair.commit(pattern(1, 0));                                       // group 0, partition 0
  pair.commit(pattern(250, 1), {1, 7, false});                      // group 0, partitions 1-3
  pair.commit(pattern(2500, 2));                                    // group 1, partitions 0-2
  const auto got = pair.receive();
  struct Expected {
    uint32_t group, partition;
    bool first;
    uint32_t next, length;
  };
  const Expected rows[] = {{0, 0, true, layout::kEndOfSpan, 1},  {0, 1, true, 2, 250},  {0, 2, false, 3, 0},
                           {0, 3, false, layout::kEndOfSpan, 0}, {1, 0, true, 1, 2500}, {1, 1, false, 2, 0},
                           {1, 2, false, layout::kEndOfSpan, 0}};
  for (const Expected& row : rows) {
    const auto entry = pair.target->entry(row.group, row.partition);
    CHECK_EQ(entry.first, row.first);
    CHECK_EQ(entry.next, row.next);
    CHECK_EQ(entry.length, row.length);
  }
  CHECK_EQ(got[1].reference.length, 250);
  CHECK_EQ(got[1].reference.attempt, 7);
  CHECK_EQ(got[1].reference.lane, 1);
  CHECK_EQ(got[2].reference.group, 1);
  CHECK_EQ(pair.source->directory().row(1).count, 3);
}

TEST("M10: when the preferred group is full the next smaller able one is tried, then the next larger, then the sender waits") {
  ChannelPair pair({{100, 8, 8}, {200, 4, 4}, {400, 2, 2}});
  const std::string text = pattern(300, 0);
  std::vector<uint32_t> groups;
  for (;;) {
    if (pair.send(text).status != SendStatus::kCommitted) break;
    groups.push_back(pair.receive().at(0).reference.group);
  }
  // 200 is preferred: 2 spans of 2; then 100: 2 spans of 3; then 400: 2 of 1.
  CHECK_EQ(groups, (std::vector<uint32_t>{1, 1, 0, 0, 2, 2}));
  CHECK_EQ(pair.send(pattern(1, 1)).status, SendStatus::kCommitted);  // what fits into a hole is still taken: the order is the caller's
}

TEST("M10: messages arrive in the order committed whatever group carried them") {
  ChannelPair pair({{16, 64, 4}, {256, 32, 8}, {4096, 8, 4}});
  std::vector<std::string> sent;
  for (uint32_t i = 0; i < 30; ++i) {
    sent.push_back(pattern(i % 3 == 0 ? 5000 + i : i % 3 == 1 ? 10 + i % 6 : 700, i));
    if (pair.send(sent.back()).status != SendStatus::kCommitted) {
      sent.pop_back();
      break;
    }
  }
  const auto got = pair.receive();
  CHECK_EQ(got.size(), sent.size());
  std::vector<uint32_t> used;
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i].bytes == sent[i]);
    CHECK_EQ(got[i].reference.sequence, i + 1);
    used.push_back(got[i].reference.group);
  }
  std::sort(used.begin(), used.end());
  CHECK_EQ(std::unique(used.begin(), used.end()) - used.begin(), 3);
}

TEST("a message over the receiver's maximum is refused before anything is taken") {
  ChannelPair pair({{100, 10, 10}}, 500);
  CHECK_EQ(pair.send(pattern(501, 0)).status, SendStatus::kTooLarge);
  CHECK_EQ(pair.partitionsTaken(), 0);
  CHECK_EQ(pair.source->inFlight(), 0);
  CHECK_EQ(pair.commit(pattern(500, 0)), 1);
  CHECK_EQ(pair.receive().size(), 1);
}

TEST("a message's two parts are joined at every split") {
  ChannelPair pair({{7, 64, 64}});
  const std::string text = pattern(20, 9);
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  for (std::size_t split = 0; split <= text.size(); ++split) {
    CHECK_EQ(pair.source->send({bytes, split, bytes + split, text.size() - split}, {}).status, SendStatus::kCommitted);
    const auto got = pair.receive();
    CHECK_EQ(got.size(), 1);
    CHECK(got[0].bytes == text);
    pair.release(got[0]);
    pair.takeReleases();
  }
}

TEST("an exact fit does not touch the partitions beside it") {
  ChannelPair pair({{33, 9, 3}});
  std::byte* memory = pair.targetMemory.data() + pair.layout.segments[0].offset;
  std::memset(memory, 0x5a, 33 * 9);
  pair.commit(pattern(33, 0));
  pair.commit(pattern(99, 1));
  for (int i = 4 * 33; i < 9 * 33; ++i) CHECK_EQ(static_cast<int>(memory[i]), 0x5a);
  const auto got = pair.receive();
  CHECK(got[0].bytes == pattern(33, 0) && got[1].bytes == pattern(99, 1));
}

TEST("M1-M5, M9, M10: any mixture of messages over any geometry, released in any order, arrives identical and in order") {
  check::forSeeds(40, [](Random& random) {
    ChannelPair pair(check::randomGeometry(random));
    const auto& segments = pair.layout.segments;
    std::deque<std::string> sent;                       // committed, not yet received
    std::vector<Received> held;                         // received, not yet released
    std::vector<uint64_t> owner(pair.layout.partitions, 0);  // by cell: the sequence in flight there
    std::map<uint64_t, std::pair<uint32_t, uint32_t>> spans;
    uint64_t expected = 1;
    uint32_t salt = 0;
    const auto takeReleases = [&] {
      for (const auto& r : pair.takeReleases()) check::fail(__FILE__, __LINE__, "release " + std::to_string(r.sequence) + " was not watched");
    };
    const auto receive = [&](std::size_t budget) {
      for (Received& r : pair.receive(budget)) {
        CHECK_EQ(r.reference.sequence, expected++);
        CHECK(!sent.empty() && r.bytes == sent.front());
        sent.pop_front();
        const uint32_t first = r.reference.cell - pair.layout.firstCell[r.reference.group];
        const uint32_t count = pair.spanOf(r.reference);
        CHECK(first + count <= segments[r.reference.group].geometry.partitions);
        CHECK(count <= segments[r.reference.group].geometry.spanFactor);
        CHECK(spans[r.reference.sequence] == std::make_pair(r.reference.cell, count));
        held.push_back(std::move(r));
      }
    };
    const auto releaseOne = [&] {
      const uint32_t which = upTo(random, static_cast<uint32_t>(held.size() - 1));
      const auto [cell, count] = spans[held[which].reference.sequence];
      // Nobody wrote into it while it was held.
      const auto& r = held[which].reference;
      CHECK(std::memcmp(pair.target->payload(r), held[which].bytes.data(), r.length) == 0);
      for (uint32_t i = 0; i < count; ++i) owner[cell + i] = 0;
      pair.release(held[which]);
      held[which] = held.back();
      held.pop_back();
    };
    for (int step = 0; step < 400 && check::failures().empty(); ++step) {
      const uint32_t what = upTo(random, 9);
      if (what < 6) {
        const uint64_t length = std::min(interestingLength(random, pair.layout), pair.layout.largestSpan());
        std::string text = pattern(length, ++salt);
        const uint64_t before = pair.partitionsTaken();
        const auto result = pair.send(text);
        if (result.status == SendStatus::kNoRoom) {
          CHECK_EQ(pair.partitionsTaken(), before);
          if (sent.empty() && held.empty()) {  // nothing in flight: whatever a group can hold has room
            takeReleases();
            CHECK_EQ(pair.send(text).status, SendStatus::kCommitted);
          } else {
            continue;
          }
        }
        sent.push_back(std::move(text));
        const uint64_t sequence = expected + sent.size() - 1;
        for (uint32_t cell = 0; cell < pair.layout.partitions; ++cell)
          if (const auto& row = pair.source->directory().row(cell); row.sequence == sequence) {
            spans[sequence] = {cell, row.count};
            for (uint32_t i = 0; i < row.count; ++i) {
              CHECK_EQ(owner[cell + i], 0);  // never a partition shared by two messages
              owner[cell + i] = sequence;
            }
          }
        CHECK(spans.count(sequence));
      } else if (what < 8) {
        receive(between(random, 1, 8));
      } else if (what == 8) {
        if (!held.empty()) releaseOne();
      } else {
        takeReleases();
      }
    }
    receive(SIZE_MAX);
    while (!held.empty()) releaseOne();
    takeReleases();
    CHECK(sent.empty());
    CHECK_EQ(pair.partitionsTaken(), 0);
    CHECK_EQ(pair.source->inFlight(), 0);
    CHECK_EQ(pair.target->held(), 0);
    CHECK(pair.source->corrupt().empty() && pair.target->corrupt().empty());
    for (uint32_t g = 0; g < segments.size(); ++g) {
      CHECK_EQ(pair.target->heldPartitions(g), 0);
      CHECK_EQ(pair.target->received(g), pair.source->directory().use(g).messages);
      CHECK_EQ(pair.target->receivedBytes(g), pair.source->directory().use(g).bytes);
    }
  });
}

TEST("a budget bounds how many messages one drain reads, and the rest stays pending") {
  ChannelPair pair({{8, 32, 1}});
  for (int i = 0; i < 10; ++i) pair.commit("x");
  CHECK(pair.target->pending());
  CHECK_EQ(pair.receive(0).size(), 0);
  CHECK_EQ(pair.receive(7).size(), 7);
  CHECK(pair.target->pending());
  CHECK_EQ(pair.receive(7).size(), 3);
  CHECK(!pair.target->pending());
}

TEST("M6: trimming gives pages back only while nothing is in flight, and the channel goes on") {
  ChannelPair pair({{4096, 8, 8}});
  CHECK(!pair.source->trim());  // never used
  pair.commit(pattern(20'000, 1));
  CHECK(!pair.source->trim());
  const auto got = pair.receive();
  pair.release(got[0]);
  pair.takeReleases();
  CHECK(pair.source->trim());
  CHECK(!pair.source->trim());
  const std::byte* memory = pair.targetMemory.data() + pair.layout.segments[0].offset;
  CHECK(std::all_of(memory, memory + 20'000, [](std::byte b) { return b == std::byte{0}; }));
  pair.commit(pattern(9000, 2));
  CHECK(pair.receive().at(0).bytes == pattern(9000, 2));
}
