// The receiving half of an endpoint's turn: references become batches, long messages are assembled, settlements become releases.
#include <algorithm>
#include <cstring>
#include <utility>

#include "endpoint.hpp"
#include "failure.hpp"

namespace rsm {
namespace {

constexpr uint32_t kSlice = 64;               // messages delivered from one connection before the next has its turn
constexpr std::size_t kBatchBytes = 1 << 20;  // a batch ends after so many bytes

}  // namespace

int Endpoint::nextLane(const Connection& c) const {
  // The lowest sequence first: order of commit, except where a lane waits for credit.
  int lane = -1;
  uint64_t sequence = UINT64_MAX;
  const bool allowed[kLanes] = {true, eventCredit_ > 0, c.requestCredit > 0};
  for (uint32_t i = 0; i < kLanes; ++i)
    if (allowed[i] && !c.lanes[i].empty() && c.lanes[i].front().sequence < sequence) {
      lane = static_cast<int>(i);
      sequence = c.lanes[i].front().sequence;
    }
  return lane;
}

uint32_t Endpoint::fillBatch(std::vector<Bytes>& owned, bool& more) {
  if (pending_.empty()) return 0;
  BatchSpace space = observer_.batchSpace();
  uint32_t rows = 0;
  std::size_t used = 0;
  std::size_t bytes = 0;
  std::size_t visited = 0;
  const std::size_t turns = pending_.size();
  while (visited < turns && rows < BatchSpace::kRows && bytes < kBatchBytes) {
    if (nextPending_ >= pending_.size()) nextPending_ = 0;
    Connection& c = *get(pending_[nextPending_]);
    int lane = -1;
    for (uint32_t slice = 0; slice < kSlice && rows < BatchSpace::kRows && bytes < kBatchBytes; ++slice) {
      lane = c.ending ? -1 : nextLane(c);
      if (lane < 0) break;
      const Reference reference = c.lanes[static_cast<std::size_t>(lane)].front();
      uint32_t* row = space.rows + rows * BatchSpace::kRowWords;
      const bool deferred = !reference.fragment() && reference.length >= deferFrom_ && reference.lane != kLaneImmediate;
      const std::size_t assembled = reference.fragment() ? c.assemblies[lane].size() : 0;
      if (assembled + reference.length > options_.maxMessageSize) {
        fail(c, codes::kCorruptSegment, "it sent a message longer than maxMessageSize, " + std::to_string(options_.maxMessageSize) + " bytes");
        continue;
      }
      if (reference.fragment()) {
        if (!assemble(c, reference, static_cast<uint32_t>(lane))) continue;
        row[4] = 0;
        row[5] = static_cast<uint32_t>(c.assemblies[lane].size());
        reserved_ -= row[5];
        owned.push_back(std::exchange(c.assemblies[lane], {}));
        row[6] = static_cast<uint32_t>(owned.size());
      } else if (reference.length >= options_.ownFrom && !deferred) {
        const std::byte* from = c.target->payload(reference);
        Bytes memory = observer_.ownMemory(reference.length);
        memory.assign(from, from + reference.length);
        owned.push_back(std::move(memory));
        row[4] = 0;
        row[5] = reference.length;
        row[6] = static_cast<uint32_t>(owned.size());
      } else {
        if (used + reference.length > space.arenaSize) {
          if (rows) {
            bytes = kBatchBytes;
            break;
          }
          space = observer_.growArena(reference.length);
          row = space.rows;
        }
        std::memcpy(space.arena + used, c.target->payload(reference), deferred ? kPeek : reference.length);
        row[4] = static_cast<uint32_t>(used);
        row[5] = reference.length;
        row[6] = 0;
        used += reference.length;
      }
      c.lanes[static_cast<std::size_t>(lane)].pop();
      row[0] = c.id;
      row[1] = deliver(c, reference);
      row[2] = reference.lane;
      row[3] = reference.attempt;
      row[7] = deferred;
      bytes += row[5];
      counters_.bytesReceived += row[5];
      ++rows;
    }
    ++visited;
    if (!c.referencesLeft()) {
      if (c.hungUp) ending_.push_back(c.id);  // half a message may have been its last: no settlement would bring it there
      c.queued = false;
      pending_[nextPending_] = pending_.back();
      pending_.pop_back();
    } else {
      ++nextPending_;
    }
  }
  for (const uint32_t id : pending_)
    if (const Connection* c = get(id); c && !c->ending && nextLane(*c) >= 0) {
      more = true;
      break;
    }
  return rows;
}

bool Endpoint::assemble(Connection& c, const Reference& reference, uint32_t lane) {
  Bytes& assembly = c.assemblies[lane];
  const std::byte* from = c.target->payload(reference);
  const std::size_t length = assembly.size() + reference.length;
  if (reserved_ + reference.length > options_.maxMemory) {
    fail(c, codes::kBackpressure, "its message of over " + std::to_string(length) + " bytes does not fit into maxMemory");
    return false;
  }
  reserved_ += reference.length;
  assembly.insert(assembly.end(), from, from + reference.length);
  if (reference.last()) return true;
  releaseNow(c, reference, layout::Outcome::kDone);  // frees the fragment's partitions only; the last one's record has the outcome
  c.lanes[lane].pop();
  return false;
}

uint32_t Endpoint::deliver(Connection& c, const Reference& reference) {
  if (reference.lane == kLaneImmediate) {
    releaseNow(c, reference, layout::Outcome::kDone);
    return kNoDelivery;
  }
  c.target->markStarted(reference, true);
  if (reference.lane == kLaneEvents) {
    if (eventCredit_ != UINT32_MAX) --eventCredit_;
  } else if (c.requestCredit != UINT32_MAX) {
    --c.requestCredit;
  }
  ++c.unsettled;
  uint32_t id;
  if (freeDeliveries_.empty()) {
    id = static_cast<uint32_t>(deliveries_.size());
    deliveries_.push_back({});
  } else {
    id = freeDeliveries_.back();
    freeDeliveries_.pop_back();
  }
  deliveries_[id] = {c.id, reference, false, false};
  return id;
}

void Endpoint::releaseNow(Connection& c, const Reference& reference, layout::Outcome outcome) {
  // Whoever hung up or was hung up on by us has read its last release, or may have: it takes the message for unfinished.
  if (c.state == Connection::State::kClosed || c.ending) return;
  c.target->release(reference, outcome);
  if (outcome != layout::Outcome::kDone) c.bellDue = true;  // the sender has something to do, though it may not wait for room
  if (!c.releasesToFlush) {
    c.releasesToFlush = true;
    flushList_.push_back(c.id);
  }
}

void Endpoint::settle(uint32_t id, uint32_t operation) {
  if (id >= deliveries_.size()) return;
  Delivery& d = deliveries_[id];
  Connection* c = get(d.connection);
  if (!c || (d.released && d.finished)) return;
  const uint32_t outcome = operation & 15;
  const bool releases = operation != kFinishOnly && outcome >= 1 && outcome <= 4;
  const bool finishes = !(operation & kReleaseOnly);
  if (releases && !d.released) {
    d.released = true;
    releaseNow(*c, d.reference, static_cast<layout::Outcome>(outcome));
  }
  if (finishes && !d.finished) {
    d.finished = true;
    if (d.reference.lane == kLaneEvents) {
      if (options_.eventCredit != UINT32_MAX) ++eventCredit_;
    } else if (options_.requestCredit != UINT32_MAX) {
      ++c->requestCredit;
    }
  }
  if (d.released && d.finished) {
    freeDeliveries_.push_back(id);
    --c->unsettled;
    if (c->hungUp || c->state == Connection::State::kClosed) ending_.push_back(c->id);
  }
}

void Endpoint::start(uint32_t id, bool started) {
  if (id >= deliveries_.size()) return;
  const Delivery& d = deliveries_[id];
  Connection* c = get(d.connection);
  if (c && !d.released && c->state == Connection::State::kFormed) c->target->markStarted(d.reference, started);
}

void Endpoint::flushReleases() {
  for (const uint32_t id : flushList_)
    if (Connection* c = get(id); c && c->releasesToFlush) c->ringForReleases();
  flushList_.clear();
}

void Endpoint::giveBack(Connection& c) {
  if (c.hungUp) return;  // to nobody: a departed sender's messages are finished here
  for (const uint32_t lane : {kLaneEvents, kLaneRequests}) {
    auto& queue = c.lanes[lane];
    for (; !queue.empty(); queue.pop())
      releaseNow(c, queue.front(), queue.front().last() ? layout::Outcome::kReturned : layout::Outcome::kDone);
    reserved_ -= c.assemblies[lane].size();
    c.assemblies[lane].clear();
  }
}

void Endpoint::returnUnstarted() {
  returning_ = true;
  for (const auto& slot : slots_)
    if (slot && slot->formed() && !slot->ending) giveBack(*slot);
  if (!inTurn_) flushReleases();
}

}  // namespace rsm
