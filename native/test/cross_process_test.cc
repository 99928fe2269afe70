// Real processes over shared regions: a sender and a receiver that sleep and ring, and what is left when one of them is killed.
#include <sys/resource.h>

#include <csignal>

#include "doorbell.hpp"
#include "endpoint_node.hpp"
#include "failure.hpp"

using check::duplicate;
using check::endpointOptions;
using check::Node;
using check::pattern;
using check::textOf;
namespace layout = rsm::layout;

namespace {

constexpr int kPatience = 20'000;  // ms; only a lost wake-up takes that long

/// What two processes share of one channel: made before the fork, so that each takes its end.
struct SharedChannel {
  rsm::ChannelLayout layout;
  rsm::Region target, release;
  rsm::DoorbellPipe toReceiver, toSender;

  explicit SharedChannel(const std::vector<rsm::SegmentGeometry>& geometry)
      : layout(rsm::layOut(geometry)), target(rsm::Region::allocate(layout.targetSize)), release(rsm::Region::allocate(layout.releaseSize)) {}

  std::unique_ptr<rsm::SourceChannel> takeSource() {
    auto image = std::make_unique<rsm::MappedInterconnect>(rsm::Region::adopt(duplicate(target.fd()), layout.targetSize));
    return std::make_unique<rsm::SourceChannel>(layout, std::move(image), std::move(release), 64 << 20);
  }
  std::unique_ptr<rsm::TargetChannel> takeTarget() {
    auto image = std::make_unique<rsm::MappedInterconnect>(rsm::Region::adopt(duplicate(release.fd()), layout.releaseSize));
    return std::make_unique<rsm::TargetChannel>(layout, std::move(target), std::move(image));
  }
};

/// False if the bell does not ring within our patience.
bool waitFor(rsm::DoorbellPipe& bell) {
  pollfd p{bell.fd(), POLLIN, 0};
  int ready;
  do ready = ::poll(&p, 1, kPatience);
  while (ready < 0 && errno == EINTR);
  bell.clear();
  return ready == 1;
}

uint64_t lengthOf(uint32_t i) { return i % 501 == 0 ? 40'000 : i % 7 == 0 ? 0 : i * 31 % 2500; }

int receiveAll(SharedChannel& shared, uint32_t messages, uint32_t seed) {
  auto target = shared.takeTarget();
  rsm::Doorbell bell = rsm::Doorbell::adopt(duplicate(shared.toSender.writingFd()));
  check::Random random(seed);
  std::vector<rsm::Reference> held;
  std::string assembly;
  bool differs = false;
  uint32_t received = 0;
  while (received < messages || !held.empty()) {
    const std::size_t read = target->drain(check::between(random, 1, 16), [&](const rsm::Reference& r) {
      assembly.append(reinterpret_cast<const char*>(target->payload(r)), r.length);
      held.push_back(r);
      if (!r.last()) return;
      differs |= assembly != pattern(lengthOf(received), received);
      assembly.clear();
      ++received;
    });
    if (differs) return 2;
    if (!target->corrupt().empty()) return 3;
    bool released = false;
    while (!held.empty() && (read == 0 || check::upTo(random, 1))) {
      const uint32_t which = check::upTo(random, static_cast<uint32_t>(held.size() - 1));
      target->release(held[which], layout::Outcome::kDone);
      held[which] = held.back();
      held.pop_back();
      released = true;
    }
    if (released && target->senderWantsBell()) bell.ring();
    if (read || released || received == messages) continue;
    if (target->arm() && !waitFor(shared.toReceiver)) return 4;
    target->disarm();
  }
  return 0;
}

}  // namespace

TEST("M1-M6, M12: a sender and a receiver process exchange messages of every size, in order and identical; no wake-up is lost") {
  check::forSeeds(2, [](check::Random& random) {
    constexpr uint32_t kMessages = 30'000;
    SharedChannel shared({{32, 16, 4}, {512, 12, 6}, {4096, 3, 2}});
    const uint32_t seed = random();
    const pid_t child = check::inChild([&] { return receiveAll(shared, kMessages, seed); });
    auto source = shared.takeSource();
    rsm::Doorbell bell = rsm::Doorbell::adopt(duplicate(shared.toReceiver.writingFd()));
    std::vector<rsm::ReleasedMessage> released;
    bool lost = false;
    for (uint32_t i = 0; (i < kMessages || source->inFlight()) && !lost && source->corrupt().empty();) {
      const std::string text = i < kMessages ? pattern(lengthOf(i), i) : "";
      const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
      const bool sent = i < kMessages && source->send({bytes, text.size(), nullptr, 0}, {}).status == rsm::SendStatus::kCommitted;
      i += sent;
      const bool pumped = source->pump();
      if ((sent || pumped) && source->receiverWantsBell()) bell.ring();
      if (sent || pumped || source->takeReleases(released)) continue;
      if (source->armForReleases()) lost = !waitFor(shared.toSender);
      source->disarm();
    }
    CHECK(!lost);
    CHECK_EQ(source->corrupt(), "");
    if (lost) ::kill(child, SIGKILL);
    CHECK_EQ(check::exitCodeOf(child), 0);
    CHECK_EQ(source->inFlight(), 0);
  });
}

TEST("M4: a sender killed at any moment leaves whole messages, in order, or none") {
  check::forSeeds(25, [](check::Random& random) {
    SharedChannel shared({{64, 256, 16}, {1024, 64, 16}});
    int progress[2];
    CHECK_EQ(::pipe2(progress, O_CLOEXEC), 0);
    const pid_t child = check::inChild([&] {
      auto source = shared.takeSource();
      std::vector<rsm::ReleasedMessage> released;
      for (uint32_t i = 0;; ++i) {
        const std::string text = pattern(i * 97 % 3000, i);
        const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
        while (source->send({bytes, text.size(), nullptr, 0}, {}).status != rsm::SendStatus::kCommitted) source->takeReleases(released);
        if (i == 20 && ::write(progress[1], "x", 1) != 1) return 1;
      }
    });
    auto target = shared.takeTarget();
    const uint32_t killAfter = check::between(random, 21, 3000);
    uint32_t received = 0;
    const auto drain = [&] {
      return target->drain(16, [&](const rsm::Reference& r) {
        CHECK_EQ(r.sequence, received + 1);
        const std::string text(reinterpret_cast<const char*>(target->payload(r)), r.length);
        if (text != pattern(received * 97 % 3000, received)) check::fail(__FILE__, __LINE__, "message " + std::to_string(received) + " is torn");
        target->release(r, layout::Outcome::kDone);
        ++received;
      });
    };
    char begun;
    CHECK_EQ(::read(progress[0], &begun, 1), 1);
    while (received < killAfter && target->corrupt().empty()) drain();
    ::kill(child, SIGKILL);
    check::statusOf(child);
    while (drain()) {
    }
    CHECK_EQ(target->corrupt(), "");
    CHECK(received >= killAfter);
    ::close(progress[0]);
    ::close(progress[1]);
  });
}

namespace {

/// Turns a node with real time until `done`; false after our patience.
bool turnUntil(Node& node, const std::function<bool()>& done) {
  const uint64_t deadline = node.loop.now() + uint64_t{kPatience} * 1'000'000;
  while (!done() && node.loop.now() < deadline) node.loop.iterate(50);
  return done();
}

/// A pipe on which a child says that it came to a point.
struct Milestone {
  rsm::FileDescriptor reading, writing;
  Milestone() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    reading.reset(ends[0]);
    writing.reset(ends[1]);
  }
  void reached() { (void)!::write(writing.get(), "x", 1); }
  bool await() {
    pollfd p{reading.get(), POLLIN, 0};
    char byte;
    return ::poll(&p, 1, kPatience) == 1 && ::read(reading.get(), &byte, 1) == 1;
  }
};

uint32_t connectFormed(Node& node, const std::string& path) {
  const uint32_t id = node.endpoint.connect(path);
  if (!turnUntil(node, [&] { return !node.said.connected.empty(); })) throw std::runtime_error("no connection");
  node.send(id, "");
  if (!turnUntil(node, [&] { return !node.said.writable.empty(); })) throw std::runtime_error("never formed");
  return id;
}

}  // namespace

TEST("endpoints of two processes: every request is answered, while both sleep and wake") {
  check::TemporaryFolder folder;
  const std::string path = folder.path() + "/a.sock";
  Milestone listening;
  const pid_t child = check::inChild([&] {
    Node server(endpointOptions(true), false);
    server.said.during = [&](const std::string& name) {
      if (name != "messages") return;
      for (const auto& m : server.said.messages)
        if (!server.committed(m.connection, m.bytes + "!", {0, 1, false})) ::_exit(5);
      server.said.messages.clear();
    };
    server.endpoint.listen(path, std::nullopt);
    listening.reached();
    return turnUntil(server, [&] { return !server.said.closed.empty(); }) ? 0 : 6;
  });
  CHECK(listening.await());
  Node client(endpointOptions(false), false);
  const uint32_t id = connectFormed(client, path);
  CHECK_EQ(client.said.connected.at(0).second.credentials.pid, child);
  for (uint32_t i = 0; i < 500 && check::failures().empty(); ++i) {
    const std::string text = pattern(i * 13 % 5000, i);
    CHECK(client.committed(id, text, {2, 1, false}));
    CHECK(turnUntil(client, [&] { return client.said.messages.size() == i + 1; }));
    CHECK(client.said.messages.back().bytes == text + "!");
  }
  client.endpoint.close(id);
  CHECK(turnUntil(client, [&] { return !client.said.closed.empty(); }));
  CHECK_EQ(check::exitCodeOf(child), 0);
}

TEST("a server that is killed: its client has all that was not finished, and knows what had started") {
  const auto descriptors = check::openDescriptors();
  const int mapped = check::mappedRegions();
  {
    check::TemporaryFolder folder;
    const std::string path = folder.path() + "/a.sock";
    Milestone listening;
    Milestone delivered;
    const pid_t child = check::inChild([&] {
      auto options = endpointOptions(true);
      options.eventCredit = 3;
      Node server(options, false);
      server.said.settleWith = 0;
      server.endpoint.listen(path, std::nullopt);
      listening.reached();
      turnUntil(server, [&] { return server.said.messages.size() == 3; });
      server.settle(server.said.messages.at(1).delivery);
      turnUntil(server, [&] { return server.said.messages.size() == 4; });
      delivered.reached();
      for (;;) server.loop.iterate(1000);
      return 0;
    });
    CHECK(listening.await());
    Node client(endpointOptions(false), false);
    const uint32_t id = connectFormed(client, path);
    for (uint32_t i = 0; i < 8; ++i) CHECK(client.committed(id, pattern(i * 300, i), {1, static_cast<uint16_t>(i), false}));
    CHECK(delivered.await());
    ::kill(child, SIGKILL);
    CHECK(turnUntil(client, [&] { return !client.said.closed.empty(); }));
    CHECK_EQ(client.said.hangups.size(), 1);
    const auto& closed = client.said.closed.at(0);
    CHECK_EQ(closed.code, rsm::codes::kConnectionLost);
    CHECK_EQ(closed.unfinished.size(), 7);  // the second one was released
    for (std::size_t n = 0; n < closed.unfinished.size(); ++n) {
      const uint32_t i = n < 1 ? 0 : static_cast<uint32_t>(n) + 1;
      CHECK_EQ(closed.unfinished[n].attempt, i);
      CHECK(textOf(closed.unfinished[n].bytes) == pattern(i * 300, i));
      CHECK_EQ(closed.unfinished[n].started, i < 4);
    }
    check::statusOf(child);
    // Its socket file is still there, and says who is gone.
    CHECK(check::throws<rsm::Failure>([&] { client.endpoint.connect(path); }, [](const rsm::Failure& f) { return f.error() == ECONNREFUSED; }));
    CHECK_EQ(client.endpoint.connections(), 0);
    CHECK_EQ(client.endpoint.reservedBytes(), 0);
    CHECK_EQ(check::mappedRegions(), mapped);
  }
  CHECK(check::openDescriptors() == descriptors);
}

TEST("a client that is killed: the server delivers all that it had committed, then the connection ends and nothing is left of it") {
  check::TemporaryFolder folder;
  const std::string path = folder.path() + "/a.sock";
  Node server(endpointOptions(true), false);
  server.said.settleWith = 0;
  server.endpoint.listen(path, std::nullopt);
  const auto descriptors = check::openDescriptors();
  const int mapped = check::mappedRegions();
  for (int round = 0; round < 5 && check::failures().empty(); ++round) {
    server.said.messages.clear();
    const std::size_t closed = server.said.closed.size();
    {
      Milestone committed;
      const pid_t child = check::inChild([&] {
        Node client(endpointOptions(false), false);
        const uint32_t id = connectFormed(client, path);
        for (uint32_t i = 0; i < 20; ++i)
          if (!client.committed(id, pattern(i * 60, i))) return 1;
        committed.reached();
        for (;;) ::pause();
        return 0;
      });
      // From here on the server does not look until the client is dead: most of what it finds then is a dead peer's.
      CHECK(turnUntil(server, [&] { return server.said.connected.size() == static_cast<std::size_t>(round + 1); }));
      CHECK(turnUntil(server, [&] { return server.endpoint.groupTable().entries().size() == 4; }));
      CHECK(committed.await());
      ::kill(child, SIGKILL);
      check::statusOf(child);
    }
    CHECK(turnUntil(server, [&] { return server.said.messages.size() == 20; }));
    for (uint32_t i = 0; i < server.said.messages.size(); ++i) CHECK(server.said.messages[i].bytes == pattern(i * 60, i));
    CHECK(turnUntil(server, [&] { return server.said.hangups.size() == static_cast<std::size_t>(round + 1); }));
    CHECK_EQ(server.said.closed.size(), closed);  // not before all were settled
    for (const auto& m : server.said.messages) server.endpoint.settle(m.delivery, 1);
    server.endpoint.flush();
    CHECK(turnUntil(server, [&] { return server.said.closed.size() == closed + 1; }));
    CHECK(check::openDescriptors() == descriptors);
    CHECK_EQ(check::mappedRegions(), mapped);
    CHECK_EQ(server.endpoint.reservedBytes(), 0);
    CHECK(server.endpoint.segmentTable().entries().empty());
  }
}

TEST("a stopped process is alive: its peer waits, and goes on when it does") {
  check::TemporaryFolder folder;
  const std::string path = folder.path() + "/a.sock";
  Milestone listening;
  const pid_t child = check::inChild([&] {
    Node server(endpointOptions(true), false);
    server.endpoint.listen(path, std::nullopt);
    listening.reached();
    return turnUntil(server, [&] { return !server.said.closed.empty(); }) && server.said.messages.size() == 10 ? 0 : 7;
  });
  CHECK(listening.await());
  Node client(endpointOptions(false), false);
  const uint32_t id = connectFormed(client, path);
  ::kill(child, SIGSTOP);
  int status = 0;
  ::waitpid(child, &status, WUNTRACED);
  CHECK(WIFSTOPPED(status));
  for (uint32_t i = 0; i < 10; ++i) CHECK(client.committed(id, "x", {1, 1, true}));
  for (int i = 0; i < 20; ++i) client.loop.iterate(10);
  CHECK(client.said.closed.empty() && client.said.reports.empty());
  ::kill(child, SIGCONT);
  CHECK(turnUntil(client, [&] { return client.said.reports.size() == 10; }));
  client.endpoint.close(id);
  turnUntil(client, [&] { return !client.said.closed.empty(); });
  CHECK_EQ(check::exitCodeOf(child), 0);
}
