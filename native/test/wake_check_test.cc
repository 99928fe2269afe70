#include "wake_check.hpp"

#include "endpoint_node.hpp"

using check::Service;
using rsm::WakeCheck;

namespace {

constexpr uint64_t kRound = WakeCheck::kInterval * 1'000'000;

/// Looks at one connection in rounds that come when they should, unless told otherwise.
struct Rounds {
  WakeCheck wakes;
  uint64_t now = kRound;
  void look(const rsm::Endpoint& endpoint, uint32_t connection, uint64_t late = 0) {
    wakes.begin(now + late, now);
    wakes.look(*endpoint.find(connection));
    now += late + kRound;
  }
};

/// Takes the rings that somebody was sent before he hears of them.
void stealRings(const rsm::Endpoint& endpoint, uint32_t connection) { const_cast<rsm::DoorbellPipe&>(*endpoint.find(connection)->bellIn).clear(); }

}  // namespace

TEST("a message whose ring was lost is counted once, when it is old") {
  Service service;
  service.form();
  CHECK(service.settleDown());
  CHECK(service.client.committed(service.here, "a"));
  stealRings(service.server.endpoint, service.there);
  Rounds rounds;
  rounds.look(service.server.endpoint, service.there);
  CHECK_EQ(rounds.wakes.missed(), 0u);  // it may have come this very moment
  for (int i = 0; i < 5; ++i) rounds.look(service.server.endpoint, service.there);
  CHECK_EQ(rounds.wakes.missed(), 1u);
  CHECK_EQ(rounds.wakes.checks(), 6u);
}

TEST("a release whose ring was lost is counted where somebody waits for it, and not elsewhere") {
  for (const bool watched : {false, true}) {
    Service service;
    service.server.said.settleWith = 0;
    service.form();
    CHECK(service.client.committed(service.here, "a", {1, 1, watched}));
    CHECK(service.settleDown());
    service.server.settle(service.server.said.messages.at(0).delivery);
    stealRings(service.client.endpoint, service.here);
    Rounds rounds;
    for (int i = 0; i < 3; ++i) rounds.look(service.client.endpoint, service.here);
    CHECK_EQ(rounds.wakes.missed(), watched ? 1u : 0u);
  }
}

TEST("what was rung for, what a busy loop finds and what an awake connection has yet to read are not missed") {
  Service service;
  service.form();
  CHECK(service.settleDown());
  CHECK(service.client.committed(service.here, "a"));
  Rounds rung;
  for (int i = 0; i < 3; ++i) rung.look(service.server.endpoint, service.there);  // the bell holds the ring
  CHECK_EQ(rung.wakes.missed(), 0u);
  CHECK_EQ(rung.wakes.checks(), 3u);

  stealRings(service.server.endpoint, service.there);
  Rounds busy;
  for (int i = 0; i < 3; ++i) busy.look(service.server.endpoint, service.there, 2 * WakeCheck::kLate);
  CHECK_EQ(busy.wakes.missed(), 0u);

  service.server.endpoint.close(service.there);
  Rounds ended;
  for (int i = 0; i < 3; ++i) ended.look(service.server.endpoint, service.there);
  CHECK_EQ(ended.wakes.checks(), 0u);
  CHECK(service.settleDown());
}

TEST("a sleep that ended in between begins the count anew") {
  Service service;
  service.form();
  CHECK(service.settleDown());
  Rounds rounds;
  for (int i = 0; i < 5; ++i) {
    CHECK(service.client.committed(service.here, "a"));
    stealRings(service.server.endpoint, service.there);
    rounds.look(service.server.endpoint, service.there);
    service.server.endpoint.schedule();  // polls, though nobody rang
    CHECK(service.server.committed(service.there, "b", {1, 1, true}));
    CHECK(service.settleDown());
    rounds.look(service.server.endpoint, service.there);
  }
  CHECK_EQ(rounds.wakes.missed(), 0u);
}
