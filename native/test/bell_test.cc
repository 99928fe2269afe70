#include "channel_pair.hpp"

using check::ChannelPair;
using check::Random;

namespace {

const std::vector<rsm::SegmentGeometry> kGeometry{{16, 8, 2}};

}  // namespace

TEST("a commit before the receiver's arm is seen by the arm; one after it is rung for") {
  ChannelPair before(kGeometry);
  before.commit("a");
  CHECK(!before.source->receiverWantsBell());  // it polls
  CHECK(!before.target->arm());                // and sees that it must not sleep

  ChannelPair after(kGeometry);
  CHECK(after.target->arm());
  after.commit("a");
  CHECK(after.source->receiverWantsBell());

  ChannelPair between(kGeometry);  // commit, arm, and only then the sender's look: both notice, neither is lost
  between.commit("a");
  CHECK(!between.target->arm());
  CHECK(between.source->receiverWantsBell());
}

TEST("each sleep of the receiver is rung once") {
  ChannelPair pair(kGeometry);
  for (int sleep = 0; sleep < 50; ++sleep) {
    CHECK(pair.target->arm());
    CHECK(pair.target->arm());  // armed already: the same sleep
    CHECK(!pair.source->receiverWantsBell());  // nothing was committed
    pair.commit("a");
    CHECK(pair.source->receiverWantsBell());
    pair.commit("b");
    CHECK(!pair.source->receiverWantsBell());
    pair.target->disarm();
    CHECK(!pair.source->receiverWantsBell());
    for (const auto& r : pair.receive()) pair.release(r);
    pair.takeReleases();
  }
}

TEST("an arm that crossed with a message the receiver already has is not rung for") {
  ChannelPair pair(kGeometry);
  pair.commit("a");
  pair.receive();
  CHECK(pair.target->arm());  // expects sequence 2
  CHECK(!pair.source->receiverWantsBell());
  pair.commit("b");
  CHECK(pair.source->receiverWantsBell());
}

TEST("the sender heeds every generation of a sleep, over the wrap of 32 bits and of the sequence's low half") {
  ChannelPair pair(kGeometry);
  pair.commit("a");  // the next sequence is 2
  for (const uint64_t generation : {uint64_t{0xfffffffe}, uint64_t{0xffffffff}, uint64_t{1}, uint64_t{2}, uint64_t{0x80000000}}) {
    pair.sleeping().store(generation << 32 | 1);
    CHECK(pair.source->receiverWantsBell());
    CHECK(!pair.source->receiverWantsBell());
  }
  pair.sleeping().store(uint64_t{77} << 32 | 0xffffffff);  // expected before the wrap
  CHECK(pair.source->receiverWantsBell());
  pair.sleeping().store(uint64_t{78} << 32 | 2);  // expected next
  CHECK(!pair.source->receiverWantsBell());
}

TEST("a release before the sender's wait is seen by the wait; one after it is rung for") {
  ChannelPair before(kGeometry);
  before.commit("a");
  before.release(before.receive().at(0));
  CHECK(!before.target->senderWantsBell());
  CHECK(!before.source->armForReleases());

  ChannelPair after(kGeometry);
  after.commit("a");
  const auto got = after.receive();
  CHECK(after.source->armForReleases());
  after.release(got.at(0));
  CHECK(after.target->senderWantsBell());

  ChannelPair between(kGeometry);
  between.commit("a");
  between.release(between.receive().at(0));
  CHECK(!between.source->armForReleases());
  CHECK(between.target->senderWantsBell());
}

TEST("each wait of the sender is rung once, and a wait that took releases begins anew") {
  ChannelPair pair(kGeometry);
  for (int wait = 0; wait < 50; ++wait) {
    pair.commit("a");
    pair.commit("b");
    const auto got = pair.receive();
    CHECK(pair.source->armForReleases());
    CHECK(pair.source->armForReleases());
    pair.release(got[0]);
    CHECK(pair.target->senderWantsBell());
    pair.takeReleases();  // ends the wait
    CHECK_EQ(pair.senderWaits().load(), 0);
    CHECK(pair.source->armForReleases());
    pair.release(got[1]);
    CHECK(pair.target->senderWantsBell());
    CHECK(!pair.target->senderWantsBell());
    pair.takeReleases();
    pair.source->disarm();
    CHECK(!pair.target->senderWantsBell());
  }
}

TEST("a wait that crossed with a release the sender already has is not rung for") {
  ChannelPair pair(kGeometry);
  pair.commit("a");
  pair.commit("b");
  const auto got = pair.receive();
  pair.release(got[0]);
  pair.takeReleases();
  CHECK(pair.source->armForReleases());  // expects release 1
  CHECK(!pair.target->senderWantsBell());
  pair.release(got[1]);
  CHECK(pair.target->senderWantsBell());
}

TEST("the receiver heeds every generation of a wait, over the wrap of 32 bits and of the release's low half") {
  ChannelPair pair(kGeometry);
  pair.commit("a");
  pair.release(pair.receive().at(0));  // the next release is 1
  for (const uint64_t generation : {uint64_t{0xfffffffe}, uint64_t{0xffffffff}, uint64_t{1}, uint64_t{2}, uint64_t{0x80000000}}) {
    pair.senderWaits().store(generation << 32);
    CHECK(pair.target->senderWantsBell());
    CHECK(!pair.target->senderWantsBell());
  }
  pair.senderWaits().store(uint64_t{77} << 32 | 0xffffffff);  // expected before the wrap
  CHECK(pair.target->senderWantsBell());
  pair.senderWaits().store(uint64_t{78} << 32 | 1);  // expected next
  CHECK(!pair.target->senderWantsBell());
}

TEST("no order of commits, reads, releases, arms and looks loses a wake-up") {
  // Two actors, each awake or asleep. Whoever sleeps wakes only by the bell: when both sleep with work left, a wake-up was lost.
  check::forSeeds(300, [](Random& random) {
    ChannelPair pair(kGeometry);
    bool senderSleeps = false;
    bool receiverSleeps = false;
    bool senderBell = false;
    bool receiverBell = false;
    uint32_t toSend = 200;
    uint32_t received = 0;
    std::vector<check::Received> held;
    bool look = false;    // the sender committed and has not looked yet
    bool flush = false;   // the receiver released and has not looked yet
    for (int step = 0; step < 100'000 && received < 200; ++step) {
      if (senderSleeps && senderBell) senderSleeps = senderBell = false, pair.source->disarm();
      if (receiverSleeps && receiverBell) receiverSleeps = receiverBell = false, pair.target->disarm();
      if (senderSleeps && receiverSleeps) return check::fail(__FILE__, __LINE__, "both sleep after " + std::to_string(received) + " messages");
      if (check::upTo(random, 1)) {
        if (senderSleeps) continue;
        if (look) {
          receiverBell |= pair.source->receiverWantsBell();
          look = false;
        } else if (toSend && check::upTo(random, 3) && pair.send("0123456789abcdef0").status == rsm::SendStatus::kCommitted) {
          --toSend;
          look = true;
        } else if (check::upTo(random, 1)) {
          pair.takeReleases();
        } else if (toSend == 0) {
          senderSleeps = true;
        } else if (pair.send("0123456789abcdef0").status == rsm::SendStatus::kCommitted) {
          --toSend;
          look = true;
        } else {
          senderSleeps = pair.source->armForReleases();
          if (!senderSleeps) pair.source->disarm();
        }
      } else {
        if (receiverSleeps) continue;
        if (flush) {
          senderBell |= pair.target->senderWantsBell();
          flush = false;
        } else if (!held.empty() && check::upTo(random, 1)) {
          pair.release(held.back());
          held.pop_back();
          flush = true;
        } else if (auto got = pair.receive(1); !got.empty()) {
          held.push_back(got[0]);
          ++received;
        } else if (held.empty()) {
          receiverSleeps = pair.target->arm();
          if (!receiverSleeps) pair.target->disarm();
        }
      }
    }
    CHECK_EQ(received, 200);
  });
}
