#pragma once

#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layout.hpp"
#include "mapped_interconnect.hpp"
#include "process_state.hpp"
#include "seeds.hpp"
#include "source_channel.hpp"
#include "target_channel.hpp"

namespace check {

using rsm::SegmentGeometry;
namespace layout = rsm::layout;

/// Text of `length` bytes that tells its position and its `salt`.
inline std::string pattern(uint64_t length, uint32_t salt) {
  std::string text(length, '\0');
  uint32_t state = salt * 2654435761u + 1;
  for (uint64_t i = 0; i < length; ++i) {
    if (i % 4 == 0) state = state * 1664525u + 1013904223u;
    text[i] = static_cast<char>(state >> (i % 4 * 8));
  }
  return text;
}

inline std::string textOf(const std::vector<std::byte>& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

struct Received {
  rsm::Reference reference;
  std::string bytes;
};

/// Both ends of one channel over real regions, in one process; and a second mapping of each region through which a test can be the
/// peer that breaks the rules.
struct ChannelPair {
  rsm::ChannelLayout layout;
  rsm::Region targetMemory;   ///< writable, as the sender's is
  rsm::Region releaseMemory;  ///< writable, as the receiver's is
  std::unique_ptr<rsm::SourceChannel> source;
  std::unique_ptr<rsm::TargetChannel> target;

  explicit ChannelPair(const std::vector<SegmentGeometry>& geometry, uint64_t maxMessageSize = 64 << 20) : layout(rsm::layOut(geometry)) {
    rsm::Region own = rsm::Region::allocate(layout.targetSize);
    rsm::Region releases = rsm::Region::allocate(layout.releaseSize);
    targetMemory = rsm::Region::adopt(duplicate(own.fd()), layout.targetSize);
    releaseMemory = rsm::Region::adopt(duplicate(releases.fd()), layout.releaseSize);
    auto toTarget = std::make_unique<rsm::MappedInterconnect>(rsm::Region::adopt(duplicate(own.fd()), layout.targetSize));
    auto toSender = std::make_unique<rsm::MappedInterconnect>(rsm::Region::adopt(duplicate(releases.fd()), layout.releaseSize));
    own.closeDescriptor();
    releases.closeDescriptor();
    source = std::make_unique<rsm::SourceChannel>(rsm::layOutDescribed(layout.segments, layout.targetSize), std::move(toTarget),
                                                  std::move(releases), maxMessageSize);
    target = std::make_unique<rsm::TargetChannel>(layout, std::move(own), std::move(toSender));
  }

  rsm::SendResult send(const std::string& text, const rsm::SendOptions& options = {}) {
    const std::size_t half = text.size() / 2;  // both parts of a message are used
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    return source->send({bytes, half, bytes + half, text.size() - half}, options);
  }
  /// Sends what must find room.
  uint64_t commit(const std::string& text, const rsm::SendOptions& options = {}) {
    const rsm::SendResult result = send(text, options);
    CHECK_EQ(result.status, rsm::SendStatus::kCommitted);
    return result.sequence;
  }

  std::vector<Received> receive(std::size_t budget = SIZE_MAX) {
    std::vector<Received> out;
    target->drain(budget, [&](const rsm::Reference& reference) {
      const auto* from = reinterpret_cast<const char*>(target->payload(reference));
      out.push_back({reference, std::string(from, reference.length)});
    });
    return out;
  }
  void release(const Received& received, layout::Outcome outcome = layout::Outcome::kDone) { target->release(received.reference, outcome); }
  std::vector<rsm::ReleasedMessage> takeReleases() {
    std::vector<rsm::ReleasedMessage> out;
    source->takeReleases(out);
    return out;
  }

  uint32_t partitionsTaken() const {
    uint32_t taken = 0;
    for (uint32_t g = 0; g < layout.segments.size(); ++g) taken += source->directory().map(g).takenCount();
    return taken;
  }
  uint32_t spanOf(const rsm::Reference& r) const {
    const uint32_t size = layout.segments[r.group].geometry.partitionSize;
    return std::max<uint32_t>(1, (r.length + size - 1) / size);
  }

  // The shared words, by the second mapping.
  layout::OrderSlot& slot(uint64_t sequence) const {
    return reinterpret_cast<layout::OrderSlot*>(targetMemory.data() + layout::kOrderRingOffset)[sequence & (layout.slots - 1)];
  }
  layout::DirectoryEntry& entry(uint32_t group, uint32_t partition) const {
    return reinterpret_cast<layout::DirectoryEntry*>(targetMemory.data() + layout.segments[group].directoryOffset)[partition];
  }
  layout::ReleaseRecord& record(uint64_t number) const {
    return reinterpret_cast<layout::ReleaseRecord*>(releaseMemory.data() + layout::kReleaseRingOffset)[number & (layout.slots - 1)];
  }
  std::atomic<uint64_t>& started(uint32_t cell) const {
    return reinterpret_cast<std::atomic<uint64_t>*>(releaseMemory.data() + layout.startedOffset)[cell];
  }
  std::atomic<uint64_t>& sleeping() const { return *reinterpret_cast<std::atomic<uint64_t>*>(releaseMemory.data()); }
  std::atomic<uint64_t>& senderWaits() const { return *reinterpret_cast<std::atomic<uint64_t>*>(targetMemory.data()); }

  /// Writes an order slot and a first directory entry as a sender would, whatever they say.
  void forge(uint64_t sequence, uint32_t group, uint32_t partition) const {
    slot(sequence).body.store(uint64_t{group} << 32 | partition);
    slot(sequence).sequence.store(sequence);
  }
  void forgeEntry(uint32_t group, uint32_t partition, uint32_t length, uint32_t next, uint8_t mark = layout::kMarkFirst, uint8_t lane = 0) const {
    entry(group, partition).word0.store(uint64_t{length} << 32 | next);
    entry(group, partition).word1.store(uint64_t{lane} << 56 | uint64_t{mark} << 48);
  }
  void forgeRelease(uint64_t number, uint64_t sequence, uint32_t cell, uint8_t outcome) const {
    record(number).body.store(sequence << 4 | outcome);
    record(number).stamp.store(uint64_t{cell} << 32 | static_cast<uint32_t>(number + 1));
  }
};

}  // namespace check
