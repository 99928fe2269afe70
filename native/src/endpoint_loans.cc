// Zero copy: partitions lent to be filled in place, and delivered messages that are read in place.
#include <cstring>
#include <utility>

#include "endpoint.hpp"
#include "failure.hpp"

namespace rsm {

Endpoint::LendResult Endpoint::lend(uint32_t id, uint64_t length) {
  Connection& c = sendable(id);
  if (length > c.peer.maxMessageSize) return {LendStatus::kTooLarge};
  if (!c.formed()) {
    c.wantsRoom = true;
    beginForming(c);
    return {LendStatus::kNoRoom};
  }
  if (freeLoans_.empty() && loans_.size() == kMaxLoans) return {LendStatus::kUnable};
  Room room;
  if (c.source->releasesPending()) {
    poll(c);
    activate(c);  // see send()
    startPolling();
  }
  const LendStatus status = c.source->lend(length, room);
  if (status == LendStatus::kNoRoom) {
    ++counters_.waits;
    if (!c.wantsRoom) {
      c.wantsRoom = true;
      activate(c);
      startPolling();
    }
  }
  if (status != LendStatus::kLent) return {status};
  if (freeLoans_.empty()) {
    freeLoans_.push_back(static_cast<uint32_t>(loans_.size()));
    loans_.emplace_back();
  }
  const uint32_t place = freeLoans_.back();
  freeLoans_.pop_back();
  loans_[place] = {++loansEver_ * kMaxLoans + place, id, room, c.source};
  return {status, loans_[place].number};
}

const Endpoint::Loan* Endpoint::findLoan(uint64_t number) const {
  const std::size_t place = number % kMaxLoans;
  return number && place < loans_.size() && loans_[place].number == number ? &loans_[place] : nullptr;
}

Endpoint::LentMemory Endpoint::lent(uint64_t number) const {
  const Loan* loan = findLoan(number);
  return loan ? LentMemory{loan->source->lent(loan->room), loan->source} : LentMemory{};
}

SendResult Endpoint::commitLoan(uint64_t number, uint64_t length, const SendOptions& options) {
  const Loan* loan = findLoan(number);
  if (!loan) throw Failure(codes::kInvalidOptions, "the loan has been sent or given back");
  Connection& c = sendable(loan->connection);
  if (c.source != loan->source) throw Failure(codes::kConnectionLost, "the connection of the loan is closed");
  const SendResult result = c.source->commitLoan(loan->room, length, options);
  if (result.status != SendStatus::kCommitted) return result;
  endLoan(number);
  committed(c, length, options.watched);
  return result;
}

void Endpoint::returnLoan(uint64_t number, bool lost) {
  const Loan* loan = findLoan(number);
  if (!loan) return;
  const uint32_t id = loan->connection;
  loan->source->returnLoan(loan->room);
  Connection* c = get(id);
  const bool lives = c && c->source == loan->source;
  endLoan(number);
  if (!lives) return;  // another connection may have its number by now
  if (lost) lostLoans_.push_back(id);
  if (c->wantsRoom) {
    activate(*c);
    roomList_.push_back(id);
  }
  if (lost || c->wantsRoom) startPolling();
}

void Endpoint::endLoan(uint64_t number) {
  const auto place = static_cast<uint32_t>(number % kMaxLoans);
  loans_[place] = {};
  freeLoans_.push_back(place);
}

void Endpoint::reportLostLoans() {
  for (const uint32_t id : std::exchange(lostLoans_, {})) {
    observer_.onLoanLost(id);
    if (destroyed_) return;
  }
}

const std::byte* Endpoint::heldPayload(uint32_t delivery) const {
  if (delivery >= deliveries_.size() || deliveries_[delivery].released) return nullptr;
  const Delivery& d = deliveries_[delivery];
  const Connection* c = find(d.connection);
  return c && c->target ? c->target->payload(d.reference) : nullptr;
}

bool Endpoint::load(uint32_t delivery, std::byte* to) const {
  const std::byte* from = heldPayload(delivery);
  if (!from) return false;
  const uint32_t length = deliveries_[delivery].reference.length;
  if (length > kPeek) std::memcpy(to + kPeek, from + kPeek, length - kPeek);
  return true;
}

std::optional<Bytes> Endpoint::loadOwn(uint32_t delivery) const {
  const std::byte* from = heldPayload(delivery);
  if (!from || deliveries_[delivery].reference.length < options_.ownFrom) return std::nullopt;
  const uint32_t length = deliveries_[delivery].reference.length;
  Bytes memory = observer_.ownMemory(length);
  memory.assign(from, from + length);
  return memory;
}

Endpoint::View Endpoint::view(uint32_t delivery) {
  if (delivery >= deliveries_.size()) return {};
  const Delivery& d = deliveries_[delivery];
  Connection* c = get(d.connection);
  if (d.released || d.reference.fragment() || !c || !c->target) return {};
  return {c->target->view(d.reference), d.reference.length, c->target};
}

}  // namespace rsm
