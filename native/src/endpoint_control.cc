// The control plane of an endpoint: sockets, who may connect, handshake, notices.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "crash_point.hpp"
#include "endpoint.hpp"
#include "failure.hpp"

namespace rsm {
namespace {

constexpr uint64_t kNanos = 1'000'000;
constexpr uint64_t kGreetingTick = 100;   // ms
constexpr uint64_t kAcceptAgain = 100;    // ms
constexpr int kAcceptsPerTurn = 64;

template <class T>
bool contains(const std::vector<T>& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

void Endpoint::listen(const std::string& path, std::optional<uint32_t> gid) {
  listening_ = std::make_unique<ListeningSocket>(path, gid);
  loop_.watch(listening_->fd(), [this] { acceptAll(); });
  RSM_CRASH_POINT("listen.watched");
}

void Endpoint::stopListening() {
  if (!listening_) return;
  if (!acceptPaused_) loop_.unwatch(listening_->fd());
  acceptPaused_ = false;
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
    awaitGreeting(c);
    RSM_CRASH_POINT("accept.added");
    try {
      c.peer.credentials = c.control->credentials();
      checkPeer(c.peer.credentials);
      RSM_CRASH_POINT("accept.checked");
      watchControl(c);
    } catch (const Failure& failure) {
      refuse(c, failure.code(), failure.what());
      continue;
    }
    watchGreetings();
    if (!makeRoomFor(c.id)) return;
  }
}

bool Endpoint::makeRoomFor(uint32_t newcomer) {
  while (greeted_ + greetings_.size() > options_.maxConnections) {
    if (greetings_.front() == newcomer) {
      refuse(*get(newcomer), codes::kBackpressure,
             "the server has all the connections that its maxConnections (" + std::to_string(options_.maxConnections) + ") allows");
      return true;
    }
    if (!endOldestGreeting()) return false;
  }
  controlReadable(newcomer);  // most have greeted already
  while (!destroyed_ && greetings_.size() > options_.maxHandshakes)
    if (!endOldestGreeting()) return false;
  return !destroyed_ && listening_;
}

bool Endpoint::endOldestGreeting() {
  const uint32_t oldest = greetings_.front();
  controlReadable(oldest);  // it may have greeted, and this loop not have read that yet
  if (destroyed_ || !listening_) return false;
  if (!greetings_.empty() && greetings_.front() == oldest) refuse(*get(oldest), codes::kBackpressure, "too many handshakes at once");
  return true;
}

uint32_t Endpoint::connect(const std::string& path) {
  ControlSocket socket = ControlSocket::connect(path);
  const Credentials credentials = socket.credentials();
  checkPeer(credentials);
  RSM_CRASH_POINT("connect.checked");
  socket.send(encodeHello(greeting()));
  RSM_CRASH_POINT("hello.sent");
  Connection& c = add(std::move(socket));
  c.peer.credentials = credentials;
  awaitGreeting(c);
  watchControl(c);
  watchGreetings();
  RSM_CRASH_POINT("hello.watched");
  return c.id;
}

void Endpoint::awaitGreeting(Connection& c) {
  c.greetingDeadline = loop_.now() + options_.handshakeTimeout * kNanos;
  greetings_.push_back(c.id);
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
    static const char* const known[] = {codes::kPermissionDenied, codes::kBackpressure, codes::kCorruptSegment, codes::kConnectionLost,
                                        codes::kOutOfResources};
    const char* code = codes::kProtocolMismatch;
    for (const char* candidate : known)
      if (refusal.code == candidate) code = candidate;
    return end(c, code, "the server refused: " + refusal.text);
  }
  if (frame.kind == ControlKind::kNotice && c.state != State::kGreeting) return observer_.onNotice(c.id, decodeNotice(body, length));
  throw Failure(codes::kProtocolMismatch, "the peer sent control frame " + std::to_string(static_cast<int>(frame.kind)) + " out of turn");
}

Greeting Endpoint::greeting() const {
  Greeting mine;
  mine.versionMin = mine.versionMax = layout::kProtocolVersion;
  mine.incarnation = incarnation_;
  mine.maxMessageSize = options_.maxMessageSize;
  mine.identity = options_.identity;
  mine.service = options_.service;
  mine.receive = options_.receive;
  return mine;
}

void Endpoint::introduce(Connection& c, const Greeting& greeting) {
  c.peer.identity = greeting.identity;
  c.peer.service = greeting.service;
  c.peer.maxMessageSize = greeting.maxMessageSize;
  c.peer.incarnation = greeting.incarnation;
  c.peer.receive = greeting.receive;
}

void Endpoint::greeted(Connection& c, const Greeting& hello) {
  if (hello.versionMin > layout::kProtocolVersion || hello.versionMax < layout::kProtocolVersion)
    throw Failure(codes::kProtocolMismatch, "the client speaks protocol versions " + std::to_string(hello.versionMin) + " to " +
                                                std::to_string(hello.versionMax) + ", this server version " +
                                                std::to_string(layout::kProtocolVersion) + ": bring both to the same release");
  if (hello.service != options_.service)
    throw Failure(codes::kProtocolMismatch, "the client asks for service " + hello.service + ", this is " + options_.service);
  RSM_CRASH_POINT("hello.received");
  layOut(hello.receive);  // refused now rather than at the first message
  introduce(c, hello);
  c.control->send(encodeWelcome(greeting()));
  RSM_CRASH_POINT("welcome.sent");
  c.state = Connection::State::kOpen;
  forgetGreeting(c.id);
  ++greeted_;
  observer_.onConnection(c.id, c.peer);
}

void Endpoint::welcomed(Connection& c, const Greeting& welcome) {
  if (welcome.versionMax != layout::kProtocolVersion)
    throw Failure(codes::kProtocolMismatch, "the server speaks protocol version " + std::to_string(welcome.versionMax) + ", this client " +
                                                std::to_string(layout::kProtocolVersion));
  if (welcome.service != options_.service)
    throw Failure(codes::kProtocolMismatch, "the server is of service " + welcome.service + ", this client asks for " + options_.service);
  RSM_CRASH_POINT("welcome.received");
  layOut(welcome.receive);
  introduce(c, welcome);
  c.state = Connection::State::kOpen;
  forgetGreeting(c.id);
  observer_.onConnection(c.id, c.peer);
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

void Endpoint::forgetGreeting(uint32_t id) {
  const auto at = std::find(greetings_.begin(), greetings_.end(), id);
  if (at != greetings_.end()) greetings_.erase(at);
}

void Endpoint::watchGreetings() {
  if (std::exchange(greetingsWatched_, true)) return;
  loop_.timer(Timer::kGreetings, acceptPaused_ ? kAcceptAgain : kGreetingTick, [this] { greetingsTick(); });
}

void Endpoint::greetingsTick() {
  greetingsWatched_ = false;
  if (acceptPaused_ && listening_) acceptAgain();
  const uint64_t now = loop_.now();
  // A server that keeps silent may only be stopped: it is tried again.
  const char* code = options_.listener ? codes::kProtocolMismatch : codes::kUnreachable;
  while (!greetings_.empty() && get(greetings_.front())->greetingDeadline <= now) {
    const uint32_t oldest = greetings_.front();
    controlReadable(oldest);  // a loop that was busy or stopped for so long has not read what came in time
    if (destroyed_) return;
    if (!greetings_.empty() && greetings_.front() == oldest)
      refuse(*get(oldest), code, "it did not finish its handshake within " + std::to_string(options_.handshakeTimeout) + " ms");
  }
  if (!greetings_.empty() || acceptPaused_) watchGreetings();
}

void Endpoint::acceptAgain() {
  try {
    loop_.watch(listening_->fd(), [this] { acceptAll(); });
    acceptPaused_ = false;
  } catch (const Failure&) {
    // What was lacking is lacking still.
  }
}

}  // namespace rsm
