// The receiver over arbitrary target memory that also changes between its reads.
#include "target_memory_steps.hpp"

#include <string>

#include "shared_memory.hpp"
#include "target_channel.hpp"

namespace {

using fuzz::Input;
using fuzz::TargetStep;
using rsm::Reference;
namespace layout = rsm::layout;

struct Harness {
  rsm::ChannelLayout layout;
  fuzz::SharedMemory target;
  fuzz::SharedMemory release;
  uint64_t words;  ///< header, order ring and directories: what the receiver may load word by word
  fuzz::Rewriter rewriter;
  fuzz::CheckedInterconnect* toSender;
  std::unique_ptr<rsm::TargetChannel> channel;

  std::vector<Reference> held;
  std::vector<uint32_t> heldPartitions;
  uint64_t nextSequence = 1;
  uint64_t released = 0;
  uint64_t forged = 1;
  std::string corrupt;
  uint64_t checksum = 0;

  explicit Harness(const std::vector<rsm::SegmentGeometry>& geometry)
      : layout(rsm::layOut(geometry)),
        target(layout.targetSize),
        release(layout.releaseSize),
        words((layout.segments.back().directoryOffset + layout.segments.back().geometry.partitions * 16) / 8),
        rewriter(target, words),
        heldPartitions(layout.segments.size()) {
    auto stores = std::make_unique<fuzz::CheckedInterconnect>(release.again());
    toSender = stores.get();
    channel = std::make_unique<rsm::TargetChannel>(layout, std::move(target.own), std::move(stores));
  }

  uint32_t spanOf(const Reference& r) const {
    const uint32_t size = layout.segments[r.group].geometry.partitionSize;
    return std::max<uint32_t>(1, (r.length + size - 1) / size);
  }

  void checkReference(const Reference& r) {
    REQUIRE(r.sequence == nextSequence++);
    REQUIRE(r.group < layout.segments.size());
    const auto& s = layout.segments[r.group];
    REQUIRE(r.cell >= layout.firstCell[r.group]);
    const uint64_t first = r.cell - layout.firstCell[r.group];
    REQUIRE(first + spanOf(r) <= s.geometry.partitions);
    REQUIRE(spanOf(r) <= s.geometry.spanFactor);
    REQUIRE(r.lane < 3);
    REQUIRE((r.mark & layout::kMarkFirst) && r.mark < 8);
    const std::byte* payload = channel->payload(r);
    const std::byte* segment = target.base + s.offset;
    REQUIRE(payload == segment + first * s.geometry.partitionSize);
    REQUIRE(payload + r.length <= segment + s.length);
    for (uint32_t i = 0; i < r.length; i += 64) checksum += static_cast<uint8_t>(payload[i]);
    held.push_back(r);
    heldPartitions[r.group] += spanOf(r);
  }

  void checkState() {
    uint64_t all = 0;
    for (uint32_t g = 0; g < heldPartitions.size(); ++g) {
      REQUIRE(channel->heldPartitions(g) == heldPartitions[g]);
      REQUIRE(heldPartitions[g] <= layout.segments[g].geometry.partitions);
      REQUIRE(channel->highWater(g) >= heldPartitions[g] && channel->highWater(g) <= layout.segments[g].geometry.partitions);
      all += heldPartitions[g];
    }
    REQUIRE(channel->held() == all);
    if (!corrupt.empty()) {
      REQUIRE(channel->corrupt() == corrupt);
      REQUIRE(!channel->pending());
    }
    corrupt = channel->corrupt();
  }
};

void commit(Harness& h, Input& in) {
  const uint32_t group = in.upTo(static_cast<uint32_t>(h.layout.segments.size() - 1));
  const auto& s = h.layout.segments[group];
  const uint32_t first = in.upTo(s.geometry.partitions - 1);
  const uint32_t length = in.number<uint16_t>();
  const uint64_t mark = in.byte();
  const uint64_t lane = in.byte();
  const uint32_t broken = in.byte();
  const uint32_t count = std::max<uint32_t>(1, (length + s.geometry.partitionSize - 1) / s.geometry.partitionSize);
  for (uint32_t i = 0; i < count && first + i < s.geometry.partitions; ++i) {
    const uint64_t entry = s.directoryOffset / 8 + (uint64_t{first} + i) * 2;
    const uint64_t next = broken == i + 1 ? 0 : i + 1 == count ? layout::kEndOfSpan : first + i + 1;
    h.target.set(entry, (i == 0 ? uint64_t{length} << 32 : 0) | next);
    h.target.set(entry + 1, i == 0 ? lane << 56 | mark << 48 | uint64_t{1} << 32 : 0);
  }
  const uint64_t slot = layout::kOrderRingOffset / 8 + (h.forged & (h.layout.slots - 1)) * 2;
  h.target.set(slot, uint64_t{group} << 32 | first);
  h.target.set(slot + 1, h.forged++);
}

void drain(Harness& h, Input& in) {
  const std::size_t budget = in.byte();
  const uint64_t word = in.number<uint16_t>() % h.target.words();
  const uint64_t value = in.number<uint64_t>();
  const std::size_t before = h.held.size();
  const bool ended = !h.corrupt.empty();
  const std::size_t read = h.channel->drain(budget, [&](const Reference& r) {
    h.checkReference(r);
    if (value) h.target.set(word, value);
  });
  REQUIRE(read <= budget && read == h.held.size() - before);
  REQUIRE(!ended || read == 0);
  h.forged = std::max(h.forged, h.nextSequence);
}

void release(Harness& h, Input& in) {
  const uint32_t which = in.byte();
  const auto outcome = static_cast<layout::Outcome>(1 + in.upTo(3));
  if (h.held.empty()) return;
  const auto at = h.held.begin() + static_cast<std::ptrdiff_t>(which % h.held.size());
  const Reference r = *at;
  h.held.erase(at);
  h.heldPartitions[r.group] -= h.spanOf(r);
  h.channel->release(r, outcome);
  const auto& record = h.toSender->announced;
  REQUIRE(record.offset == layout::kReleaseRingOffset + (h.released & (h.layout.slots - 1)) * 16);
  REQUIRE(record.body == (r.sequence << 4 | static_cast<uint64_t>(outcome)));
  REQUIRE(record.stamp == (uint64_t{r.cell} << 32 | static_cast<uint32_t>(++h.released)));
}

void run(Harness& h, Input& in) {
  for (uint32_t steps = 0; !in.empty() && steps < 400; ++steps) {
    switch (static_cast<TargetStep>(in.upTo(static_cast<uint32_t>(TargetStep::kCount) - 1))) {
      case TargetStep::kBytes: {
        const uint64_t word = in.number<uint16_t>() % h.target.words();
        h.target.write(word, in.bytes(in.byte()));
        break;
      }
      case TargetStep::kWord: {
        const uint64_t word = in.number<uint16_t>() % h.target.words();
        h.target.set(word, in.number<uint64_t>());
        break;
      }
      case TargetStep::kCommit:
        commit(h, in);
        break;
      case TargetStep::kSlot: {
        const uint64_t sequence = h.nextSequence + in.byte();
        const uint64_t slot = layout::kOrderRingOffset / 8 + (sequence & (h.layout.slots - 1)) * 2;
        h.target.set(slot, in.number<uint64_t>());
        h.target.set(slot + 1, sequence);
        break;
      }
      case TargetStep::kRewrite:
        h.rewriter.plan(in);
        break;
      case TargetStep::kDrain:
        drain(h, in);
        break;
      case TargetStep::kRelease:
        release(h, in);
        break;
      case TargetStep::kStart: {
        const uint32_t which = in.byte();
        const bool started = in.byte() & 1;
        if (!h.held.empty()) h.channel->markStarted(h.held[which % h.held.size()], started);
        break;
      }
      case TargetStep::kSleep:
        h.channel->senderWantsBell();
        h.channel->arm();
        if (in.byte() & 1) h.channel->disarm();
        break;
      case TargetStep::kCount:
        break;
    }
    h.checkState();
  }
  h.channel->drain(SIZE_MAX, [&](const Reference& r) { h.checkReference(r); });
  h.checkState();
  for (uint32_t g = 0; g < h.layout.segments.size(); ++g)
    for (uint32_t p = 0; p < h.layout.segments[g].geometry.partitions; ++p) h.channel->entry(g, p);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  Input in(data, size);
  Harness harness(fuzz::readGeometry(in));
  run(harness, in);
  return 0;
}
