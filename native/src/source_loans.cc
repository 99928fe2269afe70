// Loans: partitions that the layer above fills in place and then commits as one message, or gives back.
#include "crash_point.hpp"
#include "source_channel.hpp"

namespace rsm {

LendStatus SourceChannel::lend(uint64_t length, Room& room) {
  if (length > maxMessageSize_) return LendStatus::kTooLarge;
  if (length > largestSpan_) return LendStatus::kUnable;
  if (fragmented_) return LendStatus::kNoRoom;
  if (!findRoom(length, room)) return inFlight_ == 0 ? LendStatus::kUnable : LendStatus::kNoRoom;
  lent_ += room.count;
  touched_ = true;
  RSM_CRASH_POINT("loan.lent");
  return LendStatus::kLent;
}

SendResult SourceChannel::commitLoan(const Room& room, uint64_t length, const SendOptions& options) {
  if (fragmented_) return {SendStatus::kNoRoom};
  const auto needed = static_cast<uint32_t>(layout_.segments[room.group].geometry.partitionsFor(length));
  if (needed > room.count) return {SendStatus::kTooLarge};
  if (needed < room.count) directory_.give(room.group, room.first + needed, room.count - needed);
  lent_ -= room.count;
  ++inFlight_;
  watched_ += options.watched;
  RSM_CRASH_POINT("loan.filled");
  return {SendStatus::kCommitted, commit({}, 0, length, {room.group, room.first, needed}, layout::kMarkFirst, options)};
}

void SourceChannel::returnLoan(const Room& room) {
  directory_.give(room.group, room.first, room.count);
  lent_ -= room.count;
  RSM_CRASH_POINT("loan.returned");
}

}  // namespace rsm
