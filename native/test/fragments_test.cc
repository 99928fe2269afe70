#include "channel_pair.hpp"

using check::ChannelPair;
using check::pattern;
using check::Random;
using check::textOf;
using rsm::SendStatus;
using Outcome = rsm::layout::Outcome;

namespace {

/// A receiver that joins fragments as an endpoint does, and releases what it has.
struct Joiner {
  ChannelPair& pair;
  std::vector<std::string> messages;
  std::string assembly;
  Outcome outcome = Outcome::kDone;

  std::size_t step(std::size_t budget) {
    const auto got = pair.receive(budget);
    for (const auto& r : got) {
      if (!r.reference.fragment()) {
        CHECK(assembly.empty());  // nothing comes between the fragments of one message
        messages.push_back(r.bytes);
      } else {
        assembly += r.bytes;
        if (r.reference.last()) messages.push_back(std::exchange(assembly, {}));
      }
      pair.release(r, r.reference.last() ? outcome : Outcome::kDone);
    }
    return got.size();
  }
};

}  // namespace

TEST("M12: a message longer than the largest span travels as several spans and arrives as one") {
  ChannelPair pair({{64, 8, 4}, {256, 8, 4}});  // the largest span holds 1,024 bytes
  const std::string text = pattern(10'001, 3);
  const uint64_t sequence = pair.commit(text, {1, 2, true});
  CHECK(pair.source->sending());
  CHECK_EQ(pair.source->privateBytes(), text.size());
  Joiner joiner{pair, {}, {}};
  int rounds = 0;
  std::vector<rsm::ReleasedMessage> released;
  while (joiner.messages.empty() && ++rounds < 100) {
    CHECK(released.empty());  // the outcome arrives with the last fragment
    CHECK_EQ(pair.source->inFlight(), 1);
    joiner.step(1);
    released = pair.takeReleases();
    pair.source->pump();
  }
  CHECK_EQ(joiner.messages.size(), 1);
  CHECK(joiner.messages[0] == text);
  CHECK_EQ(released.size(), 1);
  CHECK_EQ(released[0].sequence, sequence);
  CHECK_EQ(released[0].outcome, Outcome::kDone);
  CHECK_EQ(released[0].attempt, 2);
  CHECK_EQ(pair.source->privateBytes(), 0);
  CHECK_EQ(pair.source->inFlight(), 0);
  CHECK_EQ(pair.partitionsTaken(), 0);
  CHECK_EQ(pair.source->watched(), 0);
}

TEST("M12, M10: nothing overtakes a message whose fragments are leaving") {
  ChannelPair pair({{16, 64, 2}, {100, 4, 2}});
  pair.commit("before");
  pair.commit(pattern(1000, 1));
  CHECK(pair.source->sending());
  CHECK_EQ(pair.send("after").status, SendStatus::kNoRoom);  // though partitions of 16 are free
  Joiner joiner{pair, {}, {}};
  for (int i = 0; i < 100 && pair.source->sending(); ++i) {
    joiner.step(1);
    pair.takeReleases();
    pair.source->pump();
  }
  pair.commit("after");
  joiner.step(SIZE_MAX);
  CHECK_EQ(joiner.messages, (std::vector<std::string>{"before", pattern(1000, 1), "after"}));
}

TEST("M12: a refused message of many fragments comes back whole") {
  for (const Outcome outcome : {Outcome::kNack, Outcome::kReturned, Outcome::kFailed}) {
    ChannelPair pair({{100, 4, 2}});
    const std::string text = pattern(999, 7);
    const uint64_t sequence = pair.commit(text, {2, 5, false});
    Joiner joiner{pair, {}, {}, outcome};
    std::vector<rsm::ReleasedMessage> released;
    for (int i = 0; i < 100 && released.empty(); ++i) {
      joiner.step(1);
      released = pair.takeReleases();
      pair.source->pump();
    }
    CHECK_EQ(released.size(), 1);
    CHECK_EQ(released[0].sequence, sequence);
    CHECK_EQ(released[0].lane, 2);
    CHECK(textOf(released[0].bytes) == (outcome == Outcome::kFailed ? "" : text));
    CHECK_EQ(pair.source->privateBytes(), 0);
  }
}

TEST("M12: a message whose fragments had not all left is unfinished, whole, once, and started only when its handler was") {
  ChannelPair pair({{100, 4, 2}});
  const std::string text = pattern(1000, 7);
  pair.commit("small");
  const uint64_t sequence = pair.commit(text);
  auto got = pair.receive();
  pair.release(got[1]);  // a fragment
  pair.takeReleases();
  auto unfinished = pair.source->unfinished();
  CHECK_EQ(unfinished.size(), 2);
  CHECK_EQ(textOf(unfinished[0].bytes), "small");
  CHECK_EQ(unfinished[1].sequence, sequence);
  CHECK(textOf(unfinished[1].bytes) == text);
  CHECK_EQ(unfinished[1].started, false);
}

TEST("M12: a message of fragments counts as started once its last fragment is marked") {
  ChannelPair pair({{100, 8, 2}});
  const std::string text = pattern(500, 7);
  pair.commit(text);
  CHECK(!pair.source->sending());
  const auto got = pair.receive();
  CHECK_EQ(got.size(), 3);
  CHECK_EQ(pair.source->unfinished().at(0).started, false);
  pair.target->markStarted(got[2].reference, true);
  CHECK_EQ(pair.source->unfinished().at(0).started, true);
  pair.release(got[0]);
  pair.release(got[1]);
  pair.takeReleases();
  CHECK(textOf(pair.source->unfinished().at(0).bytes) == text);  // its first partitions are free already
}

TEST("M12: messages of any length, most longer than a span, keep order and bytes over any geometry") {
  check::forSeeds(25, [](Random& random) {
    ChannelPair pair(check::randomGeometry(random, 20));
    const uint64_t span = pair.layout.largestSpan();
    Joiner joiner{pair, {}, {}};
    std::vector<std::string> sent;
    const auto turn = [&] {
      joiner.step(check::between(random, 1, 4));
      CHECK(pair.takeReleases().empty());
      pair.source->pump();
    };
    for (uint32_t i = 0; i < 40 && check::failures().empty(); ++i) {
      const uint32_t most = static_cast<uint32_t>(std::min<uint64_t>(span * 5, 100'000));
      const uint64_t length = check::upTo(random, 3) == 0 ? span * check::between(random, 1, 3) + check::upTo(random, 1) : check::upTo(random, most);
      const std::string text = pattern(std::min<uint64_t>(length, 200'000), i);
      int turns = 0;
      while (pair.send(text).status != SendStatus::kCommitted) {
        turn();
        if (++turns > 1'000'000) return check::fail(__FILE__, __LINE__, "no room ever came");
      }
      sent.push_back(text);
      if (check::upTo(random, 1)) turn();
    }
    for (int turns = 0; joiner.messages.size() < sent.size() && turns < 1'000'000; ++turns) turn();
    CHECK(joiner.messages == sent);
    pair.takeReleases();
    CHECK_EQ(pair.source->privateBytes(), 0);
    CHECK_EQ(pair.source->inFlight(), 0);
    CHECK_EQ(pair.partitionsTaken(), 0);
    CHECK_EQ(pair.target->held(), 0);
  });
}
