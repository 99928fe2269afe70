// Ends of every kind, at every moment: nothing is called after destroy(), and nothing is left open, mapped or on disk.
#include "endpoint_node.hpp"
#include "failure.hpp"

using check::endpointOptions;
using check::Node;
using check::pattern;
using check::Service;

namespace {

/// Does everything that an endpoint can report, in both directions, with both ends destroying themselves where told.
void exercise(Service& service) {
  const auto quietly = [](const std::function<void()>& act) {
    try {
      act();
    } catch (const rsm::Failure&) {
      // One end is destroyed by now.
    }
  };
  std::vector<Node*> nodes{&service.server, &service.client};
  service.server.said.settleWith = 3;  // a refusal is reported to the sender
  quietly([&] { service.client.send(service.here, ""); });
  check::settleDown(nodes);
  for (int i = 0; i < 3; ++i) {
    quietly([&] { service.client.send(service.here, pattern(30'000, 1)); });
    quietly([&] { service.server.send(service.there, pattern(100, 1), {1, 1, true}); });
    check::settleDown(nodes);
  }
  quietly([&] { service.server.endpoint.notice(1); });
  quietly([&] { service.client.endpoint.notice(1); });
  check::settleDown(nodes);
  service.client.endpoint.close(service.here);
  check::settleDown(nodes);
}

}  // namespace

TEST("an endpoint may be destroyed inside each of its callbacks, at each occurrence; nothing is called after it, nothing is left") {
  const auto descriptors = check::openDescriptors();
  const int mapped = check::mappedRegions();
  std::set<std::string> destroyedIn;
  for (const bool server : {true, false})
    for (const char* callback : {"messages", "connection", "writable", "releases", "notice", "hangup", "closed"})
      for (int occurrence = 1; occurrence <= 4; ++occurrence) {
        Service service;
        Node& node = server ? service.server : service.client;
        int left = occurrence;
        std::size_t callsAtDestroy = 0;
        node.said.during = [&](const std::string& name) {
          if (callsAtDestroy) return check::fail(__FILE__, __LINE__, name + " was called after destroy() in " + callback);
          if (name != callback || --left) return;
          node.endpoint.destroy();
          callsAtDestroy = node.said.calls.size();
          destroyedIn.insert((server ? "server " : "client ") + name);
        };
        exercise(service);
        if (callsAtDestroy) {
          CHECK_EQ(node.said.calls.size(), callsAtDestroy);
          CHECK(node.loop.closed());
          node.endpoint.destroy();  // idempotent
        }
      }
  CHECK_EQ(destroyedIn.size(), 10);  // the others do not happen here: a greeting comes before, the server never lacks room
  for (const char* where : {"server messages", "server releases", "server hangup", "server closed", "server notice", "client messages",
                                   "client writable", "client releases", "client notice", "client closed"})
    CHECK(destroyedIn.count(where));
  CHECK(check::openDescriptors() == descriptors);
  CHECK_EQ(check::mappedRegions(), mapped);
}

TEST("an endpoint may be destroyed as its first connection greets") {
  for (const bool server : {true, false}) {
    const auto descriptors = check::openDescriptors();
    {
      check::TemporaryFolder folder;
      Node listener(endpointOptions(true));
      Node client(endpointOptions(false));
      listener.endpoint.listen(folder.path() + "/a.sock", std::nullopt);
      client.endpoint.connect(folder.path() + "/a.sock");
      Node& node = server ? listener : client;
      node.said.during = [&](const std::string&) { node.endpoint.destroy(); };
      check::settleDown({&listener, &client});
      CHECK_EQ(node.said.calls, (std::vector<std::string>{"connection"}));
      if (server) {
        CHECK(folder.files().empty());
        CHECK_EQ(client.said.closed.size(), 1);
      }
    }
    CHECK(check::openDescriptors() == descriptors);
  }
}

TEST("any call may be made inside any callback") {
  for (const char* callback : {"messages", "connection", "writable", "releases", "notice", "hangup", "closed"}) {
    Service service;
    for (Node* node : {&service.server, &service.client}) {
      const uint32_t id = node == &service.server ? service.there : service.here;
      node->said.during = [=, done = 0](const std::string& name) mutable {
        if (name != callback || ++done > 5) return;
        const auto quietly = [](const std::function<void()>& act) {
          try {
            act();
          } catch (const rsm::Failure&) {
            // The connection may be over.
          }
        };
        quietly([&] { node->send(id, pattern(3000, 1), {1, 1, true}); });
        node->endpoint.notice(3);
        node->endpoint.flush();
        node->endpoint.schedule();
        node->endpoint.trim();
        node->endpoint.inFlight(id);
        node->endpoint.returnUnstarted();
        if (done == 5) node->endpoint.close(id);
      };
    }
    exercise(service);
  }
}

TEST("a server that stops listening keeps its connections, those that still greet among them, and its socket file goes") {
  Service service;
  const uint32_t greeting = service.client.endpoint.connect(service.path());
  service.server.loop.iterate();  // accepted or about to greet
  service.server.endpoint.stopListening();
  service.server.endpoint.stopListening();
  CHECK(service.folder.files().empty());
  service.settleDown();
  CHECK_EQ(service.client.said.connected.size(), 2);
  CHECK_EQ(service.client.said.connected.at(1).first, greeting);
  CHECK(check::throws<rsm::Failure>([&] { service.client.endpoint.connect(service.path()); }, [](const rsm::Failure& f) { return f.error() == ENOENT; }));
  service.form();
  CHECK(service.client.committed(service.here, "x"));
  service.settleDown();
  CHECK_EQ(service.server.said.messages.size(), 1);
  // One that nobody had accepted sees the end.
  Service other;
  const uint32_t unaccepted = other.client.endpoint.connect(other.path());
  other.server.endpoint.stopListening();
  other.settleDown();
  CHECK_EQ(other.client.said.closed.size(), 1);
  CHECK_EQ(other.client.said.closed.at(0).connection, unaccepted);
}

TEST("a connection closed at each of its stages leaves nothing") {
  for (const bool byServer : {true, false})
    for (int turns = 0; turns < 14; ++turns) {
      const auto descriptors = check::openDescriptors();
      const int mapped = check::mappedRegions();
      {
        check::TemporaryFolder folder;
        Node server(endpointOptions(true));
        Node client(endpointOptions(false));
        server.endpoint.listen(folder.path() + "/a.sock", std::nullopt);
        const uint32_t here = client.endpoint.connect(folder.path() + "/a.sock");
        client.said.during = [&](const std::string& name) {
          if (name == "connection" || name == "writable") client.send(here, "x");
        };
        for (int i = 0; i < turns; ++i) (i % 2 ? client : server).loop.iterate();
        if (byServer) server.endpoint.close(0);
        else client.endpoint.close(here);
        check::settleDown({&server, &client});
        CHECK_EQ(client.said.closed.size(), byServer && turns == 0 ? 0 : 1);
        if (!byServer || turns > 0) {
          CHECK_EQ(server.endpoint.connections(), 0);
          CHECK_EQ(server.endpoint.reservedBytes() + client.endpoint.reservedBytes(), 0);
          CHECK_EQ(check::mappedRegions(), mapped);
        }
      }
      CHECK(check::openDescriptors() == descriptors);
      CHECK_EQ(check::mappedRegions(), mapped);
    }
}

TEST("a hundred connections made and ended leave what there was") {
  Service service;
  service.form();
  service.settleDown();
  const auto descriptors = check::openDescriptors();
  const int mapped = check::mappedRegions();
  for (int i = 0; i < 100; ++i) {
    const uint32_t id = service.connect(service.client);
    service.form(service.client, id);
    CHECK(service.client.committed(id, pattern(5000, i)));
    if (i % 2) service.settleDown();
    service.client.endpoint.close(id);
    service.settleDown();
  }
  CHECK_EQ(service.server.said.messages.size(), 100);  // also those that were committed just before the end
  CHECK(check::openDescriptors() == descriptors);
  CHECK_EQ(check::mappedRegions(), mapped);
  CHECK_EQ(service.server.endpoint.connections(), 1);
  CHECK_EQ(service.client.said.connected.back().first, service.client.said.closed.back().connection);
}
