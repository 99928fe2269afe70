// Which message is delivered next: credits, lanes, turns between connections, and giving back what had not started.
#include "endpoint_node.hpp"
#include "failure.hpp"

using check::endpointOptions;
using check::Node;
using check::pattern;
using check::Service;
using check::textOf;
using Outcome = rsm::layout::Outcome;

namespace {

constexpr rsm::SendOptions kNow{0, 1, false};
constexpr rsm::SendOptions kEvent{1, 1, false};
constexpr rsm::SendOptions kRequest{2, 1, false};

rsm::EndpointOptions withCredit(uint32_t events, uint32_t requests) {
  auto options = endpointOptions(true);
  options.eventCredit = events;
  options.requestCredit = requests;
  return options;
}

/// A service with several clients, all formed.
struct Crowd : Service {
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<uint32_t> ids;
  std::vector<Node*> all{&server};

  Crowd(const rsm::EndpointOptions& options, int clients) : Service(options) {
    server.said.settleWith = 0;
    for (int i = 0; i < clients; ++i) {
      nodes.push_back(std::make_unique<Node>(endpointOptions(false)));
      ids.push_back(connect(*nodes.back()));
      form(*nodes.back(), ids.back());
      all.push_back(nodes.back().get());
    }
    check::settleDown(all);
  }
  void commit(int client, const std::string& text, const rsm::SendOptions& options) { CHECK(nodes[client]->committed(ids[client], text, options)); }
  void rest() { check::settleDown(all); }
  std::vector<std::string> texts() const { return server.said.texts(); }
  void settle(std::size_t message, uint32_t operation = 1) { server.settle(server.said.messages.at(message).delivery, operation); }
  uint64_t inFlight(int client) { return nodes[client]->endpoint.inFlight(ids[client]); }
};

using Texts = std::vector<std::string>;

}  // namespace

TEST("events share one credit over all connections; each settlement lets one more in") {
  Crowd crowd(withCredit(3, UINT32_MAX), 2);
  for (int i = 0; i < 4; ++i)
    for (int c = 0; c < 2; ++c) crowd.commit(c, std::to_string(c) + std::to_string(i), kEvent);
  crowd.rest();
  CHECK_EQ(crowd.texts().size(), 3);
  for (std::size_t i = 0; i < 5; ++i) {
    crowd.settle(i);
    crowd.rest();
    CHECK_EQ(crowd.texts().size(), 4 + i);
  }
  for (std::size_t i = 5; i < 8; ++i) crowd.settle(i);
  crowd.rest();
  CHECK_EQ(crowd.inFlight(0) + crowd.inFlight(1), 0);
}

TEST("requests have a credit per connection") {
  Crowd crowd(withCredit(UINT32_MAX, 2), 2);
  for (int i = 0; i < 4; ++i)
    for (int c = 0; c < 2; ++c) crowd.commit(c, std::to_string(c), kRequest);
  crowd.rest();
  CHECK_EQ(crowd.texts().size(), 4);
  std::size_t first = 0;
  while (crowd.texts()[first] != "0") ++first;
  crowd.settle(first);
  crowd.rest();
  CHECK_EQ(crowd.texts().size(), 5);
  CHECK_EQ(crowd.texts()[4], "0");  // the other connection has no credit of it
}

TEST("a release alone keeps the credit, a finish alone keeps the partitions, and each counts once") {
  Crowd crowd(withCredit(1, UINT32_MAX), 1);
  for (const char* text : {"a", "b", "c"}) crowd.commit(0, text, kEvent);
  crowd.rest();
  CHECK_EQ(crowd.inFlight(0), 3);
  crowd.settle(0, rsm::Endpoint::kReleaseOnly | 1);
  crowd.settle(0, rsm::Endpoint::kReleaseOnly | 1);
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"a"}));
  CHECK_EQ(crowd.inFlight(0), 2);
  crowd.settle(0, rsm::Endpoint::kFinishOnly);
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"a", "b"}));
  crowd.settle(1, rsm::Endpoint::kFinishOnly);
  crowd.settle(1, rsm::Endpoint::kFinishOnly);
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"a", "b", "c"}));
  CHECK_EQ(crowd.inFlight(0), 2);
  crowd.settle(1, rsm::Endpoint::kReleaseOnly | 1);
  crowd.settle(2);
  crowd.rest();
  CHECK_EQ(crowd.inFlight(0), 0);
}

TEST("order of commit holds between lanes while credit lasts; a lane without credit holds up no other") {
  Crowd crowd(withCredit(2, 2), 1);
  const struct {
    const char* text;
    rsm::SendOptions options;
  } sent[] = {{"r1", kRequest}, {"e1", kEvent}, {"n1", kNow},     {"e2", kEvent}, {"r2", kRequest},
              {"e3", kEvent},   {"n2", kNow},   {"r3", kRequest}, {"n3", kNow}};
  for (const auto& m : sent) crowd.commit(0, m.text, m.options);
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"r1", "e1", "n1", "e2", "r2", "n2", "n3"}));
  crowd.settle(0);  // r1
  crowd.rest();
  CHECK_EQ(crowd.texts().back(), "r3");
  crowd.settle(1);  // e1
  crowd.rest();
  CHECK_EQ(crowd.texts().back(), "e3");
}

TEST("connections with many messages take turns within a batch") {
  auto options = withCredit(UINT32_MAX, UINT32_MAX);
  options.receive = {{16, 2048, 1}};
  Crowd crowd(options, 3);
  crowd.server.said.settleWith = 1;
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < 1000; ++i) crowd.commit(c, std::to_string(c), kEvent);
  crowd.rest();
  CHECK_EQ(crowd.texts().size(), 3000);
  std::size_t at = 0;
  std::size_t shared = 0;
  for (const uint32_t rows : crowd.server.said.batches) {
    std::set<uint32_t> connections;
    for (uint32_t i = 0; i < rows; ++i) connections.insert(crowd.server.said.messages[at++].connection);
    shared += connections.size() == 3;
  }
  CHECK(shared >= 8);  // of the 12 batches, all but the first ones, which come before every bell was heard, and the last
}

TEST("a flood of one connection and single messages of another: each batch serves both") {
  auto options = withCredit(UINT32_MAX, UINT32_MAX);
  options.receive = {{16, 2048, 1}};
  Crowd crowd(options, 2);
  crowd.server.said.settleWith = 1;
  for (int i = 0; i < 2000; ++i) crowd.commit(0, "flood", kEvent);
  crowd.commit(1, "single", kEvent);
  crowd.rest();
  const auto texts = crowd.texts();
  const auto at = static_cast<std::size_t>(std::find(texts.begin(), texts.end(), "single") - texts.begin());
  CHECK_EQ(texts.size(), 2001);
  CHECK(at <= 2 * rsm::BatchSpace::kRows);
}

TEST("what waits in its partitions is given back to its sender, now and from now on; what was delivered is not") {
  Crowd crowd(withCredit(1, 1), 1);
  crowd.commit(0, "running", kEvent);
  crowd.rest();
  crowd.commit(0, "waiting", kEvent);
  crowd.commit(0, "asked", kRequest);
  crowd.commit(0, "asked too", {2, 4, false});
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"running", "asked"}));
  crowd.server.endpoint.returnUnstarted();
  crowd.rest();
  crowd.commit(0, "later", kEvent);
  crowd.commit(0, "immediate", kNow);
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"running", "asked", "immediate"}));
  const auto& reports = crowd.nodes[0]->said.reports;
  CHECK_EQ(reports.size(), 3);
  Texts given;
  for (const auto& r : reports) {
    CHECK_EQ(r.message.outcome, Outcome::kReturned);
    given.push_back(textOf(r.message.bytes));
  }
  CHECK_EQ(given, (Texts{"waiting", "asked too", "later"}));
  CHECK_EQ(reports[1].message.attempt, 4);
  crowd.settle(0);
  crowd.settle(1);
  crowd.rest();
  CHECK_EQ(crowd.inFlight(0), 0);
}

TEST("M12: a long message that waits for credit is given back whole") {
  Crowd crowd(withCredit(1, 1), 1);
  crowd.commit(0, "running", kEvent);
  crowd.rest();
  const std::string text = pattern(30'000, 1);
  crowd.commit(0, text, kEvent);
  crowd.rest();
  crowd.server.endpoint.returnUnstarted();
  crowd.rest();
  const auto& reports = crowd.nodes[0]->said.reports;
  CHECK_EQ(reports.size(), 1);
  if (!reports.empty()) CHECK(textOf(reports[0].message.bytes) == text);
  CHECK_EQ(crowd.inFlight(0), 1);
}

TEST("a peer that hangs up: all it had committed is delivered first, as credit comes, then the connection ends") {
  Crowd crowd(withCredit(1, 1), 1);
  for (int i = 0; i < 5; ++i) crowd.commit(0, std::to_string(i), i % 2 ? kEvent : kRequest);
  crowd.nodes[0]->endpoint.destroy();
  crowd.rest();
  CHECK_EQ(crowd.server.said.hangups.size(), 1);
  CHECK_EQ(crowd.texts(), (Texts{"0", "1"}));
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK_EQ(crowd.server.said.closed.size(), 0);
    crowd.settle(i);
    crowd.rest();
  }
  CHECK_EQ(crowd.texts(), (Texts{"0", "1", "2", "3", "4"}));
  CHECK_EQ(crowd.server.said.closed.size(), 1);
  CHECK_THROWS(rsm::Failure, crowd.server.send(crowd.server.said.hangups.at(0), "x"));
}

TEST("a departed peer's half message does not keep its connection, though another's event holds the credit") {
  Crowd crowd(withCredit(1, 1), 2);
  crowd.commit(1, "holds the credit", kEvent);
  crowd.rest();
  crowd.commit(0, pattern(300'000, 1), kEvent);  // its fragments do not all fit
  crowd.rest();
  CHECK(crowd.nodes[0]->endpoint.find(crowd.ids[0])->source->sending());
  crowd.nodes[0]->endpoint.destroy();
  crowd.rest();
  CHECK_EQ(crowd.server.said.closed.size(), 0);
  crowd.settle(0);
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"holds the credit"}));
  CHECK_EQ(crowd.server.said.closed.size(), 1);
}

TEST("a departed peer's messages are finished here, not given back to nobody") {
  for (const bool goesFirst : {true, false}) {
    Crowd crowd(withCredit(1, 1), 2);
    crowd.commit(1, "holds the credit", kEvent);
    crowd.rest();
    crowd.commit(0, "left behind", kEvent);
    crowd.rest();
    if (goesFirst) {
      crowd.nodes[0]->endpoint.destroy();
      crowd.rest();
      crowd.server.endpoint.returnUnstarted();
    } else {  // what the server has not read yet when the peer departs
      crowd.server.endpoint.returnUnstarted();
      crowd.rest();
      crowd.commit(0, "unread", kEvent);
      crowd.nodes[0]->endpoint.destroy();
    }
    crowd.rest();
    crowd.settle(0);
    crowd.rest();
    CHECK_EQ(crowd.texts(), goesFirst ? (Texts{"holds the credit", "left behind"}) : (Texts{"holds the credit", "unread"}));
    crowd.settle(1);
    crowd.rest();
    CHECK_EQ(crowd.server.said.closed.size(), 1);
  }
}

TEST("credit that a closed connection's messages hold comes back with their settlement") {
  Crowd crowd(withCredit(1, 1), 2);
  crowd.commit(0, "a", kEvent);
  crowd.rest();
  crowd.commit(1, "b", kEvent);
  crowd.server.endpoint.close(crowd.server.said.messages.at(0).connection);
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"a"}));
  CHECK_EQ(crowd.server.said.closed.size(), 1);
  crowd.settle(0);
  crowd.rest();
  CHECK_EQ(crowd.texts(), (Texts{"a", "b"}));
  CHECK_EQ(crowd.nodes[0]->said.closed.at(0).unfinished.size(), 1);
}

TEST("looking at what is in flight, and sending again without room, lose no wake-up") {
  for (const int64_t window : {int64_t{0}, int64_t{-1}}) {
    auto options = endpointOptions(false);
    options.pollingWindow = window;
    Service service(endpointOptions(true), options);
    service.server.said.settleWith = 0;
    service.form();
    uint32_t sent = 0;
    while (service.client.committed(service.here, pattern(1024, sent), {1, 1, true})) ++sent;
    service.settleDown();
    const std::size_t writable = service.client.said.writable.size();
    const auto& got = service.server.said.messages;
    CHECK_EQ(got.size(), sent);
    // Released, and looked at by the sender before the receiver rings.
    for (uint32_t i = 0; i < sent; ++i) {
      service.server.endpoint.settle(got[i].delivery, 1);
      if (i % 2) service.client.endpoint.inFlight(service.here);
      else service.client.send(service.here, pattern(100'000, 0));
      if (i % 3 == 0) service.settleDown();
    }
    service.server.endpoint.flush();
    service.settleDown();
    CHECK_EQ(service.client.said.reports.size(), sent);
    CHECK(service.client.said.writable.size() > writable);
  }
}

TEST("a report that a look at what is in flight took is made without any further message, and counts as in flight until it is") {
  auto options = endpointOptions(false);
  options.pollingWindow = 0;
  Service service(endpointOptions(true), options);
  service.server.said.settleWith = 0;
  service.form();
  CHECK(service.client.committed(service.here, "a", {1, 1, true}));
  CHECK(service.client.committed(service.here, "b", {1, 1, true}));
  service.settleDown();
  service.server.endpoint.settle(service.server.said.messages.at(0).delivery, 1);  // not flushed: no bell yet
  CHECK_EQ(service.client.endpoint.inFlight(service.here), 2);
  check::settleDown({&service.client});
  CHECK_EQ(service.client.said.reports.size(), 1);
  CHECK_EQ(service.client.endpoint.inFlight(service.here), 1);
  service.server.settle(service.server.said.messages.at(1).delivery, 1);
  service.settleDown();
  CHECK_EQ(service.client.said.reports.size(), 2);  // it is rung for, though the look had ended the sender's wait
}

TEST("a message that comes while its receiver is about to sleep is seen before it does") {
  auto options = endpointOptions(false);
  options.pollingWindow = 0;
  Service service(endpointOptions(true), options);
  bool once = true;
  service.client.said.during = [&](const std::string& name) {
    // After this turn's look at the channel, and before its arm: the sender sees no sleep, and does not ring.
    if (name == "writable" && std::exchange(once, false)) CHECK(service.server.committed(service.there, "in between"));
  };
  service.form();
  service.settleDown();
  CHECK_EQ(service.client.said.texts(), (Texts{"in between"}));
}
