// Which releases count when a connection ends: a message is either released or unfinished, never both.
#include "endpoint_node.hpp"

using check::Node;
using check::Service;

namespace {

const rsm::SendOptions kWatched{1, 1, true};

/// One message delivered at the server and not settled.
struct Delivered : Service {
  uint32_t delivery = 0;
  Delivered() {
    server.said.settleWith = 0;
    form();
    CHECK(client.committed(here, "a message", kWatched));
    CHECK(settleDown());
    delivery = server.said.messages.at(0).delivery;
  }
  uint32_t held() { return server.endpoint.find(there)->target->held(); }
  const std::vector<rsm::UnfinishedMessage>& unfinished() { return client.said.closed.at(0).unfinished; }
};

}  // namespace

TEST("what is settled after the receiver has closed is unfinished for the sender, whenever that looks") {
  for (const bool senderLooksFirst : {false, true}) {
    Delivered service;
    service.server.endpoint.close(service.there);
    if (senderLooksFirst) CHECK(check::runUntil({&service.client}, [&] { return !service.client.said.closed.empty(); }));
    service.server.endpoint.settle(service.delivery, 1);
    CHECK_EQ(service.held(), 1u);  // no record was written that the sender could miss
    CHECK(service.settleDown());
    CHECK_EQ(service.unfinished().size(), 1u);
    CHECK(service.unfinished().at(0).started);
    CHECK_EQ(service.client.said.reports.size(), 0u);
  }
}

TEST("what was settled before the receiver closed is released, though the outbox was not taken yet") {
  Delivered service;
  service.server.said.outbox.push_back({service.delivery, 1});
  service.server.endpoint.close(service.there);
  CHECK(check::runUntil({&service.client}, [&] { return !service.client.said.closed.empty(); }));
  CHECK_EQ(service.unfinished().size(), 0u);
  CHECK_EQ(service.client.said.reports.size(), 1u);
  CHECK(service.settleDown());
}

TEST("a sender that closes heeds what is released until it reports, and reports that first") {
  Delivered service;
  service.client.endpoint.close(service.here);
  service.server.endpoint.settle(service.delivery, 1);
  service.server.endpoint.flush();
  service.client.said.calls.clear();
  CHECK(service.settleDown());
  CHECK_EQ(service.unfinished().size(), 0u);
  CHECK_EQ(service.client.said.reports.size(), 1u);
  CHECK_EQ(service.client.said.calls, (std::vector<std::string>{"releases", "closed"}));
}

TEST("an endpoint may be destroyed as it hears of the last release of a connection that ends") {
  Delivered service;
  service.client.endpoint.close(service.here);
  service.server.settle(service.delivery);
  service.client.said.during = [&](const std::string& callback) {
    if (callback == "releases") service.client.endpoint.destroy();
  };
  CHECK(service.settleDown());
  CHECK_EQ(service.client.said.closed.size(), 0u);
}

TEST("what was read of a connection that is closed in the same turn is reported before its end") {
  Delivered service;
  CHECK(service.client.committed(service.here, "a second one", kWatched));
  CHECK(service.settleDown());
  service.server.settle(service.delivery);
  service.client.said.during = [&](const std::string& callback) {
    if (callback != "releases" || service.client.said.reports.size() != 1) return;
    service.server.settle(service.server.said.messages.at(1).delivery, 3);
    CHECK_EQ(service.client.endpoint.inFlight(service.here), 1u);  // reads the release, which is not reported yet
    service.client.endpoint.close(service.here);
  };
  service.client.said.calls.clear();
  CHECK(service.settleDown());
  CHECK_EQ(service.client.said.calls, (std::vector<std::string>{"releases", "releases", "closed"}));
  CHECK_EQ(service.client.said.reports.size(), 2u);
  CHECK_EQ(service.unfinished().size(), 0u);
}

TEST("what is settled while the end of its connection is reported does not end the next connection with that number") {
  Delivered service;
  service.server.said.during = [&](const std::string& callback) {
    if (callback == "closed") service.server.endpoint.settle(service.delivery, 1);
  };
  service.server.endpoint.close(service.there);
  CHECK(check::runUntil({&service.server}, [&] { return !service.server.said.closed.empty(); }));
  service.server.said.during = nullptr;
  Node other(check::endpointOptions(false));
  service.connect(other);
  CHECK_EQ(service.server.said.connected.back().first, service.there);
  CHECK(check::settleDown({&service.server, &service.client, &other}));
  CHECK_EQ(service.server.said.closed.size(), 1u);
  CHECK_EQ(other.said.closed.size(), 0u);
}
