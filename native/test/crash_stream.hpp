#pragma once

// A stream of numbered messages between a sender and a receiver process, either of which may die anywhere and be started again. What must
// outlive them for the account stands in a Ledger that all processes share; it is the test's, not the data plane's.

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "endpoint_node.hpp"
#include "failure.hpp"

namespace check::stream {

inline constexpr uint32_t kMessages = 40;
inline constexpr uint32_t kHalf = kMessages / 2;  ///< the sender closes its connection here and makes another
inline constexpr uint64_t kPatience = 20'000'000'000;  // ns; only what is lost takes that long
inline constexpr int kLook = 2;  ///< ms between two looks into the ledger

enum Role { kSender = 0, kReceiver = 1 };
enum Resume : uint32_t { kFresh, kUncommitted, kUnreleased };

using Number = std::atomic<uint32_t>;

struct Ledger {
  std::array<Number, kMessages> committed, handled, releases, released, mayRepeat;
  Number listening{0};          ///< which incarnation of the receiver listens
  Number resume{kFresh};        ///< what a sender that is started now has to send
  Number receiverMayDie{0};     ///< whether the sender may see a connection end that neither side closed
  Number halfClosed{0}, askClose{0}, senderDone{0};
  std::array<Number, 2> deaths{};  ///< of either role, as told to the other one
  std::array<Number, 2> clean{};   ///< the deaths after which this role found itself as it was before
  std::array<Number, 2> refused{}; ///< handshakes that ran out of time
  Number failed{0};
  char error[400]{};

  /// Shared with the processes forked from this one.
  static Ledger& make() {
    void* memory = ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no ledger");
    return *new (memory) Ledger;
  }
  /// The first failure stays.
  void fail(const std::string& what) {
    if (failed.exchange(1) == 0) std::snprintf(error, sizeof error, "%s", what.c_str());
  }
  bool allHandled() const {
    for (const Number& n : handled)
      if (n == 0) return false;
    return true;
  }
};

inline uint32_t lengthOf(uint32_t n) { return n % 8 == 3 ? 3000 + n : n % 8 == 5 ? 1500 : n % 4 == 0 ? 0 : n * 37 % 400; }
inline uint8_t laneOf(uint32_t n) { return n % 5 == 2 ? rsm::kLaneRequests : rsm::kLaneEvents; }
inline std::string headerOf(uint32_t n) {
  const uint32_t words[2] = {n, lengthOf(n)};
  return {reinterpret_cast<const char*>(words), sizeof words};
}
/// The message's number, or kMessages if one byte of it is not as it was sent.
inline uint32_t numberOf(const std::string& text) {
  uint32_t n = kMessages;
  if (text.size() >= 8) std::memcpy(&n, text.data(), 4);
  return n < kMessages && text == headerOf(n) + pattern(lengthOf(n), n) ? n : kMessages;
}
inline std::string named(const char* what, uint32_t n) { return std::string(what) + " " + std::to_string(n); }
inline std::string pathOf(const std::string& folder, uint32_t incarnation) { return folder + "/" + std::to_string(incarnation) + ".sock"; }

inline rsm::EndpointOptions options(bool listener, uint64_t handshakeTimeout) {
  rsm::EndpointOptions o = endpointOptions(listener);
  if (listener) o.receive = {{64, 16, 4}, {512, 6, 4}};
  else o.receive = {{64, 4, 4}};
  o.maxConnections = 1;
  o.handshakeTimeout = handshakeTimeout;
  o.pollingWindow = 0;  // every message finds its receiver asleep: each wake-up counts
  o.eventCredit = 4;
  o.requestCredit = 2;
  return o;
}

/// What a process holds of the system.
struct Held {
  std::set<int> descriptors = openDescriptors();
  int mapped = mappedRegions();
  bool operator==(const Held&) const = default;
  std::string text() const { return std::to_string(descriptors.size()) + " descriptors and " + std::to_string(mapped) + " regions"; }
};

/// Once the other one is dead and every connection with it ended, this process is as it was before.
inline void checkClean(Ledger& l, Role role, const Node& node, const Held& before, uint32_t& known) {
  const uint32_t deaths = l.deaths[1 - role];
  if (deaths == known || node.endpoint.connections() != 0) return;
  const Held now;
  if (!(now == before)) l.fail("the survivor holds " + now.text() + " instead of " + before.text());
  if (node.endpoint.reservedBytes() != 0) l.fail("the survivor still has segment memory on its account");
  if (!node.endpoint.segmentTable().entries().empty()) l.fail("the survivor still lists segments");
  known = deaths;
  l.clean[role] = deaths;
}

class Sender {
 public:
  Sender(Ledger& ledger, std::string folder, uint64_t handshakeTimeout)
      : l(ledger), folder_(std::move(folder)), node_(options(false, handshakeTimeout), false) {
    node_.said.during = [this](const std::string& name) { heard(name); };
    for (uint32_t n = 0; n < kMessages; ++n)
      if (l.resume == kFresh || (l.resume == kUncommitted ? !l.committed[n] : !l.released[n])) queue_.push_back(n);
    // A message may have been committed by the dead sender without its word for it: the one in its hands.
    if (l.resume == kUncommitted && !queue_.empty()) ++l.mayRepeat[queue_.front()];
    if (l.resume == kUnreleased)
      for (const uint32_t n : queue_) ++l.mayRepeat[n];
  }

  int run() {
    const Held before;
    uint32_t deaths = l.clean[kSender];
    const uint64_t deadline = node_.loop.now() + kPatience;
    while (!l.failed) {
      if (node_.loop.now() > deadline) l.fail("the sender waits for ever: " + std::to_string(queue_.size()) + " to send, " +
                                              std::to_string(outstanding_.size()) + " in flight");
      checkClean(l, kSender, node_, before, deaths);
      if (connection_ == kNone && finished()) break;
      if (connection_ == kNone && l.listening && !queue_.empty() && deaths == l.deaths[kReceiver]) connect();
      if (connection_ != kNone && opened_ && !closing_) step();
      if (strayOpened_) node_.endpoint.close(stray_);
      strayOpened_ = false;
      node_.loop.iterate(kLook);
    }
    node_.endpoint.destroy();
    return l.failed ? 1 : 0;
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// True once every message was handled and nothing is left to do; says so to the receiver.
  bool finished() {
    if (!queue_.empty() || !outstanding_.empty() || !l.allHandled()) return false;
    l.askClose = 1;
    if (connection_ == kNone) l.senderDone = 1;
    return true;
  }

  void connect() {
    try {
      opened_ = writable_ = closing_ = false;
      connection_ = node_.endpoint.connect(pathOf(folder_, l.listening));
    } catch (const rsm::Failure&) {
      // It has gone, or is not there yet.
    }
  }

  void step() {
    if (fragmenting_ != kNone && !node_.endpoint.sending(connection_)) l.committed[std::exchange(fragmenting_, kNone)] = 1;
    if (outstanding_.empty()) paused_ = false;
    if (queue_.empty()) {
      finished();
      return;
    }
    if (queue_.front() >= kHalf && !l.halfClosed) {
      if (outstanding_.empty()) closeHalfway();
      return;
    }
    try {
      while (writable_ && !paused_ && fragmenting_ == kNone && !queue_.empty() && (queue_.front() < kHalf || l.halfClosed)) sendNext();
    } catch (const rsm::Failure&) {
      // The connection ends: onClosed() follows.
    }
  }

  void sendNext() {
    const uint32_t n = queue_.front();
    const std::string header = headerOf(n);
    const std::string payload = pattern(lengthOf(n), n);
    const rsm::MessageParts parts{reinterpret_cast<const std::byte*>(header.data()), header.size(),
                                  reinterpret_cast<const std::byte*>(payload.data()), payload.size()};
    const rsm::SendResult result = n % 6 == 1 ? sendLoan(parts, n) : node_.endpoint.send(connection_, parts, {laneOf(n), 1, true});
    if (result.status == rsm::SendStatus::kNoRoom) {
      writable_ = false;
      return;
    }
    queue_.pop_front();
    outstanding_[result.sequence] = n;
    paused_ = n % 7 == 6;  // both fall asleep
    if (node_.endpoint.sending(connection_)) fragmenting_ = n;
    else l.committed[n] = 1;
    if (n == 4) {  // one connection more than the server allows
      try {
        stray_ = node_.endpoint.connect(pathOf(folder_, l.listening));
      } catch (const rsm::Failure&) {
      }
    }
  }

  /// In place, with one loan given back before, and one that is out for as long as the connection lasts.
  rsm::SendResult sendLoan(const rsm::MessageParts& parts, uint32_t n) {
    node_.endpoint.returnLoan(node_.endpoint.lend(connection_, 100).number);
    if (!kept_) kept_ = node_.endpoint.lend(connection_, 64).number;
    const auto loan = node_.endpoint.lend(connection_, parts.length() + 40);
    if (loan.status == rsm::LendStatus::kNoRoom) return {rsm::SendStatus::kNoRoom};
    if (loan.status == rsm::LendStatus::kUnable) return node_.endpoint.send(connection_, parts, {laneOf(n), 1, true});
    parts.copy(0, parts.length(), node_.endpoint.lent(loan.number).data);
    return node_.endpoint.commitLoan(loan.number, parts.length(), {laneOf(n), 1, true});
  }

  void closeHalfway() {
    for (int i = 0; i < 100; ++i) {
      const rsm::Connection* c = node_.endpoint.find(connection_);
      if (!c || !c->active) break;
      node_.loop.iterate(1);
      if (connection_ == kNone) return;
    }
    node_.endpoint.returnLoan(std::exchange(kept_, 0));
    node_.endpoint.trim();
    closing_ = true;
    node_.endpoint.close(connection_);
  }

  void heard(const std::string& name) {
    auto& said = node_.said;
    if (name == "connection") {
      if (said.connected.back().first == connection_) opened_ = writable_ = true;
      else strayOpened_ = true;
    }
    if (name == "writable") writable_ = true;
    if (name == "releases") {
      for (const rsm::Report& report : said.reports) {
        const auto found = outstanding_.find(report.message.sequence);
        if (found == outstanding_.end()) return l.fail("a release of what was not in flight was reported");
        if (!l.handled[found->second]) l.fail(named("released but never handled: message", found->second));
        l.released[found->second] = 1;
        outstanding_.erase(found);
      }
      said.reports.clear();
    }
    if (name == "closed") {
      closed(said.closed.back());
      said.closed.clear();
    }
  }

  void closed(const Recorder::Closed& c) {
    if (c.code == rsm::codes::kCorruptSegment) l.fail("the sender takes the receiver for corrupt: " + c.reason);
    if (c.connection != connection_) return;  // the one too many
    const bool expected = !opened_ || closing_ || l.askClose || l.receiverMayDie;
    if (!expected) l.fail("the sender declared the receiver dead: " + c.code + " " + c.reason);
    if (c.code == rsm::codes::kProtocolMismatch) ++l.refused[kSender];
    std::deque<uint32_t> again;
    uint64_t before = 0;
    for (const auto& u : c.unfinished) {
      const uint32_t n = numberOf(textOf(u.bytes));
      const auto found = outstanding_.find(u.sequence);
      if (n == kMessages) return l.fail("an unfinished message is torn");
      if (found == outstanding_.end() || found->second != n || u.sequence <= before)
        return l.fail(named("unfinished, out of order or unsent: message", n));
      if (l.releases[n]) l.fail(named("unfinished though it was released: message", n));
      if (!u.started && l.handled[n]) l.fail(named("handled though it is said not to have started: message", n));
      if (u.started) ++l.mayRepeat[n];
      before = u.sequence;
      outstanding_.erase(found);
      again.push_back(n);
    }
    if (!outstanding_.empty()) l.fail(named("neither released nor unfinished: message", outstanding_.begin()->second));
    queue_.insert(queue_.begin(), again.begin(), again.end());
    if (closing_) l.halfClosed = 1;
    node_.endpoint.returnLoan(std::exchange(kept_, 0));
    connection_ = fragmenting_ = kNone;
    paused_ = false;
  }

  Ledger& l;
  std::string folder_;
  Node node_;
  std::deque<uint32_t> queue_;
  std::map<uint64_t, uint32_t> outstanding_;
  uint32_t connection_ = kNone, stray_ = kNone, fragmenting_ = kNone;
  uint64_t kept_ = 0;  ///< a loan
  bool opened_ = false, writable_ = false, closing_ = false, paused_ = false, strayOpened_ = false;
};

class Receiver {
 public:
  Receiver(Ledger& ledger, std::string path, uint64_t handshakeTimeout)
      : l(ledger), path_(std::move(path)), node_(options(true, handshakeTimeout), false) {
    node_.said.settleWith = 0;
    node_.said.during = [this](const std::string& name) { heard(name); };
  }

  int run(uint32_t incarnation) {
    node_.endpoint.listen(path_, ::getegid());
    const Held before;
    uint32_t deaths = l.clean[kReceiver];
    l.listening = incarnation;
    const uint64_t deadline = node_.loop.now() + kPatience;
    bool closing = false;
    while (!l.failed && !(closing && node_.endpoint.connections() == 0)) {
      if (node_.loop.now() > deadline) l.fail("the receiver waits for ever, with " + std::to_string(held_.size()) + " messages in hand");
      const bool idle = !node_.loop.iterate(held_.empty() ? kLook : 0);
      if (held_.size() >= 3 || (idle && !held_.empty())) settleOne();
      if (!closing) checkClean(l, kReceiver, node_, before, deaths);  // closing it holds less
      if (!l.askClose || closing || !held_.empty()) continue;
      closing = true;
      node_.endpoint.notice(1);
      node_.endpoint.returnUnstarted();
      node_.endpoint.stopListening();
      for (const uint32_t id : connections_) node_.endpoint.close(id);
    }
    node_.endpoint.destroy();
    return l.failed ? 1 : 0;
  }

 private:
  void settleOne() {
    const auto at = held_.begin() + static_cast<std::ptrdiff_t>(turn_++ * 5 % held_.size());
    const auto [delivery, n] = *at;
    held_.erase(at);
    node_.settle(delivery);
    ++l.releases[n];
  }

  void heard(const std::string& name) {
    auto& said = node_.said;
    if (name == "messages") {
      for (const auto& m : said.messages) {
        const uint32_t n = numberOf(m.bytes);
        if (n == kMessages) return l.fail("a message of " + std::to_string(m.bytes.size()) + " bytes is torn");
        uint32_t& expected = expected_[{m.connection, m.lane}];
        if (n < expected || m.lane != laneOf(n)) l.fail(named("out of order: message", n));
        expected = n + 1;
        ++l.handled[n];
        held_.push_back({m.delivery, n});
      }
      said.messages.clear();
    }
    if (name == "connection") connections_.insert(said.connected.back().first);
    if (name == "closed") {
      const auto& c = said.closed.back();
      if (c.code == rsm::codes::kCorruptSegment) l.fail("the receiver takes the sender for corrupt: " + c.reason);
      if (c.code == rsm::codes::kProtocolMismatch) {
        ++l.refused[kReceiver];
        if (connections_.count(c.connection)) l.fail("the receiver ended a greeted connection: " + c.reason);
      }
      connections_.erase(c.connection);
      for (auto at = expected_.begin(); at != expected_.end();) at = at->first.first == c.connection ? expected_.erase(at) : std::next(at);
      said.closed.clear();
    }
  }

  Ledger& l;
  std::string path_;
  Node node_;
  std::deque<std::pair<uint32_t, uint32_t>> held_;  ///< delivery, number
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> expected_;
  std::set<uint32_t> connections_;
  uint32_t turn_ = 0;
};

}  // namespace check::stream
