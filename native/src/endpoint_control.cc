// The control plane of an endpoint: sockets, handshake, forming of segment groups, and the ways a connection ends.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "crash_point.hpp"
#include "endpoint.hpp"
#include "failure.hpp"
#include "mapped_interconnect.hpp"

namespace rsm {
namespace {

constexpr uint64_t kNanos = 1'000'000;
constexpr uint64_t kGreetingTick = 100;   // ms
constexpr uint64_t kAcceptAgain = 100;    // ms
constexpr int kAcceptsPerTurn = 64;
constexpr std::size_t kDrainAll = 1 << 20;

template <class T>
bool contains(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

void forget(std::vector<uint32_t>& list, uint32_t id) { list.erase(std::remove(list.begin(), list.end(), id), list.end()); }

}  // namespace

void Endpoint::listen(const std::string& path, std::optional<uint32_t> gid) {
  listening_ = std::make_unique<ListeningSocket>(path, gid);
  loop_.watch(listening_->fd(), [this] { acceptAll(); });
  RSM_CRASH_POINT("listen.watched");
}

void Endpoint::stopListening() {
  if (!listening_) return;
  if (!acceptPaused_) loop_.unwatch(listening_->fd());
  listening_.reset();
}

void Endpoint::acceptAll() {
  for (int i = 0; i < kAcceptsPerTurn && listening_; ++i) {
    bool exhausted = false;
    FileDescriptor fd = listening_->accept(exhausted);
    if (exhausted) {  // the socket stays readable: look again in a while instead of spinning
      loop_.unwatch(listening_->fd());
      acceptPaused_ = true;
      watchGreetings();
      return;
    }
    if (!fd.valid()) return;
    Connection& c = add(ControlSocket(std::move(fd)));
    c.greetingDeadline = loop_.now() + options_.handshakeTimeout * kNanos;
    greetings_.push_back(c.id);
    RSM_CRASH_POINT("accept.added");
    try {
      c.peer.credentials = c.control->credentials();
      checkPeer(c.peer.credentials);
      if (live_ > options_.maxConnections)
        throw Failure(codes::kBackpressure, "the server has all the connections that its maxConnections (" +
                                                std::to_string(options_.maxConnections) + ") allows");
    } catch (const Failure& failure) {
      refuse(c, failure.code(), failure.what());
      continue;
    }
    RSM_CRASH_POINT("accept.checked");
    // Somebody who holds handshakes open must not keep others out: the oldest one goes.
    if (greetings_.size() > options_.maxHandshakes) {
      const uint32_t oldest = greetings_.front();
      greetings_.pop_front();
      if (Connection* slow = get(oldest); slow && slow->state == Connection::State::kGreeting)
        refuse(*slow, codes::kBackpressure, "too many handshakes at once");
    }
    watchControl(c);
    watchGreetings();
  }
}

uint32_t Endpoint::connect(const std::string& path) {
  ControlSocket socket = ControlSocket::connect(path);
  const Credentials credentials = socket.credentials();
  checkPeer(credentials);
  RSM_CRASH_POINT("connect.checked");
  Hello hello;
  hello.versionMin = hello.versionMax = layout::kProtocolVersion;
  hello.incarnation = incarnation_;
  hello.maxMessageSize = options_.maxMessageSize;
  hello.identity = options_.identity;
  hello.service = options_.service;
  hello.receive = options_.receive;
  socket.send(encode(hello));
  RSM_CRASH_POINT("hello.sent");
  Connection& c = add(std::move(socket));
  c.peer.credentials = credentials;
  watchControl(c);
  RSM_CRASH_POINT("hello.watched");
  return c.id;
}

Connection& Endpoint::add(ControlSocket socket) {
  uint32_t id;
  if (freeSlots_.empty()) {
    id = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    id = freeSlots_.back();
    freeSlots_.pop_back();
  }
  slots_[id] = std::make_unique<Connection>(id, std::move(socket));
  slots_[id]->requestCredit = options_.requestCredit;
  ++live_;
  return *slots_[id];
}

void Endpoint::checkPeer(const Credentials& peer) const {
  if (peer.uid == ::geteuid() || peer.uid == 0 || contains(options_.allowUids, peer.uid) || contains(options_.allowGids, peer.gid)) return;
  for (const uint32_t group : peer.groups)
    if (contains(options_.allowGids, group)) return;
  throw Failure(codes::kPermissionDenied, "a process of uid " + std::to_string(peer.uid) + ", gid " + std::to_string(peer.gid) +
                                              " is not allowed here (process uid " + std::to_string(::geteuid()) +
                                              "); name it in the option allow");
}

void Endpoint::watchControl(Connection& c) {
  loop_.watch(c.control->fd(), [this, id = c.id] { controlReadable(id); });
}

void Endpoint::controlReadable(uint32_t id) {
  Connection* c = get(id);
  if (!c || !c->control || c->ending) return;
  std::deque<ControlFrame> frames;
  try {
    const ControlSocket::Received received = c->control->receive(frames);
    for (ControlFrame& frame : frames) {
      handle(*c, frame);
      if (destroyed_) return;
      c = get(id);
      if (!c || c->ending || !c->control) return;
    }
    if (received == ControlSocket::Received::kEnd) hangUp(*c);
  } catch (const Failure& failure) {
    if (destroyed_) return;
    if ((c = get(id)) && !c->ending) refuse(*c, failure.code(), failure.what());
  }
}

void Endpoint::handle(Connection& c, ControlFrame& frame) {
  using State = Connection::State;
  const std::byte* body = frame.body.data();
  const std::size_t length = frame.body.size();
  const bool listener = options_.listener;
  if (frame.kind == ControlKind::kHello && listener && c.state == State::kGreeting) return greeted(c, decodeHello(body, length));
  if (frame.kind == ControlKind::kWelcome && !listener && c.state == State::kGreeting) return welcomed(c, decodeWelcome(body, length));
  if (frame.kind == ControlKind::kRegister && listener && c.state == State::kOpen) return registered(c, frame);
  if (frame.kind == ControlKind::kObtain && listener && c.state == State::kForming) return obtained(c);
  if (frame.kind == ControlKind::kDescriptors && !listener && c.state == State::kForming) return formed(c, frame);
  if (frame.kind == ControlKind::kRefuse && !listener) {
    const Refuse refusal = decodeRefuse(body, length);
    static const char* const known[] = {codes::kPermissionDenied, codes::kBackpressure, codes::kCorruptSegment, codes::kConnectionLost};
    const char* code = codes::kProtocolMismatch;
    for (const char* candidate : known)
      if (refusal.code == candidate) code = candidate;
    return end(c, code, "the server refused: " + refusal.text);
  }
  if (frame.kind == ControlKind::kNotice && c.state != State::kGreeting) return observer_.onNotice(c.id, decodeNotice(body, length));
  throw Failure(codes::kProtocolMismatch, "the peer sent control frame " + std::to_string(static_cast<int>(frame.kind)) + " out of turn");
}

void Endpoint::greeted(Connection& c, const Hello& hello) {
  if (hello.versionMin > layout::kProtocolVersion || hello.versionMax < layout::kProtocolVersion)
    throw Failure(codes::kProtocolMismatch, "the client speaks protocol versions " + std::to_string(hello.versionMin) + " to " +
                                                std::to_string(hello.versionMax) + ", this server version " +
                                                std::to_string(layout::kProtocolVersion) + ": bring both to the same release");
  if (hello.service != options_.service)
    throw Failure(codes::kProtocolMismatch, "the client asks for service " + hello.service + ", this is " + options_.service);
  RSM_CRASH_POINT("hello.received");
  layOut(hello.receive);  // refused now rather than at the first message
  c.peer.identity = hello.identity;
  c.peer.service = hello.service;
  c.peer.maxMessageSize = hello.maxMessageSize;
  c.peer.incarnation = hello.incarnation;
  c.peer.receive = hello.receive;
  Welcome welcome;
  welcome.version = layout::kProtocolVersion;
  welcome.incarnation = incarnation_;
  welcome.maxMessageSize = options_.maxMessageSize;
  welcome.identity = options_.identity;
  welcome.service = options_.service;
  welcome.receive = options_.receive;
  c.control->send(encode(welcome));
  RSM_CRASH_POINT("welcome.sent");
  c.state = Connection::State::kOpen;
  const auto at = std::find(greetings_.begin(), greetings_.end(), c.id);
  if (at != greetings_.end()) greetings_.erase(at);
  observer_.onConnection(c.id, c.peer);
}

void Endpoint::welcomed(Connection& c, const Welcome& welcome) {
  if (welcome.version != layout::kProtocolVersion)
    throw Failure(codes::kProtocolMismatch, "the server speaks protocol version " + std::to_string(welcome.version) + ", this client " +
                                                std::to_string(layout::kProtocolVersion));
  RSM_CRASH_POINT("welcome.received");
  layOut(welcome.receive);
  c.peer.identity = welcome.identity;
  c.peer.service = welcome.service;
  c.peer.maxMessageSize = welcome.maxMessageSize;
  c.peer.incarnation = welcome.incarnation;
  c.peer.receive = welcome.receive;
  c.state = Connection::State::kOpen;
  observer_.onConnection(c.id, c.peer);
}

void Endpoint::reserve(Connection& c, uint64_t bytes) {
  if (reserved_ + bytes > options_.maxMemory)
    throw Failure(codes::kBackpressure, "another connection needs " + std::to_string(bytes) + " bytes of segments, which maxMemory (" +
                                            std::to_string(options_.maxMemory) + " bytes) does not leave");
  reserved_ += bytes;
  c.reserved += bytes;
}

/// M7, step 1: the target buffer, and beside it the release region of the channel the other way.
DescribedTarget Endpoint::allocateTarget(Connection& c, Region& target, Region& release) {
  const uint64_t releaseSize = layOut(c.peer.receive).releaseSize;
  reserve(c, receiveLayout_.targetSize + releaseSize);
  target = Region::allocate(receiveLayout_.targetSize);
  RSM_CRASH_POINT("form.target");
  release = Region::allocate(releaseSize);
  RSM_CRASH_POINT("form.release");
  c.bellIn.emplace();
  RSM_CRASH_POINT("form.bell");
  return {receiveLayout_.targetSize, releaseSize, receiveLayout_.segments};
}

void Endpoint::beginForming(Connection& c) {
  if (options_.listener || c.state != Connection::State::kOpen) return;
  c.state = Connection::State::kForming;
  try {
    const DescribedTarget mine = allocateTarget(c, c.formingTarget, c.formingRelease);
    // M7, steps 2 and 3, as the client takes them: it registers with the server's segment manager, and obtains from it.
    c.control->send(encode(ControlKind::kRegister, mine), {c.formingTarget.fd(), c.formingRelease.fd(), c.bellIn->writingFd()});
    RSM_CRASH_POINT("register.sent");
    c.control->send(encodeObtain());
    RSM_CRASH_POINT("obtain.sent");
  } catch (const Failure& failure) {
    return fail(c, failure.code(), failure.what());
  }
  c.formingTarget.closeDescriptor();
  c.formingRelease.closeDescriptor();
  c.bellIn->closeWritingEnd();
  RSM_CRASH_POINT("register.closed");
}

void Endpoint::registered(Connection& c, ControlFrame& frame) {
  manager_.registerTarget(c.id, Direction::kOut, decodeTarget(frame.body.data(), frame.body.size()));
  c.registeredDescriptors = std::move(frame.descriptors);
  RSM_CRASH_POINT("register.received");
  c.state = Connection::State::kForming;
}

void Endpoint::obtained(Connection& c) {
  RSM_CRASH_POINT("obtain.received");
  Region target;
  Region release;
  manager_.registerTarget(c.id, Direction::kIn, allocateTarget(c, target, release));  // M7, step 2
  RSM_CRASH_POINT("descriptors.registered");
  const DescribedTarget* mine = manager_.obtain(c.id, Direction::kIn);
  c.control->send(encode(ControlKind::kDescriptors, *mine), {target.fd(), release.fd(), c.bellIn->writingFd()});
  RSM_CRASH_POINT("descriptors.sent");
  target.closeDescriptor();
  release.closeDescriptor();
  c.bellIn->closeWritingEnd();
  const DescribedTarget* theirs = manager_.obtain(c.id, Direction::kOut);  // M7, step 3
  formImage(c, *theirs, c.registeredDescriptors, std::move(target), std::move(release));
  c.registeredDescriptors.clear();
}

void Endpoint::formed(Connection& c, ControlFrame& frame) {
  RSM_CRASH_POINT("descriptors.received");
  const DescribedTarget theirs = decodeTarget(frame.body.data(), frame.body.size());
  formImage(c, theirs, frame.descriptors, std::move(c.formingTarget), std::move(c.formingRelease));
}

/// M7, step 4: the sender's image of the peer's target segments; from here on the groups carry messages.
void Endpoint::formImage(Connection& c, const DescribedTarget& theirs, std::vector<FileDescriptor>& descriptors, Region ownTarget,
                         Region ownRelease) {
  ChannelLayout out = layOutDescribed(theirs.segments, theirs.targetSize);
  if (out.releaseSize != ownRelease.size() || theirs.releaseSize != receiveLayout_.releaseSize)
    throw Failure(codes::kCorruptSegment, "the peer described other segments than it announced in its greeting");
  if (theirs.targetSize > options_.maxMemory)
    throw Failure(codes::kBackpressure, "the peer's target region of " + std::to_string(theirs.targetSize) + " bytes is larger than maxMemory");
  Region image = Region::adopt(std::move(descriptors[0]), theirs.targetSize);
  RSM_CRASH_POINT("adopt.target");
  Region releases = Region::adopt(std::move(descriptors[1]), theirs.releaseSize);
  RSM_CRASH_POINT("adopt.release");
  c.bellOut = Doorbell::adopt(std::move(descriptors[2]));
  RSM_CRASH_POINT("adopt.bell");
  c.source = std::make_unique<SourceChannel>(std::move(out), std::make_unique<MappedInterconnect>(std::move(image)), std::move(ownRelease),
                                             c.peer.maxMessageSize);
  c.target = std::make_unique<TargetChannel>(receiveLayout_, std::move(ownTarget), std::make_unique<MappedInterconnect>(std::move(releases)));
  c.state = Connection::State::kFormed;
  RSM_CRASH_POINT("form.formed");
  enterTables(c);
  RSM_CRASH_POINT("form.entered");
  loop_.watch(c.bellIn->fd(), [this, id = c.id] { bellHeard(id); });
  RSM_CRASH_POINT("form.watched");
  activate(c);
  if (c.wantsRoom) roomList_.push_back(c.id);
  startPolling();
}

void Endpoint::enterTables(Connection& c) {
  const auto enter = [&](const ChannelLayout& layout, bool source, Direction direction) {
    for (uint32_t number = 0; number < layout.segments.size(); ++number) {
      const uint32_t segment = segmentTable_.add({c.id, source, c.source->interconnect(), layout.segments[number]});
      groupTable_.add({c.id, direction, number, segment});
    }
  };
  enter(c.source->layout(), true, Direction::kOut);
  enter(c.target->layout(), false, Direction::kIn);
}

void Endpoint::refuse(Connection& c, const char* code, const std::string& text) {
  ++counters_.refused;
  if (options_.listener && c.control) {
    try {
      c.control->send(encode(Refuse{code, text}));
      RSM_CRASH_POINT("refuse.sent");
    } catch (const Failure&) {
      // It will see the hang-up.
    }
  }
  end(c, code, text);
}

void Endpoint::notice(uint32_t code) {
  for (const auto& slot : slots_) {
    if (!slot || !slot->control || !slot->open()) continue;
    try {
      slot->control->send(encodeNotice(code));
      RSM_CRASH_POINT("notice.sent");
    } catch (const Failure& failure) {
      end(*slot, failure.code(), failure.what());
    }
  }
}

void Endpoint::close(uint32_t id) {
  if (Connection* c = get(id); c && c->state != Connection::State::kClosed && !c->ending) end(*c, "", "");
}

void Endpoint::fail(Connection& c, const char* code, const std::string& reason) { refuse(c, code, reason); }

void Endpoint::end(Connection& c, const char* code, const std::string& reason) {
  if (c.ending) return;
  c.ending = true;
  c.endCode = code;
  c.endReason = reason;
  RSM_CRASH_POINT("end.begun");
  if (c.source && !c.hungUp) {
    released_.clear();
    c.source->takeReleases(released_);
    for (auto& r : released_) reports_.push_back({c.id, std::move(r)});
  }
  closeControl(c);
  ending_.push_back(c.id);
  startPolling();
}

void Endpoint::closeControl(Connection& c) {
  if (c.control) {
    loop_.unwatch(c.control->fd());
    c.control.reset();
    RSM_CRASH_POINT("close.control");
  }
  if (c.bellIn) {
    loop_.unwatch(c.bellIn->fd());
    c.bellIn.reset();
    RSM_CRASH_POINT("close.bell");
  }
}

void Endpoint::hangUp(Connection& c) {
  c.hungUp = true;
  RSM_CRASH_POINT("hangup.heard");
  closeControl(c);
  if (c.formed()) {
    // What the peer committed outlives it: all of it is read now, and delivered before the connection ends.
    while (c.drain(kDrainAll)) {
    }
    if (!c.target->corrupt().empty()) return end(c, codes::kCorruptSegment, c.target->corrupt());
    enqueue(c);
    RSM_CRASH_POINT("hangup.drained");
    released_.clear();
    c.source->takeReleases(released_);
    for (auto& r : released_) reports_.push_back({c.id, std::move(r)});
  }
  ending_.push_back(c.id);
  startPolling();
  observer_.onHangup(c.id);
}

void Endpoint::finishEnded() {
  if (ending_.empty()) return;
  std::vector<uint32_t> list = std::exchange(ending_, {});
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  for (const uint32_t id : list) {
    Connection* c = get(id);
    if (!c) continue;
    if (c->state == Connection::State::kClosed) {
      if (c->unsettled == 0) drop(*c);
      continue;
    }
    if (!c->ending) {
      if (c->referencesLeft()) {
        if (nextLane(*c) >= 0) ending_.push_back(id);  // else a settlement brings the credit, and this connection back here
        continue;
      }
      if (c->unsettled) continue;
      c->endCode = codes::kConnectionLost;
      c->endReason = "the peer hung up";
    }
    std::vector<UnfinishedMessage> unfinished;
    if (c->source) unfinished = c->source->unfinished();
    RSM_CRASH_POINT("ended.unfinished");
    c->state = Connection::State::kClosed;
    for (Bytes& assembly : c->assemblies) reserved_ -= assembly.size();
    reserved_ -= c->reserved;
    --live_;
    segmentTable_.removeConnection(id);
    groupTable_.removeConnection(id);
    manager_.removeConnection(id);
    forget(active_, id);
    forget(pending_, id);
    const auto greeting = std::find(greetings_.begin(), greetings_.end(), id);
    if (greeting != greetings_.end()) greetings_.erase(greeting);
    const std::string reason = c->endReason;
    const char* code = c->endCode;
    RSM_CRASH_POINT("ended.forgotten");
    c->source.reset();
    RSM_CRASH_POINT("ended.source");
    c->target.reset();
    RSM_CRASH_POINT("ended.target");
    c->bellOut.reset();
    RSM_CRASH_POINT("ended.bell");
    c->registeredDescriptors.clear();
    c->formingTarget = Region();
    c->formingRelease = Region();
    observer_.onClosed(id, code, reason, unfinished);
    RSM_CRASH_POINT("ended.reported");
    if (destroyed_) return;
    c = get(id);
    if (c && c->unsettled == 0) drop(*c);
  }
}

void Endpoint::drop(Connection& c) {
  const uint32_t id = c.id;
  counters_.doorbellsRung += slots_[id]->rings;
  slots_[id].reset();
  freeSlots_.push_back(id);
  RSM_CRASH_POINT("ended.dropped");
}

void Endpoint::watchGreetings() {
  if (std::exchange(greetingsWatched_, true)) return;
  loop_.timer(acceptPaused_ ? kAcceptAgain : kGreetingTick, [this] { greetingsTick(); });
}

void Endpoint::greetingsTick() {
  greetingsWatched_ = false;
  if (acceptPaused_ && listening_) {
    acceptPaused_ = false;
    loop_.watch(listening_->fd(), [this] { acceptAll(); });
  }
  const uint64_t now = loop_.now();
  while (!greetings_.empty()) {
    Connection* c = get(greetings_.front());
    if (c && c->state == Connection::State::kGreeting && !c->ending) {
      if (c->greetingDeadline > now) break;
      refuse(*c, codes::kProtocolMismatch, "it did not finish its handshake within " + std::to_string(options_.handshakeTimeout) + " ms");
    }
    greetings_.pop_front();
  }
  if (!greetings_.empty()) watchGreetings();
}

void Endpoint::destroy() {
  if (destroyed_) return;
  destroyed_ = true;
  loop_.close();
  RSM_CRASH_POINT("destroy.begun");
  listening_.reset();
  slots_.clear();
  RSM_CRASH_POINT("destroy.done");
  active_.clear();
  pending_.clear();
}

}  // namespace rsm
