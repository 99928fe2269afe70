// The ways a connection ends: refused, closed here, hung up on. What the peer committed is delivered first; what it left unreleased is reported.
#include <algorithm>
#include <utility>

#include "crash_point.hpp"
#include "endpoint.hpp"
#include "failure.hpp"

namespace rsm {
namespace {

constexpr std::size_t kDrainAll = 1 << 20;

void forget(std::vector<uint32_t>& list, uint32_t id) { list.erase(std::remove(list.begin(), list.end(), id), list.end()); }

}  // namespace

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

void Endpoint::close(uint32_t id) {
  if (Connection* c = get(id); c && c->state != Connection::State::kClosed && !c->ending) end(*c, "", "");
}

void Endpoint::fail(Connection& c, const char* code, const std::string& reason) { refuse(c, code, reason); }

void Endpoint::end(Connection& c, const char* code, const std::string& reason) {
  if (c.ending) return;
  observer_.takeOutbox();  // what was settled so far is released; nothing is from here on
  c.ending = true;
  forgetGreeting(c.id);
  c.endCode = code;
  c.endReason = reason;
  RSM_CRASH_POINT("end.begun");
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
  forgetGreeting(c.id);
  RSM_CRASH_POINT("hangup.heard");
  closeControl(c);
  if (c.formed()) {
    // What the peer committed outlives it: all of it is read now, and delivered before the connection ends.
    while (c.drain(kDrainAll)) {
    }
    if (!c.target->corrupt().empty()) return end(c, codes::kCorruptSegment, c.target->corrupt());
    enqueue(c);
    RSM_CRASH_POINT("hangup.drained");
    takeReleases(c);
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
    takeReleases(*c);  // what the peer released meanwhile is not unfinished
    reportReleases();  // nor is what was read of this connection since the turn's own report
    if (destroyed_) return;
    std::vector<UnfinishedMessage> unfinished;
    if (c->source) unfinished = c->source->unfinished();
    RSM_CRASH_POINT("ended.unfinished");
    if (options_.listener && c->state != Connection::State::kGreeting) --greeted_;
    c->state = Connection::State::kClosed;
    for (Bytes& assembly : c->assemblies) reserved_ -= assembly.size();
    reserved_ -= c->reserved;
    --live_;
    segmentTable_.removeConnection(id);
    groupTable_.removeConnection(id);
    manager_.removeConnection(id);
    forget(active_, id);
    forget(pending_, id);
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
  forget(ending_, id);  // what was settled while its end was reported must not end the next one with this number
  freeSlots_.push_back(id);
  RSM_CRASH_POINT("ended.dropped");
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
  loans_.clear();
}

}  // namespace rsm
