#include "endpoint.hpp"

#include "endpoint_node.hpp"
#include "failure.hpp"

using check::endpointOptions;
using check::Node;
using check::pattern;
using check::Service;
using check::textOf;
using rsm::Failure;
using rsm::SendStatus;
using Outcome = rsm::layout::Outcome;

TEST("two endpoints greet one another, and each learns who the other is") {
  auto serverOptions = endpointOptions(true);
  serverOptions.maxMessageSize = 12345;
  Service service(serverOptions);
  CHECK_EQ(service.server.said.connected.size(), 1);
  CHECK_EQ(service.client.said.connected.size(), 1);
  const rsm::Peer& client = service.server.said.connected[0].second;
  const rsm::Peer& server = service.client.said.connected[0].second;
  CHECK_EQ(client.identity, "client");
  CHECK_EQ(server.identity, "server");
  CHECK_EQ(client.service, "orders");
  CHECK_EQ(server.maxMessageSize, 12345);
  CHECK_EQ(client.credentials.pid, ::getpid());
  CHECK_EQ(server.credentials.uid, ::geteuid());
  CHECK(client.incarnation != 0 && client.incarnation != server.incarnation);
  CHECK_EQ(client.receive.size(), 2);
  CHECK_EQ(service.server.endpoint.connections(), 1);
}

TEST("M7, M8: segments and groups are formed at the first message, listed by both ends, and forgotten with the connection") {
  Service service;
  for (Node* node : {&service.server, &service.client}) {
    CHECK(node->endpoint.segmentTable().entries().empty());
    CHECK(node->endpoint.groupTable().entries().empty());
    CHECK_EQ(node->endpoint.reservedBytes(), 0);
  }
  service.form();
  for (Node* node : {&service.server, &service.client}) {
    const auto& segments = node->endpoint.segmentTable().entries();
    const auto& groups = node->endpoint.groupTable().entries();
    CHECK_EQ(segments.size(), 4);  // two source segments, two target segments
    CHECK_EQ(groups.size(), 4);
    int sources = 0;
    int outs = 0;
    for (const auto& [id, segment] : segments) {
      sources += segment.source;
      CHECK_EQ(std::string(segment.interconnect), "mapped");
    }
    for (const auto& [id, group] : groups) {
      outs += group.direction == rsm::Direction::kOut;
      CHECK_EQ(segments.at(group.segment).source, group.direction == rsm::Direction::kOut);
      CHECK_EQ(segments.at(group.segment).descriptor.geometry.partitionSize, group.number == 0 ? 64 : 1024);
    }
    CHECK_EQ(sources, 2);
    CHECK_EQ(outs, 2);
    CHECK(node->endpoint.reservedBytes() > 0);
  }
  service.client.endpoint.close(service.here);
  service.settleDown();
  for (Node* node : {&service.server, &service.client}) {
    CHECK(node->endpoint.segmentTable().entries().empty());
    CHECK(node->endpoint.groupTable().entries().empty());
    CHECK_EQ(node->endpoint.reservedBytes(), 0);
    CHECK_EQ(node->endpoint.connections(), 0);
    CHECK_EQ(node->said.closed.size(), 1);
  }
  CHECK_EQ(service.client.said.closed[0].code, "");
  CHECK_EQ(service.server.said.closed[0].code, rsm::codes::kConnectionLost);
}

TEST("M1, M2: each direction has the geometry of its receiver, on both ends") {
  auto clientOptions = endpointOptions(false);
  clientOptions.receive = {{100, 7, 3}, {333, 5, 5}, {7, 9, 2}};
  Service service(endpointOptions(true), clientOptions);
  service.form();
  const auto geometry = [](const rsm::Connection& c, bool out) {
    std::vector<uint32_t> sizes;
    for (const auto& s : out ? c.source->layout().segments : c.target->layout().segments) {
      sizes.push_back(s.geometry.partitionSize);
      sizes.push_back(s.geometry.partitions);
      sizes.push_back(s.geometry.spanFactor);
    }
    return sizes;
  };
  const rsm::Connection& atServer = *service.server.endpoint.find(service.there);
  const rsm::Connection& atClient = *service.client.endpoint.find(service.here);
  CHECK_EQ(geometry(atServer, true), (std::vector<uint32_t>{7, 9, 2, 100, 7, 3, 333, 5, 5}));
  CHECK_EQ(geometry(atServer, true), geometry(atClient, false));
  CHECK_EQ(geometry(atServer, false), (std::vector<uint32_t>{64, 64, 8, 1024, 32, 8}));
  CHECK_EQ(geometry(atServer, false), geometry(atClient, true));
}

TEST("messages of both directions arrive in order and are released") {
  Service service;
  service.form();
  std::vector<std::string> forth;
  std::vector<std::string> back;
  for (uint32_t i = 0; i < 20; ++i) {
    forth.push_back(pattern(i * 53 % 900, i));
    back.push_back(pattern(i * 31 % 700, i + 100));
    CHECK(service.client.committed(service.here, forth.back()));
    CHECK(service.server.committed(service.there, back.back(), {2, static_cast<uint16_t>(i), false}));
  }
  CHECK_EQ(service.client.endpoint.inFlight(service.here), 20);
  service.settleDown();
  CHECK(service.server.said.texts() == forth);
  CHECK(service.client.said.texts() == back);
  CHECK_EQ(service.client.said.messages.at(7).attempt, 7);
  CHECK_EQ(service.client.said.messages.at(7).lane, 2);
  CHECK_EQ(service.client.endpoint.inFlight(service.here), 0);
  CHECK_EQ(service.server.endpoint.inFlight(service.there), 0);
  CHECK(service.client.said.reports.empty());
}

TEST("a message on lane 0 is released by its delivery") {
  Service service;
  service.form();
  CHECK(service.client.committed(service.here, "now", {0, 1, false}));
  service.settleDown();
  CHECK_EQ(service.server.said.messages.at(0).delivery, rsm::Endpoint::kNoDelivery);
  CHECK_EQ(service.client.endpoint.inFlight(service.here), 0);
}

TEST("the sender hears of watched releases and of those not done, though it sleeps") {
  for (const int64_t window : {int64_t{0}, int64_t{-1}}) {
    auto options = endpointOptions(false);
    options.pollingWindow = window;
    Service service(endpointOptions(true), options);
    service.server.said.settleWith = 0;
    service.form();
    CHECK(service.client.committed(service.here, "unwatched"));
    CHECK(service.client.committed(service.here, "watched", {1, 1, true}));
    CHECK(service.client.committed(service.here, "refused", {2, 3, false}));
    service.settleDown();
    CHECK(!service.client.loop.polling());
    const auto got = service.server.said.messages;
    CHECK_EQ(got.size(), 3);
    service.server.settle(got[0].delivery, 1);
    service.settleDown();
    CHECK_EQ(service.client.said.reports.size(), 0);
    service.server.settle(got[2].delivery, 3);
    service.settleDown();
    CHECK_EQ(service.client.said.reports.size(), 1);
    service.server.settle(got[1].delivery, 1);
    service.settleDown();
    CHECK_EQ(service.client.said.reports.size(), 2);
    const auto& nack = service.client.said.reports[0].message;
    CHECK_EQ(nack.outcome, Outcome::kNack);
    CHECK_EQ(textOf(nack.bytes), "refused");
    CHECK_EQ(nack.attempt, 3);
    CHECK_EQ(service.client.said.reports[1].message.outcome, Outcome::kDone);
    CHECK_EQ(service.client.said.reports[1].connection, service.here);
    CHECK_EQ(service.client.endpoint.inFlight(service.here), 0);
  }
}

TEST("a sender without room is told when there is some, once, however both sleep") {
  for (const int64_t window : {int64_t{0}, int64_t{-1}, int64_t{30}}) {
    auto serverOptions = endpointOptions(true);
    auto clientOptions = endpointOptions(false);
    serverOptions.pollingWindow = clientOptions.pollingWindow = window;
    Service service(serverOptions, clientOptions);
    service.server.said.settleWith = 0;
    service.form();
    const std::size_t writable = service.client.said.writable.size();
    uint32_t sent = 0;
    while (service.client.committed(service.here, pattern(1000, sent))) ++sent;
    CHECK(sent >= 32);
    service.settleDown();
    CHECK_EQ(service.client.said.writable.size(), writable);
    CHECK_EQ(service.server.said.messages.size(), sent);
    CHECK(!service.client.loop.polling() && !service.server.loop.polling());
    service.server.settle(service.server.said.messages[3].delivery);
    service.settleDown();
    CHECK_EQ(service.client.said.writable.size(), writable + 1);
    CHECK(service.client.committed(service.here, pattern(1000, sent)));
    service.settleDown();
    CHECK_EQ(service.client.said.writable.size(), writable + 1);
  }
}

TEST("M12: messages longer than the largest span pass between endpoints, both ways at once, among small ones") {
  Service service;
  service.form();
  std::vector<std::string> sent[2];
  Node* nodes[2] = {&service.client, &service.server};
  const uint32_t ids[2] = {service.here, service.there};
  uint32_t next[2] = {0, 0};
  const auto lengthOf = [](uint32_t i) { return i % 3 == 1 ? 50'000 + i * 1000 : i % 3 == 2 ? 8192 : i; };
  const bool done = check::runUntil({&service.server, &service.client}, [&] {
    for (int side = 0; side < 2; ++side)
      while (next[side] < 30) {
        const std::string text = pattern(lengthOf(next[side]), next[side] + 1000 * side);
        if (!nodes[side]->committed(ids[side], text)) break;
        sent[side].push_back(text);
        ++next[side];
      }
    return service.server.said.messages.size() == 30 && service.client.said.messages.size() == 30;
  });
  CHECK(done);
  service.settleDown();
  CHECK(service.server.said.texts() == sent[0]);
  CHECK(service.client.said.texts() == sent[1]);
  CHECK(service.server.said.messages.at(1).owned);
  CHECK_EQ(service.client.endpoint.inFlight(service.here), 0);
  CHECK_EQ(service.client.endpoint.find(service.here)->source->privateBytes(), 0);
  const uint64_t reserved = service.server.endpoint.reservedBytes();
  CHECK_EQ(reserved, service.server.endpoint.find(service.there)->reserved);  // nothing is left of the assemblies
}

TEST("messages from a length on are delivered in memory of their own, the others together, in order") {
  auto options = endpointOptions(true);
  options.ownFrom = 300;
  Service service(options);
  service.form();
  std::vector<std::string> sent;
  for (const std::size_t length : {10, 300, 299, 301, 5000, 0, 8192, 1}) {
    sent.push_back(pattern(length, length));
    CHECK(service.client.committed(service.here, sent.back()));
  }
  service.settleDown();
  CHECK(service.server.said.texts() == sent);
  for (const auto& message : service.server.said.messages) CHECK_EQ(message.owned, message.bytes.size() >= 300);
  CHECK_EQ(service.client.endpoint.inFlight(service.here), 0);
}

TEST("a message as long as the whole batch arena, and longer, is delivered") {
  auto options = endpointOptions(true);
  options.receive = {{1024, 256, 256}};
  Service service(options);
  service.server.said.arena.resize(1000);
  service.form();
  std::vector<std::string> sent;
  for (const std::size_t length : {900, 1000, 1001, 100, 200'000, 5}) {
    sent.push_back(pattern(length, 1));
    CHECK(check::runUntil({&service.server, &service.client}, [&] { return service.client.committed(service.here, sent.back()); }));
  }
  service.settleDown();
  CHECK(service.server.said.texts() == sent);
}

TEST("a message over the receiver's maximum is refused, and the connection goes on") {
  auto options = endpointOptions(true);
  options.maxMessageSize = 1000;
  Service service(options);
  service.form();
  CHECK_EQ(service.client.send(service.here, pattern(1001, 0)).status, SendStatus::kTooLarge);
  CHECK(service.client.committed(service.here, pattern(1000, 0)));
  service.settleDown();
  CHECK_EQ(service.server.said.messages.size(), 1);
}

TEST("sending on a connection that is not there, not greeted or closed fails; closing it twice does nothing") {
  Service service;
  CHECK_THROWS(Failure, service.client.send(service.here + 1, "x"));
  CHECK_THROWS(Failure, service.client.send(UINT32_MAX, "x"));
  const uint32_t second = service.client.endpoint.connect(service.path());
  CHECK_THROWS(Failure, service.client.send(second, "x"));  // greeting still
  service.settleDown();
  service.client.endpoint.close(service.here);
  CHECK_THROWS(Failure, service.client.send(service.here, "x"));
  service.client.endpoint.close(service.here);
  service.settleDown();
  service.client.endpoint.close(service.here);
  service.client.endpoint.close(77);
  service.client.endpoint.settle(UINT32_MAX, 1);
  service.settleDown();
  CHECK_EQ(service.client.said.closed.size(), 1);
  CHECK_EQ(service.server.endpoint.connections(), 1);
}

TEST("notices reach every connection of the other side") {
  Service service;
  const uint32_t second = service.connect(service.client);
  service.server.endpoint.notice(1);
  service.client.endpoint.notice(9);
  service.settleDown();
  CHECK(service.client.said.notices == (std::vector<std::pair<uint32_t, uint32_t>>{{service.here, 1}, {second, 1}}));
  CHECK_EQ(service.server.said.notices.size(), 2);
  CHECK_EQ(service.server.said.notices[0].second, 9);
}

TEST("a closed connection's number is given again, and its successor starts afresh") {
  Service service;
  service.form();
  CHECK(service.client.committed(service.here, "old"));
  service.settleDown();
  service.client.endpoint.close(service.here);
  service.settleDown();
  const uint32_t again = service.connect(service.client);
  CHECK_EQ(again, service.here);
  service.form(service.client, again);
  CHECK(service.client.committed(again, "new"));
  service.settleDown();
  CHECK_EQ(service.server.said.texts(), (std::vector<std::string>{"old", "new"}));
}

TEST("counters count") {
  Service service;
  service.form();
  for (int i = 0; i < 5; ++i) CHECK(service.client.committed(service.here, "12345678"));
  service.settleDown();
  CHECK_EQ(service.client.endpoint.counters().messagesSent, 5);
  CHECK_EQ(service.client.endpoint.counters().bytesSent, 40);
  CHECK_EQ(service.server.endpoint.counters().messagesReceived, 5);
  CHECK_EQ(service.server.endpoint.counters().bytesReceived, 40);
  CHECK(service.server.endpoint.counters().sleeps > 0);
}

TEST("endpoints at rest do nothing: neither polls, and neither is woken") {
  Service service;
  service.form();
  service.settleDown();
  service.server.loop.advance(1000);  // the watch over handshakes ends
  service.settleDown();
  const auto polls = service.server.endpoint.counters().polls + service.client.endpoint.counters().polls;
  for (int i = 0; i < 1000; ++i) {
    CHECK(!service.server.loop.iterate());
    CHECK(!service.client.loop.iterate());
    service.server.loop.advance(1000);
  }
  CHECK_EQ(service.server.endpoint.counters().polls + service.client.endpoint.counters().polls, polls);
}
