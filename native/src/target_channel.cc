#include "target_channel.hpp"

#include <algorithm>
#include <utility>

#include "crash_point.hpp"

namespace rsm {

using layout::DirectoryEntry;
using layout::OrderSlot;

TargetChannel::TargetChannel(ChannelLayout layout, Region target, std::unique_ptr<Interconnect> toSender)
    : layout_(std::move(layout)), target_(std::move(target)), toSender_(std::move(toSender)), received_(layout_.segments.size()) {}

const OrderSlot& TargetChannel::slot(uint64_t sequence) const {
  const auto* ring = reinterpret_cast<const OrderSlot*>(target_.data() + layout::kOrderRingOffset);
  return ring[sequence & (layout_.slots - 1)];
}

const DirectoryEntry* TargetChannel::directory(uint32_t group) const {
  return reinterpret_cast<const DirectoryEntry*>(target_.data() + layout_.segments[group].directoryOffset);
}

bool TargetChannel::pending() const { return corrupt_.empty() && loadAcquire(slot(nextSequence_).sequence) == nextSequence_; }

bool TargetChannel::next(Reference& out) {
  if (!corrupt_.empty()) return false;
  const OrderSlot& order = slot(nextSequence_);
  if (loadAcquire(order.sequence) != nextSequence_) return false;  // [A] acquire; the sender's release: SourceChannel::commit
  if (!readDirectory(nextSequence_, order.body.load(std::memory_order_relaxed), out)) return false;
  ++nextSequence_;
  return true;
}

bool TargetChannel::readDirectory(uint64_t sequence, uint64_t body, Reference& out) {
  const auto refuse = [&](const std::string& why) {
    corrupt_ = "its message " + std::to_string(sequence) + " " + why;
    return false;
  };
  const uint32_t group = static_cast<uint32_t>(body >> 32);
  const uint32_t first = static_cast<uint32_t>(body);
  if (group >= layout_.segments.size()) return refuse("names group " + std::to_string(group) + ", which is not there");
  const SegmentGeometry& geometry = layout_.segments[group].geometry;
  if (first >= geometry.partitions) return refuse("begins in partition " + std::to_string(first) + ", which is not there");

  const DirectoryEntry* entries = directory(group);
  const uint64_t word0 = entries[first].word0.load(std::memory_order_relaxed);
  const uint64_t word1 = entries[first].word1.load(std::memory_order_relaxed);
  const uint64_t length = word0 >> 32;
  const uint8_t mark = static_cast<uint8_t>(word1 >> 48);
  const uint8_t lane = static_cast<uint8_t>(word1 >> 56);
  if (!(mark & layout::kMarkFirst) || mark > 7) return refuse("begins in a partition whose directory entry does not say so");
  if (lane > 2) return refuse("names lane " + std::to_string(lane) + ", which is not there");
  if (length > geometry.spanCapacity()) return refuse("is " + std::to_string(length) + " bytes long, more than a span of its group holds");
  const uint64_t count = geometry.partitionsFor(length);
  if (first + count > geometry.partitions) return refuse("reaches over the segment's end");
  // A sender whose messages overlap could commit without end: what is held never exceeds what there is.
  if (received_[group].held + count > geometry.partitions) return refuse("stands in partitions that are not released yet");
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t follows = i == 0 ? static_cast<uint32_t>(word0) : static_cast<uint32_t>(entries[first + i].word0.load(std::memory_order_relaxed));
    if (follows != (i + 1 == count ? layout::kEndOfSpan : first + i + 1)) return refuse("has a directory chain that is not contiguous");
  }
  out = {sequence, layout_.firstCell[group] + first, static_cast<uint32_t>(length), static_cast<uint16_t>(word1 >> 32),
         static_cast<uint16_t>(group), lane, mark};

  GroupUse& use = received_[group];
  ++use.messages;
  use.bytes += length;
  use.held += static_cast<uint32_t>(count);
  use.highWater = std::max(use.highWater, use.held);
  heldPartitions_ += static_cast<uint32_t>(count);
  return true;
}

uint32_t TargetChannel::partitionsOf(const Reference& reference) const {
  return static_cast<uint32_t>(layout_.segments[reference.group].geometry.partitionsFor(reference.length));
}

const std::byte* TargetChannel::payload(const Reference& reference) const {
  const SegmentDescriptor& s = layout_.segments[reference.group];
  return target_.data() + s.offset + uint64_t{reference.cell - layout_.firstCell[reference.group]} * s.geometry.partitionSize;
}

std::byte* TargetChannel::view(const Reference& reference) {
  if (!writable_) {
    target_.allowWrites(layout_.segments.front().offset);
    writable_ = true;
  }
  return const_cast<std::byte*>(payload(reference));
}

void TargetChannel::release(const Reference& reference, layout::Outcome outcome) {
  const uint32_t count = partitionsOf(reference);
  received_[reference.group].held -= count;
  heldPartitions_ -= count;
  const uint64_t offset = layout::kReleaseRingOffset + (nextRelease_ & (layout_.slots - 1)) * sizeof(layout::ReleaseRecord);
  const uint64_t body = reference.sequence << 4 | static_cast<uint64_t>(outcome);
  toSender_->announce(offset, body, uint64_t{reference.cell} << 32 | static_cast<uint32_t>(nextRelease_ + 1));  // [B] release
  RSM_CRASH_POINT("release.announced");
  ++nextRelease_;
}

void TargetChannel::markStarted(const Reference& reference, bool started) {
  toSender_->store(layout_.startedOffset + uint64_t{reference.cell} * sizeof(layout::StartedWord), started ? reference.sequence : 0);  // [E]
  RSM_CRASH_POINT("started");
}

bool TargetChannel::senderWantsBell() {
  toSender_->fence();  // [D] the releases before, the load after; meets the fence in SourceChannel::armForReleases
  const auto& header = *reinterpret_cast<const layout::TargetHeader*>(target_.data());
  const uint64_t waits = loadAcquire(header.senderWaits);  // [D]
  if (waits == 0) return false;
  const uint32_t generation = layout::generationOf(waits);
  if (generation == rungGeneration_ || !layout::beyond(waits, nextRelease_)) return false;
  RSM_CRASH_POINT("release.bellDue");
  rungGeneration_ = generation;
  return true;
}

bool TargetChannel::arm() {
  if (!armed_) {
    armed_ = true;
    if (++sleepGeneration_ == 0) ++sleepGeneration_;
    toSender_->store(layout::kReleaseHeaderOffset, layout::arm(sleepGeneration_, nextSequence_));  // [C]
    RSM_CRASH_POINT("sleeping.armed");
  }
  toSender_->fence();  // [C] the arm before, the load after; meets the fence in SourceChannel::receiverWantsBell
  return !pending();
}

void TargetChannel::disarm() {
  if (!armed_) return;
  armed_ = false;
  toSender_->store(layout::kReleaseHeaderOffset, 0);  // [C]
  RSM_CRASH_POINT("sleeping.disarmed");
}

TargetChannel::Entry TargetChannel::entry(uint32_t group, uint32_t partition) const {
  const DirectoryEntry& e = directory(group)[partition];
  const uint64_t word0 = e.word0.load(std::memory_order_relaxed);
  const uint64_t word1 = e.word1.load(std::memory_order_relaxed);
  return {((word1 >> 48) & layout::kMarkFirst) != 0, static_cast<uint32_t>(word0), static_cast<uint32_t>(word0 >> 32)};
}

}  // namespace rsm
