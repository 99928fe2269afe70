// An endpoint's turns: sending, polling, reporting, falling asleep and being woken.
#include "endpoint.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <random>
#include <utility>

#include "failure.hpp"

namespace rsm {
namespace {

constexpr std::size_t kDrainBudget = 1024;  // references read from one connection in one turn
constexpr uint64_t kLate = 100'000;         // ns between two polls that make it worth asking whether the core was lost

/// How often this thread lost its core to another.
long involuntarySwitches() {
#if defined(__linux__)
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
#else
  return 0;
#endif
}

}  // namespace

Endpoint::Endpoint(EndpointOptions options, Loop& loop, EndpointObserver& observer)
    : options_(std::move(options)),
      receiveLayout_(layOut(options_.receive)),
      loop_(loop),
      observer_(observer),
      window_(options_.pollingWindow),
      eventCredit_(options_.eventCredit) {
  std::random_device random;
  incarnation_ = uint64_t{random()} << 32 | random();
  loop_.onTurn([this] { turn(); });
#if defined(RSM_WAKE_CHECKS)
  scheduleWakeCheck();
#endif
}

Endpoint::~Endpoint() { destroy(); }

const Connection* Endpoint::find(uint32_t id) const { return id < slots_.size() ? slots_[id].get() : nullptr; }

SendResult Endpoint::send(uint32_t id, const MessageParts& message, const SendOptions& options) {
  Connection& c = sendable(id);
  const SendResult result = commit(c, message, options);
  if (result.status == SendStatus::kCommitted) announce(c, options.watched);
  return result;
}

BatchResult Endpoint::sendBatch(uint32_t id, const PackedMessages& messages, const SendOptions& options) {
  Connection& c = sendable(id);
  BatchResult result{SendStatus::kCommitted, 0};
  const std::byte* at = messages.bytes;
  for (; result.committed < messages.count; ++result.committed) {
    const uint32_t length = messages.lengths[result.committed];
    result.status = commit(c, {nullptr, 0, at, length}, options).status;
    if (result.status != SendStatus::kCommitted) break;
    at += length;
  }
  if (result.committed) announce(c, options.watched);
  return result;
}

Connection& Endpoint::sendable(uint32_t id) {
  Connection* c = get(id);
  if (!c || !c->open() || c->state == Connection::State::kGreeting)
    throw Failure(codes::kConnectionLost, "the connection is closed");
  return *c;
}

SendResult Endpoint::commit(Connection& c, const MessageParts& message, const SendOptions& options) {
  if (message.length() > c.peer.maxMessageSize) return {SendStatus::kTooLarge};
  if (!c.formed()) {
    c.wantsRoom = true;
    beginForming(c);
    return {SendStatus::kNoRoom};
  }
  SendResult result = c.source->send(message, options);
  if (result.status == SendStatus::kNoRoom && c.source->releasesPending()) {
    poll(c);
    activate(c);  // taking releases ended this side's wait for more: it begins anew before the next sleep
    startPolling();
    result = c.source->send(message, options);
  }
  if (result.status == SendStatus::kCommitted) {
    ++counters_.messagesSent;
    counters_.bytesSent += message.length();
  } else if (result.status == SendStatus::kNoRoom) {
    ++counters_.waits;
    if (!c.wantsRoom) {
      c.wantsRoom = true;
      activate(c);
      startPolling();
    }
  }
  return result;
}

void Endpoint::committed(Connection& c, uint64_t length, bool watched) {
  ++counters_.messagesSent;
  counters_.bytesSent += length;
  announce(c, watched);
}

void Endpoint::announce(Connection& c, bool watched) {
  c.ringForCommits();
  sent_ = true;
  if (c.source->sending()) c.wantsRoom = true;  // onWritable() tells when all its fragments have left
  if (window_.length() > 0 || watched || c.source->sending()) {
    activate(c);
    startPolling();
  }
}

void Endpoint::activate(Connection& c) {
  if (c.active) return;
  c.active = true;
  c.disarm();
  active_.push_back(c.id);
}

void Endpoint::enqueue(Connection& c) {
  if (c.queued || !c.referencesLeft()) return;
  c.queued = true;
  pending_.push_back(c.id);
}

void Endpoint::startPolling() {
  if (polling_ || destroyed_) return;
  polling_ = true;
  lastWork_ = lastTurn_ = loop_.now();
  switches_ = involuntarySwitches();
  loop_.poll(true);
}

void Endpoint::schedule() { startPolling(); }

std::size_t Endpoint::poll(Connection& c) {
  if (!c.formed() || c.ending) return 0;
  std::size_t work = c.drain(kDrainBudget);
  if (work) {
    if (returning_) giveBack(c);
    enqueue(c);
  }
  const std::size_t releases = takeReleases(c);
  if (c.source->sending() && c.source->pump()) c.ringForCommits();
  if (c.wantsRoom && !c.source->sending() && (releases || c.source->idle())) roomList_.push_back(c.id);
  if (!c.target->corrupt().empty()) fail(c, codes::kCorruptSegment, c.target->corrupt());
  else if (!c.source->corrupt().empty()) fail(c, codes::kCorruptSegment, c.source->corrupt());
  return work + releases;
}

std::size_t Endpoint::takeReleases(Connection& c) {
  if (!c.source) return 0;
  released_.clear();
  const std::size_t read = c.source->takeReleases(released_);
  for (auto& r : released_) reports_.push_back({c.id, std::move(r)});
  return read;
}

void Endpoint::turn() {
  if (destroyed_ || inTurn_) return;
  inTurn_ = true;
  ++counters_.polls;
  const uint64_t now = loop_.now();
  window_.at(now);
  if (polling_ && now - lastTurn_ > kLate) {
    const long switches = involuntarySwitches();
    if (switches != switches_) window_.descheduled(now - lastTurn_);
    switches_ = switches;
  }

  observer_.takeOutbox();
  std::size_t work = 0;
  for (std::size_t i = 0; i < active_.size(); ++i)
    if (Connection* c = get(active_[i])) work += poll(*c);

  std::vector<Bytes> owned;
  bool more = false;
  const uint32_t rows = fillBatch(owned, more);
  flushReleases();  // before the handlers: a sender that waits need not wait for them too
  if (rows) {
    counters_.messagesReceived += rows;
    observer_.onMessages(rows, owned);
    if (!destroyed_) observer_.takeOutbox();
  }
  if (!destroyed_) reportReleases();
  if (!destroyed_) reportRoom();
  if (!destroyed_ && !lostLoans_.empty()) reportLostLoans();
  if (!destroyed_) flushReleases();
  if (!destroyed_) finishEnded();
  inTurn_ = false;
  if (destroyed_) return;
  decideSleep(now, work + rows + (more ? 1 : 0));
}

void Endpoint::decideSleep(uint64_t began, std::size_t work) {
  const uint64_t now = loop_.now();
  if (work && polling_ && began > lastWork_) window_.caught(began - lastWork_);
  if (work || sent_) lastWork_ = now;
  lastTurn_ = now;
  sent_ = false;
  if (!ending_.empty() || !roomList_.empty() || !reports_.empty()) return startPolling();
  if (!polling_ && !active_.empty()) startPolling();
  if (!polling_) return;
  if (now - lastWork_ < window_.length() || work) return;
  if (trySleep()) {
    if (window_.length()) window_.missed();
    sleptAt_ = now;
  }
}

bool Endpoint::trySleep() {
  bool quiet = true;
  for (const uint32_t id : active_)
    if (Connection* c = get(id))
      if (!c->arm()) quiet = false;
  if (!quiet) {
    for (const uint32_t id : active_)
      if (Connection* c = get(id)) c->disarm();
    return false;
  }
  for (const uint32_t id : active_)
    if (Connection* c = get(id)) c->active = false;
  active_.clear();
  polling_ = false;
  ++counters_.sleeps;
  loop_.poll(false);
  return true;
}

void Endpoint::bellHeard(uint32_t id) {
  Connection* c = get(id);
  if (!c || destroyed_ || !c->bellIn) return;
  if (!c->bellIn->clear()) return hangUp(*c);  // nobody can ring any more: the peer is gone, or broke the rules
  ++counters_.wakes;
  const uint64_t now = loop_.now();
  window_.at(now);
  if (!polling_) window_.rung(now - sleptAt_);
  activate(*c);
  startPolling();
  turn();
}

void Endpoint::flush() {
  if (destroyed_) return;
  observer_.takeOutbox();
  if (inTurn_) return;
  flushReleases();
  startPolling();  // credit came back, or a connection can end
}

void Endpoint::reportReleases() {
  if (reports_.empty()) return;
  std::vector<Report> reports = std::exchange(reports_, {});
  observer_.onReleases(reports);
}

void Endpoint::reportRoom() {
  if (roomList_.empty()) return;
  const std::vector<uint32_t> list = std::exchange(roomList_, {});
  for (const uint32_t id : list) {
    Connection* c = get(id);
    if (!c || !c->wantsRoom || !c->open() || (c->source && c->source->sending())) continue;  // fragments go first: poll() lists it again
    c->wantsRoom = false;
    observer_.onWritable(id);
    if (destroyed_) return;
  }
}

uint64_t Endpoint::inFlight(uint32_t id) {
  Connection* c = get(id);
  if (!c || !c->source) return 0;
  if (c->source->releasesPending()) {
    poll(*c);
    activate(*c);  // see send()
    startPolling();
  }
  // What is released counts until the layer above has heard of it: it may end the connection where nothing is in flight.
  const auto unheard = std::count_if(reports_.begin(), reports_.end(), [&](const Report& r) { return r.connection == id; });
  return c->source->inFlight() + static_cast<uint64_t>(unheard);
}

Counters Endpoint::counters() const {
  Counters counters = counters_;
  for (const auto& slot : slots_)
    if (slot) counters.doorbellsRung += slot->rings;
#if defined(RSM_WAKE_CHECKS)
  counters.wakeChecks = wakeCheck_.checks();
  counters.missedWakes = wakeCheck_.missed();
#endif
  return counters;
}

#if defined(RSM_WAKE_CHECKS)
void Endpoint::scheduleWakeCheck() {
  const uint64_t due = loop_.now() + WakeCheck::kInterval * 1'000'000;
  loop_.timer(Timer::kWakes, WakeCheck::kInterval, [this, due] {
    wakeCheck_.begin(loop_.now(), due);
    for (const auto& slot : slots_)
      if (slot) wakeCheck_.look(*slot);
    scheduleWakeCheck();
  });
}
#endif

uint64_t Endpoint::largestSpan(uint32_t id) const {
  const Connection* c = find(id);
  return c && c->source ? c->source->layout().largestSpan() : 0;
}

bool Endpoint::sending(uint32_t id) const {
  const Connection* c = find(id);
  return c && c->source && c->source->sending();
}

void Endpoint::trim() {
  for (const auto& slot : slots_)
    if (slot && slot->formed() && !slot->active && !slot->hungUp) slot->source->trim();
}

}  // namespace rsm
