#include <algorithm>

#include "channel_pair.hpp"

using check::ChannelPair;
using check::pattern;
using check::Random;
using check::textOf;
using rsm::SendStatus;
using Outcome = rsm::layout::Outcome;

namespace {

bool says(const std::string& reason, const std::string& words) { return reason.find(words) != std::string::npos; }

}  // namespace

TEST("releases of any order free exactly their partitions") {
  check::forSeeds(30, [](Random& random) {
    ChannelPair pair({{10, 40, 5}, {100, 20, 4}});
    for (uint32_t i = 0; pair.send(pattern(check::upTo(random, 400), i)).status == SendStatus::kCommitted; ++i) {
    }
    auto held = pair.receive();
    std::shuffle(held.begin(), held.end(), random);
    uint32_t taken = pair.partitionsTaken();
    uint64_t inFlight = held.size();
    for (const auto& r : held) {
      pair.release(r);
      CHECK(pair.source->releasesPending());
      CHECK_EQ(pair.takeReleases().size(), 0);
      CHECK_EQ(pair.partitionsTaken(), taken -= pair.spanOf(r.reference));
      CHECK_EQ(pair.source->inFlight(), --inFlight);
    }
    CHECK_EQ(taken, 0);
    CHECK(!pair.source->releasesPending());
  });
}

TEST("only watched releases and those that are not done are reported; nack and returned bring the bytes back") {
  ChannelPair pair({{64, 32, 4}});
  struct Case {
    bool watched;
    Outcome outcome;
    bool reported;
    bool bytes;
  };
  const Case cases[] = {{false, Outcome::kDone, false, false},   {true, Outcome::kDone, true, false},
                        {false, Outcome::kFailed, true, false},  {true, Outcome::kFailed, true, false},
                        {false, Outcome::kNack, true, true},     {true, Outcome::kNack, true, true},
                        {false, Outcome::kReturned, true, true}, {true, Outcome::kReturned, true, true}};
  uint16_t attempt = 1;
  for (const Case& c : cases) {
    const std::string text = pattern(150, attempt);
    const uint64_t sequence = pair.commit(text, {2, ++attempt, c.watched});
    CHECK_EQ(pair.source->watched(), c.watched ? 1 : 0);
    pair.release(pair.receive().at(0), c.outcome);
    const auto reports = pair.takeReleases();
    CHECK_EQ(reports.size(), c.reported ? 1 : 0);
    if (c.reported) {
      CHECK_EQ(reports[0].sequence, sequence);
      CHECK_EQ(reports[0].outcome, c.outcome);
      CHECK_EQ(reports[0].lane, 2);
      CHECK_EQ(reports[0].attempt, attempt);
      CHECK(textOf(reports[0].bytes) == (c.bytes ? text : ""));
    }
    CHECK_EQ(pair.source->watched(), 0);
    CHECK_EQ(pair.partitionsTaken(), 0);
  }
}

TEST("a release that names what is not in flight stops the channel, and frees nothing") {
  const auto broken = [](const char* words, const std::function<void(ChannelPair&, const std::vector<check::Received>&)>& act, uint32_t left) {
    ChannelPair pair({{10, 16, 4}, {100, 8, 4}});
    for (int i = 0; i < 3; ++i) pair.commit(pattern(40, i));  // cells 0, 4, 8; sequences 1, 2, 3
    act(pair, pair.receive());
    pair.takeReleases();
    CHECK(says(pair.source->corrupt(), words));
    CHECK_EQ(pair.partitionsTaken(), left);
    const std::string reason = pair.source->corrupt();
    pair.takeReleases();
    CHECK_EQ(pair.source->corrupt(), reason);
    CHECK_EQ(pair.partitionsTaken(), left);
  };
  // double release
  broken("sequence 1 in cell 0", [](auto& p, const auto& got) { p.release(got[0]), p.forgeRelease(1, 1, 0, 1); }, 8);
  // never sent
  broken("sequence 9 in cell 0", [](auto& p, const auto&) { p.forgeRelease(0, 9, 0, 1); }, 12);
  broken("sequence 0", [](auto& p, const auto&) { p.forgeRelease(0, 0, 12, 1); }, 12);
  broken("sequence 0", [](auto& p, const auto&) { p.forgeRelease(0, 0, 0, 1); }, 12);
  // the wrong cell: the middle of a span, another message's, another group's, none
  broken("in cell 1,", [](auto& p, const auto&) { p.forgeRelease(0, 1, 1, 1); }, 12);
  broken("in cell 4,", [](auto& p, const auto&) { p.forgeRelease(0, 1, 4, 1); }, 12);
  broken("in cell 16,", [](auto& p, const auto&) { p.forgeRelease(0, 1, 16, 1); }, 12);
  broken("in cell 24,", [](auto& p, const auto&) { p.forgeRelease(0, 1, 24, 1); }, 12);
  broken("in cell 4294967295,", [](auto& p, const auto&) { p.forgeRelease(0, 1, UINT32_MAX, 1); }, 12);
  // unknown outcomes
  for (const uint8_t outcome : {0, 5, 15}) broken("unknown outcome", [&](auto& p, const auto&) { p.forgeRelease(0, 1, 0, outcome); }, 12);
  // what stands before the broken one counts
  broken("sequence 7", [](auto& p, const auto& got) { p.release(got[2]), p.forgeRelease(1, 7, 0, 1); }, 8);
}

TEST("a stamp of another round of the ring announces nothing") {
  ChannelPair pair({{10, 4, 4}});
  pair.commit("a");
  for (const uint64_t number : {uint64_t{1}, uint64_t{4}, uint64_t{UINT32_MAX}}) {
    pair.record(0).body.store(1 << 4 | 1);
    pair.record(0).stamp.store(static_cast<uint32_t>(number + 1));
    CHECK_EQ(pair.takeReleases().size() + pair.source->corrupt().size(), 0);
    CHECK_EQ(pair.partitionsTaken(), 1);
  }
}

TEST("arbitrary release memory never crashes the sender nor frees a partition twice") {
  check::forSeeds(200, [](Random& random) {
    ChannelPair pair({{10, 16, 4}, {100, 20, 4}});
    for (int i = 0; i < 5; ++i) pair.commit(pattern(check::upTo(random, 300), i), {1, 1, true});
    const auto got = pair.receive();
    const uint32_t before = pair.partitionsTaken();
    for (uint64_t number = 0; number < pair.layout.slots; ++number) {
      const bool plausible = check::upTo(random, 1);
      const auto& r = got[check::upTo(random, static_cast<uint32_t>(got.size() - 1))].reference;
      pair.forgeRelease(number, plausible ? r.sequence : random(), plausible ? r.cell : check::upTo(random, 40), check::upTo(random, 6));
      if (!check::upTo(random, 3)) pair.record(number).stamp.store(uint64_t{random()} << 32 | random());
    }
    for (uint32_t cell = 0; cell < pair.layout.partitions; ++cell) pair.started(cell).store(random());
    const auto reports = pair.takeReleases();
    uint32_t freed = 0;
    for (const auto& report : reports)
      for (const auto& r : got)
        if (r.reference.sequence == report.sequence) freed += pair.spanOf(r.reference);
    CHECK_EQ(pair.partitionsTaken(), before - freed);
    CHECK_EQ(pair.source->unfinished().size(), got.size() - reports.size());
  });
}

TEST("the release ring goes round many times") {
  ChannelPair pair({{8, 3, 1}});  // 4 slots
  for (uint32_t i = 1; i <= 1000; ++i) {
    pair.commit(pattern(8, i));
    const auto got = pair.receive();
    CHECK_EQ(got.at(0).reference.sequence, i);
    pair.release(got[0]);
    CHECK_EQ(pair.takeReleases().size(), 0);
    CHECK_EQ(pair.source->inFlight(), 0);
  }
}

TEST("unreleased messages are listed in order of commit, with what they were sent with and whether they had started") {
  ChannelPair pair({{10, 20, 2}, {50, 40, 10}});
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < 12; ++i) {
    texts.push_back(pattern(i % 2 ? 5 : 200, i));
    pair.commit(texts.back(), {static_cast<uint8_t>(i % 3), static_cast<uint16_t>(i), false});
  }
  const auto got = pair.receive();
  for (const int i : {0, 3, 7}) pair.release(got[i]);
  for (const int i : {1, 2, 7}) pair.target->markStarted(got[i].reference, true);
  pair.target->markStarted(got[2].reference, false);
  pair.takeReleases();
  const auto unfinished = pair.source->unfinished();
  std::vector<uint64_t> sequences;
  for (const auto& u : unfinished) {
    sequences.push_back(u.sequence);
    const uint32_t i = static_cast<uint32_t>(u.sequence - 1);
    CHECK(textOf(u.bytes) == texts[i]);
    CHECK_EQ(u.lane, i % 3);
    CHECK_EQ(u.attempt, i);
    CHECK_EQ(u.started, i == 1);
  }
  CHECK_EQ(sequences, (std::vector<uint64_t>{2, 3, 5, 6, 7, 9, 10, 11, 12}));
}

TEST("a started word of an earlier message in the same partition says nothing of the later one") {
  ChannelPair pair({{10, 1, 1}});
  pair.commit("a");
  const auto first = pair.receive();
  pair.target->markStarted(first[0].reference, true);
  pair.release(first[0]);
  pair.takeReleases();
  pair.commit("b");
  CHECK_EQ(pair.source->unfinished().at(0).started, false);
}
