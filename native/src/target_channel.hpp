#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "channel_layout.hpp"
#include "interconnect.hpp"
#include "layout.hpp"
#include "region.hpp"

namespace rsm {

/// A committed span, read from the order ring and the target directory once and checked: what the receiver works with from then on.
struct Reference {
  uint64_t sequence;
  uint32_t cell;
  uint32_t length;
  uint16_t attempt;
  uint16_t group;
  uint8_t lane;
  uint8_t mark;

  bool fragment() const { return mark & layout::kMarkFragment; }
  bool last() const { return !fragment() || (mark & layout::kMarkLast); }
};

/// The receiver's end of a channel: reads committed spans in their order, and releases them in any order. Nothing that the sender
/// wrote is used before it was checked against the geometry this side decided.
class TargetChannel {
 public:
  /// `target` is the region allocated here; `toSender` carries stores into the release region.
  TargetChannel(ChannelLayout layout, Region target, std::unique_ptr<Interconnect> toSender);

  /// Appends up to `budget` references in order of commit; returns how many. Stops for good at the first one that breaks the rules,
  /// with corrupt() set.
  template <class Sink>
  std::size_t drain(std::size_t budget, Sink&& sink) {
    std::size_t read = 0;
    Reference reference;
    while (read < budget && next(reference)) {
      sink(reference);
      ++read;
    }
    return read;
  }
  /// True if a committed span has not been read.
  bool pending() const;

  /// The sequence that is read next.
  uint64_t nextSequence() const { return nextSequence_; }

  /// The span's bytes in the target segment: the sender can still change them, so they are copied before anything decodes them.
  const std::byte* payload(const Reference& reference) const;

  /// The same for a view that is handed out: JavaScript may write there, into what the sender would deliver again.
  std::byte* view(const Reference& reference);

  /// Tells the sender that the span is finished. It must have been read and not released before.
  void release(const Reference& reference, layout::Outcome outcome);
  /// Says (or takes back) that a handler of the message begins.
  void markStarted(const Reference& reference, bool started);

  /// After releases: true if the sender waits and must be rung. Each wait is rung once. [D]
  bool senderWantsBell();

  /// Announces that this side sleeps. True if nothing came meanwhile, so that it may. [C]
  bool arm();
  void disarm();

  const std::string& corrupt() const { return corrupt_; }
  const ChannelLayout& layout() const { return layout_; }
  /// Spans read and not yet released.
  uint32_t held() const { return heldPartitions_; }
  uint64_t received(uint32_t group) const { return received_[group].messages; }
  uint64_t receivedBytes(uint32_t group) const { return received_[group].bytes; }
  uint32_t heldPartitions(uint32_t group) const { return received_[group].held; }
  uint32_t highWater(uint32_t group) const { return received_[group].highWater; }

  struct Entry {
    bool first;
    uint32_t next;
    uint32_t length;
  };
  /// The target directory as the sender wrote it.
  Entry entry(uint32_t group, uint32_t partition) const;

 private:
  struct GroupUse {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    uint32_t held = 0;
    uint32_t highWater = 0;
  };

  bool next(Reference& out);
  bool readDirectory(uint64_t sequence, uint64_t body, Reference& out);
  uint32_t partitionsOf(const Reference& reference) const;
  const layout::OrderSlot& slot(uint64_t sequence) const;
  const layout::DirectoryEntry* directory(uint32_t group) const;

  ChannelLayout layout_;
  Region target_;
  std::unique_ptr<Interconnect> toSender_;
  std::vector<GroupUse> received_;
  uint64_t nextSequence_ = 1;
  uint64_t nextRelease_ = 0;
  uint32_t heldPartitions_ = 0;
  uint32_t sleepGeneration_ = 0;
  bool armed_ = false;
  bool writable_ = false;  ///< its partitions are, for views
  uint32_t rungGeneration_ = 0;  ///< the sender's last wait that was rung
  std::string corrupt_;
};

}  // namespace rsm
