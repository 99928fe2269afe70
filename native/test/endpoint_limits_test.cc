// Who is let in, how many, how long a handshake may take, and what a peer that breaks the rules loses: its own connection.
#include <sys/mman.h>

#include "endpoint_node.hpp"
#include "failure.hpp"

using check::endpointOptions;
using check::Node;
using check::pattern;
using check::Service;
namespace codes = rsm::codes;
namespace layout = rsm::layout;

namespace {

bool has(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

/// A peer made by hand that says what it likes.
struct RawPeer {
  Service& service;
  rsm::ControlSocket socket;
  std::deque<rsm::ControlFrame> frames;
  bool ended = false;

  explicit RawPeer(Service& s) : service(s), socket(rsm::ControlSocket::connect(s.path())) {}
  void say(const rsm::Bytes& bytes, const std::vector<int>& descriptors = {}) {
    socket.send(bytes, descriptors);
    listen();
  }
  void listen() {
    service.settleDown();
    for (;;) {
      const auto received = socket.receive(frames);
      if (received == rsm::ControlSocket::Received::kEnd) ended = true;
      if (received != rsm::ControlSocket::Received::kSome) return;
    }
  }
  static rsm::Greeting hello() { return {1, 1, 0, 77, 1 << 20, "raw", "orders", {{64, 16, 4}}}; }
  void greet() {
    say(rsm::encodeHello(hello()));
    CHECK_EQ(frames.size(), 1);
    CHECK_EQ(frames.at(0).kind, rsm::ControlKind::kWelcome);
    frames.clear();
  }
  rsm::Refuse refusal() const {
    if (frames.empty() || frames.back().kind != rsm::ControlKind::kRefuse) return {};
    return rsm::decodeRefuse(frames.back().body.data(), frames.back().body.size());
  }
  /// Refused with this code and a text that has these words; the connection is closed and the service's own client goes on.
  void expectRefused(const std::string& code, const std::string& words) {
    CHECK_EQ(refusal().code, code);
    if (!has(refusal().text, words)) check::fail(__FILE__, __LINE__, "\"" + refusal().text + "\" does not say \"" + words + "\"");
    CHECK(ended);
    CHECK_EQ(service.server.endpoint.connections(), 1);
    const std::size_t before = service.server.said.messages.size();
    CHECK(check::runUntil({&service.server, &service.client}, [&] { return service.client.committed(service.here, "undisturbed"); }));
    service.settleDown();
    CHECK_EQ(service.server.said.messages.size(), before + 1);
  }
};

/// The client's part of forming, with real regions that a test may spoil.
struct Forming {
  rsm::ChannelLayout mine = rsm::layOut(RawPeer::hello().receive);
  rsm::DescribedTarget described;
  rsm::FileDescriptor target, release;
  rsm::DoorbellPipe bell;

  Forming() {
    const auto theirs = rsm::layOut(endpointOptions(true).receive);
    described = {mine.targetSize, theirs.releaseSize, mine.segments};
    target = region(mine.targetSize);
    release = region(theirs.releaseSize);
  }
  static rsm::FileDescriptor region(uint64_t size) {
    const rsm::Region r = rsm::Region::allocate(size);
    return check::duplicate(r.fd());
  }
  void offer(RawPeer& peer) {
    peer.say(rsm::encode(rsm::ControlKind::kRegister, described), {target.get(), release.get(), bell.writingFd()});
    if (!peer.ended) peer.say(rsm::encodeObtain());
  }
};

}  // namespace

TEST("connections beyond maxConnections are refused, and one that ends makes room") {
  auto options = endpointOptions(true);
  options.maxConnections = 2;
  Service service(options);
  const uint32_t second = service.connect(service.client);
  const uint32_t third = service.connect(service.client);
  CHECK_EQ(service.client.said.connected.size(), 2);
  CHECK_EQ(service.client.said.closed.size(), 1);
  CHECK_EQ(service.client.said.closed.at(0).connection, third);
  CHECK_EQ(service.client.said.closed.at(0).code, codes::kBackpressure);
  CHECK(has(service.client.said.closed.at(0).reason, "maxConnections (2)"));
  service.client.endpoint.close(second);
  service.settleDown();
  service.connect(service.client);
  CHECK_EQ(service.client.said.connected.size(), 3);
}

TEST("a connection whose segments do not fit into maxMemory is refused at its first message; the others keep theirs") {
  auto options = endpointOptions(true);
  const uint64_t one = rsm::layOut(options.receive).targetSize + rsm::layOut(endpointOptions(false).receive).releaseSize;
  options.maxMemory = one + one / 2;
  Service service(options);
  service.form();
  CHECK_EQ(service.server.endpoint.reservedBytes(), one);
  const uint32_t second = service.connect(service.client);
  service.client.send(second, "x");
  service.settleDown();
  CHECK_EQ(service.client.said.closed.size(), 1);
  CHECK_EQ(service.client.said.closed.at(0).code, codes::kBackpressure);
  CHECK(has(service.client.said.closed.at(0).reason, "maxMemory"));
  CHECK_EQ(service.server.endpoint.reservedBytes(), one);
  CHECK(service.client.committed(service.here, "x"));
  service.settleDown();
  CHECK_EQ(service.server.said.messages.size(), 1);
}

TEST("the client's own maxMemory holds too") {
  auto options = endpointOptions(false);
  options.maxMemory = 4096;
  Service service(endpointOptions(true), options);
  service.client.send(service.here, "x");
  service.settleDown();
  CHECK_EQ(service.client.said.closed.size(), 1);
  CHECK_EQ(service.client.said.closed.at(0).code, codes::kBackpressure);
  CHECK_EQ(service.client.endpoint.reservedBytes(), 0);
  CHECK_EQ(service.server.endpoint.connections(), 0);
}

TEST("M12: an assembly grows with the bytes that arrive; where they do not fit into maxMemory the connection ends and they are given back") {
  auto options = endpointOptions(true);
  const uint64_t one = rsm::layOut(options.receive).targetSize + rsm::layOut(endpointOptions(false).receive).releaseSize;
  options.maxMemory = one + 100'000;
  Service service(options);
  service.form();
  CHECK(service.client.committed(service.here, pattern(90'000, 1)));
  service.settleDown();
  CHECK_EQ(service.server.said.messages.size(), 1);
  CHECK_EQ(service.server.endpoint.reservedBytes(), one);
  CHECK(service.client.committed(service.here, pattern(110'000, 1)));
  service.settleDown();
  CHECK_EQ(service.server.said.messages.size(), 1);
  CHECK_EQ(service.client.said.closed.at(0).code, codes::kBackpressure);
  CHECK_EQ(service.client.said.closed.at(0).unfinished.size(), 1);
  CHECK_EQ(service.server.endpoint.reservedBytes(), 0);
}

TEST("of too many handshakes at once the oldest goes; the newest is served") {
  auto options = endpointOptions(true);
  options.maxHandshakes = 3;
  Service service(options);
  service.form();
  std::deque<RawPeer> silent;
  for (int i = 0; i < 5; ++i) silent.emplace_back(service);
  for (auto& peer : silent) peer.listen();
  CHECK(silent[0].ended && silent[1].ended);
  CHECK(has(silent[0].refusal().text, "too many handshakes"));
  CHECK(!silent[2].ended && !silent[3].ended && !silent[4].ended);
  service.connect(service.client);
  CHECK_EQ(service.client.said.connected.size(), 2);
  silent[4].greet();  // a slow one that is still within the limit
}

TEST("silent handshakes do not use up maxConnections: the oldest goes for a new client, until all are clients") {
  auto options = endpointOptions(true);
  options.maxConnections = 3;
  Service service(options);
  service.form();
  std::deque<RawPeer> silent;
  for (int i = 0; i < 2; ++i) silent.emplace_back(service);
  for (auto& peer : silent) peer.listen();
  for (std::size_t i = 0; i < 2; ++i) {
    service.connect(service.client);
    CHECK_EQ(service.client.said.connected.size(), 2 + i);
    for (auto& peer : silent) peer.listen();
    CHECK(silent[i].ended);
    CHECK_EQ(silent[i].refusal().code, std::string(codes::kBackpressure));
    CHECK_EQ(silent[1].ended, i == 1);
  }
  service.connect(service.client);
  CHECK_EQ(service.client.said.connected.size(), 3);
  CHECK(has(service.client.said.closed.at(0).reason, "maxConnections (3)"));
  RawPeer late(service);
  late.listen();
  CHECK(late.ended);
  CHECK_EQ(service.server.endpoint.connections(), 3);
}

TEST("of a burst of clients beyond maxHandshakes none is sent away whose greeting has come") {
  auto options = endpointOptions(true);
  options.maxHandshakes = 3;
  Service service(options);
  std::deque<RawPeer> burst;
  for (int i = 0; i < 20; ++i) {
    burst.emplace_back(service);
    if (i % 2 == 0) burst.back().socket.send(rsm::encodeHello(RawPeer::hello()));  // the server has not looked yet
  }
  for (auto& peer : burst) peer.listen();
  for (std::size_t i = 0; i < burst.size(); ++i) {
    CHECK_EQ(burst[i].ended, i % 2 == 1 && i < 14);  // of the silent ones the last three are left
    if (i % 2 == 0) CHECK_EQ(burst[i].frames.at(0).kind, rsm::ControlKind::kWelcome);
  }
  CHECK_EQ(service.server.said.connected.size(), 11);  // the service's own client among them
}

TEST("a handshake that is not finished in time is refused; a greeted connection may stay silent for ever") {
  Service service;
  service.form();
  RawPeer silent(service);
  RawPeer dripping(service);
  RawPeer greeted(service);
  greeted.greet();
  const rsm::Bytes hello = rsm::encodeHello(RawPeer::hello());
  for (std::size_t at = 0; at < 10; ++at) {
    dripping.say({hello[at]});
    service.server.loop.advance(490);
  }
  silent.listen();
  CHECK(!silent.ended && !dripping.ended);
  for (int i = 0; i < 20; ++i) {
    service.server.loop.advance(50);
    service.settleDown();
  }
  silent.listen();
  dripping.listen();
  CHECK(silent.ended && dripping.ended);
  CHECK(has(silent.refusal().text, "5000 ms"));
  service.server.loop.advance(10'000'000);
  greeted.listen();
  CHECK(!greeted.ended);
  CHECK_EQ(service.server.endpoint.connections(), 2);
  CHECK_EQ(service.server.endpoint.counters().refused, 2);
}

TEST("a client that asks for another service, or speaks another version, is refused with what to do") {
  Service service;
  service.form();
  rsm::Greeting hello = RawPeer::hello();
  hello.service = "billing";
  RawPeer wrong(service);
  wrong.say(rsm::encodeHello(hello));
  wrong.expectRefused(codes::kProtocolMismatch, "service billing, this is orders");
  for (const auto& [from, to] : {std::pair<uint16_t, uint16_t>{0, 0}, {2, 9}, {65535, 65535}}) {
    hello = RawPeer::hello();
    hello.versionMin = from;
    hello.versionMax = to;
    RawPeer other(service);
    other.say(rsm::encodeHello(hello));
    other.expectRefused(codes::kProtocolMismatch, "same release");
  }
  hello = RawPeer::hello();
  hello.versionMin = 0;
  hello.versionMax = 9;  // ours among them
  RawPeer range(service);
  range.say(rsm::encodeHello(hello));
  CHECK(!range.ended);
  hello = RawPeer::hello();
  hello.receive = {{64, 16, 17}};
  range.socket = rsm::ControlSocket::connect(service.path());
  range.frames.clear();
  range.say(rsm::encodeHello(hello));
  CHECK(range.ended && has(range.refusal().text, "spanFactor"));
}

TEST("frames out of turn and bytes that are none end their own connection only") {
  Service service;
  service.form();
  const rsm::Bytes wrongs[] = {rsm::encodeObtain(), rsm::encodeNotice(1), rsm::encodeWelcome(rsm::Greeting{1, 1, 0, 1, 1, "a", "orders", {{1, 1, 1}}}),
                               rsm::encode(rsm::Refuse{"x", "y"})};
  for (const rsm::Bytes& frame : wrongs) {
    RawPeer early(service);
    early.say(frame);
    early.expectRefused(codes::kProtocolMismatch, "out of turn");
  }
  {
    RawPeer late(service);
    late.greet();
    late.say(rsm::encodeHello(RawPeer::hello()));
    late.expectRefused(codes::kProtocolMismatch, "out of turn");
  }
  {
    RawPeer obtains(service);
    obtains.greet();
    obtains.say(rsm::encodeObtain());
    obtains.expectRefused(codes::kProtocolMismatch, "out of turn");
  }
  {
    RawPeer http(service);
    const char* request = "GET / HTTP/1.1\r\n\r\n";
    http.say({reinterpret_cast<const std::byte*>(request), reinterpret_cast<const std::byte*>(request) + 18});
    http.expectRefused(codes::kProtocolMismatch, "does not speak nestjs-rsm");
  }
}

TEST("regions and bells that are not what was agreed end their own connection, and leave nothing open or mapped") {
  Service service;
  service.form();
  service.settleDown();
  const auto descriptors = check::openDescriptors().size();
  const int mapped = check::mappedRegions();
  const uint64_t reserved = service.server.endpoint.reservedBytes();
  const auto spoilt = [&](const std::string& code, const char* words, const std::function<void(Forming&)>& spoil) {
    {
      Forming forming;
      spoil(forming);
      RawPeer peer(service);
      peer.greet();
      forming.offer(peer);
      peer.expectRefused(code, words);
    }
    service.settleDown();
    CHECK_EQ(check::openDescriptors().size(), descriptors);
    CHECK_EQ(check::mappedRegions(), mapped);
    CHECK_EQ(service.server.endpoint.reservedBytes(), reserved);
  };
  const auto unsealed = [](uint64_t size) {
    rsm::FileDescriptor fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    CHECK_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    return fd;
  };
  const std::string corrupt = codes::kCorruptSegment;
  spoilt(corrupt, "not sealed", [&](Forming& f) { f.target = unsealed(f.mine.targetSize); });
  spoilt(corrupt, "not sealed", [&](Forming& f) { f.release = unsealed(f.described.releaseSize); });
  spoilt(corrupt, "were agreed", [](Forming& f) { f.target = Forming::region(f.mine.targetSize - layout::kPage); });
  spoilt(corrupt, "were agreed", [](Forming& f) { std::swap(f.target, f.release); });
  spoilt(corrupt, "other segments", [](Forming& f) { f.described.releaseSize += layout::kPage; });
  spoilt(corrupt, "other segments", [](Forming& f) {
    f.described.segments = rsm::layOut({{64, 4096, 4}}).segments;
    f.described.targetSize = rsm::layOut({{64, 4096, 4}}).targetSize;
  });
  spoilt(corrupt, "target region", [](Forming& f) { f.described.segments[0].offset = 0; });
  spoilt(codes::kBackpressure, "larger than maxMemory", [](Forming& f) { f.described.targetSize = uint64_t{1} << 40; });
  spoilt(codes::kProtocolMismatch, "no segment", [](Forming& f) { f.described.segments.clear(); });
}

TEST("a peer whose memory breaks the rules loses its connection with a reason; another goes on") {
  const auto hostile = [](const char* words, const std::function<void(rsm::Region& target, rsm::Region& release, const rsm::ChannelLayout&)>& act) {
    auto options = endpointOptions(true);
    options.maxMessageSize = 10'000;
    Service service(options);
    service.form();
    Forming forming;
    RawPeer peer(service);
    peer.greet();
    forming.offer(peer);
    CHECK(!peer.ended);
    CHECK_EQ(peer.frames.size(), 1);
    if (peer.frames.size() != 1) return;
    auto& frame = peer.frames.at(0);
    const auto theirs = rsm::decodeTarget(frame.body.data(), frame.body.size());
    rsm::Region target = rsm::Region::adopt(std::move(frame.descriptors.at(0)), theirs.targetSize);
    rsm::Region release = rsm::Region::adopt(std::move(frame.descriptors.at(1)), theirs.releaseSize);
    rsm::Doorbell bell = rsm::Doorbell::adopt(std::move(frame.descriptors.at(2)));
    peer.frames.clear();
    act(target, release, rsm::layOutDescribed(theirs.segments, theirs.targetSize));
    bell.ring();
    peer.listen();
    peer.expectRefused(codes::kCorruptSegment, words);
    CHECK_EQ(service.server.said.closed.size(), 1);
    CHECK_EQ(service.server.said.closed.at(0).code, codes::kCorruptSegment);
  };
  hostile("group 9", [](rsm::Region& target, rsm::Region&, const rsm::ChannelLayout&) {
    auto* slot = reinterpret_cast<layout::OrderSlot*>(target.data() + layout::kOrderRingOffset) + 1;
    slot->body.store(uint64_t{9} << 32);
    slot->sequence.store(1);
  });
  hostile("which is not in flight", [](rsm::Region&, rsm::Region& release, const rsm::ChannelLayout&) {
    auto* record = reinterpret_cast<layout::ReleaseRecord*>(release.data() + layout::kReleaseRingOffset);
    record->body.store(5 << 4 | 1);
    record->stamp.store(1);
  });
  hostile("maxMessageSize", [](rsm::Region& target, rsm::Region&, const rsm::ChannelLayout& l) {
    for (uint32_t i = 0; i < 20; ++i) {  // fragments without a last one: 20 of 1,024 bytes
      auto* entry = reinterpret_cast<layout::DirectoryEntry*>(target.data() + l.segments[1].directoryOffset) + i;
      entry->word0.store(uint64_t{1024} << 32 | layout::kEndOfSpan);
      entry->word1.store(uint64_t{layout::kMarkFirst | layout::kMarkFragment} << 48);
      auto* slot = reinterpret_cast<layout::OrderSlot*>(target.data() + layout::kOrderRingOffset) + i + 1;
      slot->body.store(uint64_t{1} << 32 | i);
      slot->sequence.store(i + 1);
    }
  });
}

TEST("a greeting that came in time is read, however late this side looks") {
  Service service;
  RawPeer raw(service);
  service.settleDown();
  raw.socket.send(rsm::encodeHello(RawPeer::hello()));
  service.server.loop.advance(endpointOptions(true).handshakeTimeout + 1);
  CHECK(check::runUntil({&service.server}, [&] { return service.server.said.connected.size() == 2; }));

  Node client(endpointOptions(false));
  client.endpoint.connect(service.path());
  CHECK(check::settleDown({&service.server}));
  client.loop.advance(endpointOptions(false).handshakeTimeout + 1);
  CHECK(check::settleDown({&service.server, &client}));
  CHECK_EQ(client.said.connected.size(), 1);
  CHECK_EQ(client.said.closed.size(), 0);
}

TEST("a connection that cannot be watched is refused; the listener goes on") {
  Service service;
  service.server.loop.refusesWatches = true;
  Node client(endpointOptions(false));
  service.connect(client);
  CHECK_EQ(client.said.closed.size(), 1);
  service.server.loop.refusesWatches = false;
  service.connect(client);
  CHECK_EQ(client.said.connected.size(), 1);
}
