#pragma once

#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "channel_pair.hpp"
#include "endpoint.hpp"
#include "poll_loop.hpp"

namespace check {

/// Everything an endpoint said, and what to answer.
struct Recorder final : rsm::EndpointObserver {
  struct Message {
    uint32_t connection, delivery, lane, attempt;
    bool owned;
    std::string bytes;
  };
  struct Closed {
    uint32_t connection;
    std::string code, reason;
    std::vector<rsm::UnfinishedMessage> unfinished;
  };

  rsm::Endpoint* endpoint = nullptr;
  std::vector<uint32_t> rows = std::vector<uint32_t>(rsm::BatchSpace::kRows * rsm::BatchSpace::kRowWords);
  std::vector<std::byte> arena = std::vector<std::byte>(64 * 1024);

  std::vector<Message> messages;
  std::vector<uint32_t> batches;
  std::vector<std::pair<uint32_t, rsm::Peer>> connected;
  std::vector<uint32_t> writable;
  std::vector<rsm::Report> reports;
  std::vector<std::pair<uint32_t, uint32_t>> notices;
  std::vector<uint32_t> hangups;
  std::vector<uint32_t> lostLoans;
  std::vector<Closed> closed;
  std::vector<std::string> calls;  ///< the names of all callbacks in their order
  std::deque<std::pair<uint32_t, uint32_t>> outbox;

  /// Settled as soon as it was delivered, with this operation; 0: the test settles.
  uint32_t settleWith = 1;
  bool keepMessages = true;
  std::function<void(const std::string& callback)> during;  ///< runs inside every callback

  rsm::BatchSpace batchSpace() override { return {rows.data(), arena.data(), arena.size()}; }
  rsm::Bytes ownMemory(std::size_t size) override {
    rsm::Bytes memory;
    memory.reserve(size);
    return memory;
  }
  rsm::BatchSpace growArena(std::size_t size) override {
    arena.resize(size);
    return batchSpace();
  }
  void onMessages(uint32_t count, std::vector<rsm::Bytes>& owned) override {
    batches.push_back(count);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t* row = rows.data() + i * rsm::BatchSpace::kRowWords;
      const std::byte* from = row[6] ? owned.at(row[6] - 1).data() : arena.data() + row[4];
      if (row[6]) CHECK_EQ(owned.at(row[6] - 1).size(), row[5]);
      else CHECK(uint64_t{row[4]} + row[5] <= arena.size());
      messages.push_back({row[0], row[1], row[2], row[3], row[6] != 0, std::string(reinterpret_cast<const char*>(from), row[5])});
      CHECK_EQ(row[2] == 0, row[1] == rsm::Endpoint::kNoDelivery);
      if (settleWith && row[1] != rsm::Endpoint::kNoDelivery) outbox.push_back({row[1], settleWith});
    }
    called("messages");
  }
  void onConnection(uint32_t connection, const rsm::Peer& peer) override {
    connected.push_back({connection, peer});
    called("connection");
  }
  void onWritable(uint32_t connection) override {
    writable.push_back(connection);
    called("writable");
  }
  void onReleases(std::vector<rsm::Report>& list) override {
    for (auto& report : list) reports.push_back(std::move(report));
    called("releases");
  }
  void onNotice(uint32_t connection, uint32_t code) override {
    notices.push_back({connection, code});
    called("notice");
  }
  void onLoanLost(uint32_t connection) override {
    lostLoans.push_back(connection);
    called("loanLost");
  }
  void onHangup(uint32_t connection) override {
    hangups.push_back(connection);
    called("hangup");
  }
  void onClosed(uint32_t connection, const char* code, const std::string& reason, std::vector<rsm::UnfinishedMessage>& unfinished) override {
    closed.push_back({connection, code, reason, std::move(unfinished)});
    called("closed");
  }
  void takeOutbox() override {
    while (!outbox.empty()) {
      const auto [delivery, operation] = outbox.front();
      outbox.pop_front();
      endpoint->settle(delivery, operation);
    }
  }

  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const Message& m : messages) all.push_back(m.bytes);
    return all;
  }

 private:
  void called(const std::string& name) {
    calls.push_back(name);
    if (during) during(name);
  }
};

inline rsm::EndpointOptions endpointOptions(bool listener) {
  rsm::EndpointOptions o;
  o.listener = listener;
  o.service = "orders";
  o.identity = listener ? "server" : "client";
  o.receive = {{64, 64, 8}, {1024, 32, 8}};
  o.maxMessageSize = 1 << 20;
  o.maxConnections = 100;
  o.maxMemory = 64 << 20;
  o.handshakeTimeout = 5000;
  o.maxHandshakes = 50;
  o.eventCredit = o.requestCredit = UINT32_MAX;
  return o;
}

/// An endpoint with its loop and what it said.
struct Node {
  PollLoop loop;
  Recorder said;
  rsm::Endpoint endpoint;

  explicit Node(const rsm::EndpointOptions& options, bool virtualTime = true) : loop(virtualTime), endpoint(options, loop, said) {
    said.endpoint = &endpoint;
  }
  rsm::SendResult send(uint32_t connection, const std::string& text, const rsm::SendOptions& options = {1, 1, false}) {
    return endpoint.send(connection, {nullptr, 0, reinterpret_cast<const std::byte*>(text.data()), text.size()}, options);
  }
  bool committed(uint32_t connection, const std::string& text, const rsm::SendOptions& options = {1, 1, false}) {
    return send(connection, text, options).status == rsm::SendStatus::kCommitted;
  }
  void settle(uint32_t delivery, uint32_t operation = 1) {
    endpoint.settle(delivery, operation);
    endpoint.flush();
  }
};

/// Turns the loops until none of them has anything to do: whatever has not happened then never will. False if that did not come.
inline bool settleDown(const std::vector<Node*>& nodes) {
  for (int turns = 0; turns < 200'000; ++turns) {
    bool did = false;
    for (Node* node : nodes) did |= node->loop.iterate();
    if (!did) return true;
  }
  fail(__FILE__, __LINE__, "the endpoints never come to rest");
  return false;
}

/// Turns the loops until `done`, or until nothing can happen any more.
inline bool runUntil(const std::vector<Node*>& nodes, const std::function<bool()>& done) {
  for (int turns = 0; turns < 500'000; ++turns) {
    if (done()) return true;
    bool did = false;
    for (Node* node : nodes) did |= node->loop.iterate();
    if (!did) return done();
  }
  return false;
}

/// A listener and a client of it, greeted; formed once something was sent.
struct Service {
  TemporaryFolder folder;
  Node server;
  Node client;
  uint32_t there = 0;  ///< the connection's number at the server
  uint32_t here = 0;   ///< ... and at the client

  explicit Service(const rsm::EndpointOptions& serverOptions = endpointOptions(true), const rsm::EndpointOptions& clientOptions = endpointOptions(false))
      : server(serverOptions), client(clientOptions) {
    server.endpoint.listen(path(), std::nullopt);
    here = connect(client);
    there = server.said.connected.empty() ? 0 : server.said.connected.back().first;
  }
  std::string path() const { return folder.path() + "/a.sock"; }
  uint32_t connect(Node& node) {
    const uint32_t id = node.endpoint.connect(path());
    const std::size_t before = node.said.connected.size() + node.said.closed.size();
    CHECK(runUntil({&server, &node}, [&] { return node.said.connected.size() + node.said.closed.size() > before; }));
    return id;
  }
  /// Makes the client's connection take messages.
  void form() { form(client, here); }
  void form(Node& node, uint32_t connection) {
    CHECK_EQ(node.send(connection, "").status, rsm::SendStatus::kNoRoom);
    const std::size_t before = node.said.writable.size();
    CHECK(runUntil({&server, &node}, [&] { return node.said.writable.size() > before; }));
  }
  bool settleDown() { return check::settleDown({&server, &client}); }
};

}  // namespace check
