#include "source_channel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "crash_point.hpp"
#include "layout.hpp"

namespace rsm {

void MessageParts::copy(uint64_t from, uint64_t count, std::byte* to) const {
  if (from < headerLength) {
    const std::size_t part = static_cast<std::size_t>(std::min<uint64_t>(count, headerLength - from));
    std::memcpy(to, header + from, part);
    RSM_CRASH_POINT("payload.header");
    to += part;
    from += part;
    count -= part;
  }
  if (count) std::memcpy(to, payload + (from - headerLength), static_cast<std::size_t>(count));
}

SourceChannel::SourceChannel(ChannelLayout layout, std::unique_ptr<Interconnect> toTarget, Region releases, uint64_t maxMessageSize)
    : layout_(std::move(layout)),
      toTarget_(std::move(toTarget)),
      releases_(std::move(releases)),
      directory_(layout_),
      selection_(layout_.segments),
      maxMessageSize_(maxMessageSize),
      largestSpan_(layout_.largestSpan()) {}

std::byte* SourceChannel::partition(uint32_t group, uint32_t first) const {
  const auto& s = layout_.segments[group];
  return toTarget_->image() + s.offset + uint64_t{first} * s.geometry.partitionSize;
}

bool SourceChannel::findRoom(uint64_t length, Room& room) {
  const GroupChoice& choice = selection_.choose(length);
  for (uint32_t i = 0; i < choice.count; ++i) {
    const uint32_t group = choice.groups[i];
    const uint32_t count = static_cast<uint32_t>(layout_.segments[group].geometry.partitionsFor(length));
    const uint32_t first = directory_.take(group, count);
    if (first != PartitionMap::kNone) {
      room = {group, first, count};
      return true;
    }
  }
  return false;
}

SendResult SourceChannel::send(const MessageParts& message, const SendOptions& options) {
  const uint64_t length = message.length();
  if (length > maxMessageSize_) return {SendStatus::kTooLarge};
  if (fragmented_) return {SendStatus::kNoRoom};
  if (length > largestSpan_) {
    auto kept = std::make_unique<Fragmented>();
    kept->bytes.resize(length);
    message.copy(0, length, kept->bytes.data());
    kept->options = options;
    kept->firstSequence = nextSequence_;  // nothing can be committed before its first fragment
    privateBytes_ += length;
    fragmented_ = kept.get();
    kept_.push_back(std::move(kept));
    ++inFlight_;
    watched_ += options.watched;
    const uint64_t sequence = nextSequence_;
    pump();
    return {SendStatus::kCommitted, sequence};
  }
  Room room;
  if (!findRoom(length, room)) return {SendStatus::kNoRoom};
  ++inFlight_;
  watched_ += options.watched;
  return {SendStatus::kCommitted, commit(message, 0, length, room, layout::kMarkFirst, options)};
}

uint64_t SourceChannel::commit(const MessageParts& message, uint64_t from, uint64_t length, const Room& room, uint8_t mark,
                               const SendOptions& options) {
  std::byte* to = partition(room.group, room.first);
  if (message.length()) message.copy(from, length, to);
  RSM_CRASH_POINT("payload.copied");
  toTarget_->written(static_cast<uint64_t>(to - toTarget_->image()), length);
  writeEntries(room, length, mark, options);

  const uint64_t sequence = nextSequence_++;
  const uint32_t cell = layout_.firstCell[room.group] + room.first;
  directory_.row(cell) = {sequence, static_cast<uint32_t>(length), room.count, static_cast<uint16_t>(room.group), options.attempt,
                          options.lane, mark, options.watched};
  auto& use = directory_.use(room.group);
  ++use.messages;
  use.bytes += length;
  touched_ = true;

  const uint64_t slot = layout::kOrderRingOffset + (sequence & (layout_.slots - 1)) * sizeof(layout::OrderSlot);
  toTarget_->announce(slot, uint64_t{room.group} << 32 | room.first, sequence);  // [A] release; the receiver's acquire: TargetChannel::drain
  return sequence;
}

void SourceChannel::writeEntries(const Room& room, uint64_t length, uint8_t mark, const SendOptions& options) {
  const uint64_t offset = layout_.segments[room.group].directoryOffset + uint64_t{room.first} * sizeof(layout::DirectoryEntry);
  auto* entries = reinterpret_cast<layout::DirectoryEntry*>(toTarget_->image() + offset);
  for (uint32_t i = 0; i < room.count; ++i) {
    const uint32_t next = i + 1 == room.count ? layout::kEndOfSpan : room.first + i + 1;
    const uint64_t word0 = (i == 0 ? length << 32 : 0) | next;
    const uint64_t word1 = i == 0 ? uint64_t{options.lane} << 56 | uint64_t{mark} << 48 | uint64_t{options.attempt} << 32 : 0;
    entries[i].word0.store(word0, std::memory_order_relaxed);
    RSM_CRASH_POINT("directory.word0");
    entries[i].word1.store(word1, std::memory_order_relaxed);
    RSM_CRASH_POINT("directory.word1");
  }
  toTarget_->written(offset, uint64_t{room.count} * sizeof(layout::DirectoryEntry));
}

bool SourceChannel::pump() {
  bool committed = false;
  while (fragmented_) {
    Fragmented& m = *fragmented_;
    const uint64_t length = std::min<uint64_t>(largestSpan_, m.bytes.size() - m.committed);
    Room room;
    if (!findRoom(length, room)) return committed;
    const bool last = m.committed + length == m.bytes.size();
    const uint8_t mark = layout::kMarkFirst | layout::kMarkFragment | (last ? layout::kMarkLast : 0);
    const MessageParts parts{nullptr, 0, m.bytes.data(), m.bytes.size()};
    const uint64_t sequence = commit(parts, m.committed, length, room, mark, m.options);
    RSM_CRASH_POINT("fragment.committed");
    m.committed += length;
    committed = true;
    if (last) {
      m.lastSequence = sequence;
      fragmented_ = nullptr;
    }
  }
  return committed;
}

bool SourceChannel::receiverWantsBell() {
  toTarget_->fence();  // [C] the commit before, the load after; meets the fence in TargetChannel::arm
  const auto& header = *reinterpret_cast<const layout::ReleaseHeader*>(releases_.data());
  const uint64_t sleeping = loadAcquire(header.sleeping);  // [C]
  if (sleeping == 0) return false;
  const uint32_t generation = layout::generationOf(sleeping);
  if (generation == rungGeneration_ || !layout::beyond(sleeping, nextSequence_)) return false;
  RSM_CRASH_POINT("commit.bellDue");
  rungGeneration_ = generation;
  return true;
}

const layout::ReleaseRecord& SourceChannel::record(uint64_t number) const {
  const auto* ring = reinterpret_cast<const layout::ReleaseRecord*>(releases_.data() + layout::kReleaseRingOffset);
  return ring[number & (layout_.slots - 1)];
}

bool SourceChannel::releasesPending() const {
  return static_cast<uint32_t>(loadAcquire(record(nextRelease_).stamp)) == static_cast<uint32_t>(nextRelease_ + 1);
}

std::size_t SourceChannel::takeReleases(std::vector<ReleasedMessage>& out) {
  std::size_t read = 0;
  while (corrupt_.empty()) {
    const auto& slot = record(nextRelease_);
    const uint64_t stamp = loadAcquire(slot.stamp);  // [B] acquire; the receiver's release: TargetChannel::release
    if (static_cast<uint32_t>(stamp) != static_cast<uint32_t>(nextRelease_ + 1)) break;
    const uint64_t body = slot.body.load(std::memory_order_relaxed);
    const uint32_t cell = static_cast<uint32_t>(stamp >> 32);
    const uint64_t sequence = body >> 4;
    const uint8_t outcome = body & 15;
    if (cell >= directory_.cells() || sequence == 0 || directory_.row(cell).sequence != sequence) {
      corrupt_ = "it released sequence " + std::to_string(sequence) + " in cell " + std::to_string(cell) + ", which is not in flight there";
      break;
    }
    if (outcome < 1 || outcome > 4) {
      corrupt_ = "it released sequence " + std::to_string(sequence) + " with the unknown outcome " + std::to_string(outcome);
      break;
    }
    InFlight& row = directory_.row(cell);
    const auto result = static_cast<layout::Outcome>(outcome);
    const bool partial = (row.mark & layout::kMarkFragment) && !(row.mark & layout::kMarkLast);
    if (!partial) {
      Fragmented* whole = row.mark & layout::kMarkFragment ? fragmentedBy(sequence) : nullptr;
      if (row.watched || result != layout::Outcome::kDone) {
        ReleasedMessage released{whole ? whole->firstSequence : sequence, result, row.lane, row.attempt, {}};
        if (result == layout::Outcome::kNack || result == layout::Outcome::kReturned)
          released.bytes = whole ? std::move(whole->bytes) : bytesOf(row, cell);
        out.push_back(std::move(released));
      }
      if (whole) forget(whole);
      --inFlight_;
      watched_ -= row.watched;
    }
    RSM_CRASH_POINT("release.taken");
    directory_.give(row.group, cell - layout_.firstCell[row.group], row.count);
    row.sequence = 0;
    ++nextRelease_;
    ++read;
  }
  if (read) disarm();  // the next wait gets a generation of its own, and so a bell of its own
  return read;
}

std::vector<std::byte> SourceChannel::bytesOf(const InFlight& row, uint32_t cell) const {
  const std::byte* from = partition(row.group, cell - layout_.firstCell[row.group]);
  return {from, from + row.length};
}

SourceChannel::Fragmented* SourceChannel::fragmentedBy(uint64_t lastSequence) const {
  for (const auto& m : kept_)
    if (m->lastSequence == lastSequence) return m.get();
  return nullptr;
}

void SourceChannel::forget(const Fragmented* message) {
  const auto at = std::find_if(kept_.begin(), kept_.end(), [&](const auto& m) { return m.get() == message; });
  if (at == kept_.end()) return;
  privateBytes_ -= (*at)->committed;  // all of it: only a message whose last fragment was released is forgotten
  kept_.erase(at);
}

bool SourceChannel::armForReleases() {
  if (!armed_) {
    armed_ = true;
    if (++waitGeneration_ == 0) ++waitGeneration_;
    toTarget_->store(layout::kTargetHeaderOffset, layout::arm(waitGeneration_, nextRelease_));  // [D]
    RSM_CRASH_POINT("senderWaits.armed");
  }
  toTarget_->fence();  // [D] the wait before, the load after; meets the fence in TargetChannel::senderWantsBell
  return !releasesPending();
}

void SourceChannel::disarm() {
  if (!armed_) return;
  armed_ = false;
  toTarget_->store(layout::kTargetHeaderOffset, 0);  // [D]
  RSM_CRASH_POINT("senderWaits.disarmed");
}

std::vector<UnfinishedMessage> SourceChannel::unfinished() const {
  const auto* started = reinterpret_cast<const layout::StartedWord*>(releases_.data() + layout_.startedOffset);
  std::vector<UnfinishedMessage> out;
  for (uint32_t cell = 0; cell < directory_.cells(); ++cell) {
    const InFlight& row = directory_.row(cell);
    if (row.sequence == 0 || row.mark & layout::kMarkFragment) continue;
    const bool begun = loadAcquire(started[cell]) == row.sequence;  // [E]
    out.push_back({row.sequence, row.lane, row.attempt, begun, bytesOf(row, cell)});
  }
  for (const auto& m : kept_) {
    bool begun = false;
    for (uint32_t cell = 0; m->lastSequence && cell < directory_.cells(); ++cell)
      if (directory_.row(cell).sequence == m->lastSequence) begun = loadAcquire(started[cell]) == m->lastSequence;  // [E]
    out.push_back({m->firstSequence, m->options.lane, m->options.attempt, begun, m->bytes});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
  return out;
}

bool SourceChannel::trim() {
  if (!idle() || !touched_) return false;
  for (const auto& s : layout_.segments) toTarget_->discard(s.offset, s.length);
  touched_ = false;
  return true;
}

}  // namespace rsm
