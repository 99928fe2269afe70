// The sender's release path over arbitrary release memory that also changes between its reads, after any history of sends. A model
// that sees the words which were loaded says what must have been freed and reported.
#include "release_memory_steps.hpp"

#include <map>
#include <set>
#include <string>

#include "shared_memory.hpp"
#include "source_channel.hpp"

namespace {

using fuzz::Input;
using fuzz::ReleaseStep;
namespace layout = rsm::layout;

struct Message {
  std::vector<std::byte> bytes;
  rsm::SendOptions options;
  bool fragmented;
};

struct Span {
  uint64_t sequence;
  uint32_t count;
  uint32_t group;
  bool partial;      ///< a fragment that is not its message's last
  uint64_t message;  ///< the sequence that names it
};

struct Load {
  uint64_t word, value;
};

/// What must be true of the sender, from what it was told to send and from what it read.
struct Model {
  std::map<uint64_t, Message> messages;  ///< not released, by the sequence that names them
  std::map<uint32_t, Span> spans;        ///< in flight, by cell
  std::set<uint64_t> known;              ///< sequences seen in flight
  uint64_t nextRelease = 0;
  bool corrupt = false;
};

std::vector<std::byte> pattern(uint32_t length, uint8_t salt) {
  std::vector<std::byte> bytes(length);
  for (uint32_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(salt + i * 31 + (i >> 8));
  return bytes;
}

struct Harness {
  rsm::ChannelLayout layout;
  fuzz::SharedMemory target;
  fuzz::SharedMemory release;
  std::vector<Load> loads;
  fuzz::Rewriter rewriter;
  std::unique_ptr<rsm::SourceChannel> channel;
  Model model;
  uint64_t beingSent = 0;  ///< the message whose fragments are leaving
  uint64_t forged = 0;
  std::string corrupt;

  explicit Harness(const std::vector<rsm::SegmentGeometry>& geometry)
      : layout(rsm::layOut(geometry)),
        target(layout.targetSize),
        release(layout.releaseSize),
        rewriter(release, layout.startedOffset / 8 + layout.partitions, [this](uint64_t word, uint64_t value) { loads.push_back({word, value}); }) {
    channel = std::make_unique<rsm::SourceChannel>(rsm::layOutDescribed(layout.segments, layout.targetSize),
                                                   std::make_unique<fuzz::CheckedInterconnect>(target.again()), std::move(release.own), 20'000);
  }

  uint64_t recordWord(uint64_t number) const { return layout::kReleaseRingOffset / 8 + (number & (layout.slots - 1)) * 2; }
  void forge(uint64_t sequence, uint32_t cell, uint8_t outcome) {
    release.set(recordWord(forged), sequence << 4 | outcome);
    release.set(recordWord(forged) + 1, uint64_t{cell} << 32 | static_cast<uint32_t>(forged + 1));
    ++forged;
  }

  /// Enters what was committed since, and checks that it took only what was free.
  void noteCommits() {
    for (uint32_t cell = 0; cell < layout.partitions; ++cell) {
      const rsm::InFlight& row = channel->directory().row(cell);
      if (row.sequence == 0 || !model.known.insert(row.sequence).second) continue;
      const bool fragment = row.mark & layout::kMarkFragment;
      const bool partial = fragment && !(row.mark & layout::kMarkLast);
      const uint64_t message = fragment ? beingSent : row.sequence;
      REQUIRE(model.messages.contains(message));
      for (const auto& [at, span] : model.spans) REQUIRE(at + span.count <= cell || at >= cell + row.count);
      model.spans[cell] = {row.sequence, row.count, row.group, partial, message};
    }
    if (!channel->sending()) beingSent = 0;
  }

  void checkDirectory() {
    std::vector<uint32_t> taken(layout.segments.size(), 0);
    std::vector<bool> used(layout.partitions, false);
    for (uint32_t cell = 0; cell < layout.partitions; ++cell) {
      const auto found = model.spans.find(cell);
      REQUIRE(channel->directory().row(cell).sequence == (found == model.spans.end() ? 0 : found->second.sequence));
      if (found == model.spans.end()) continue;
      taken[found->second.group] += found->second.count;
      for (uint32_t i = 0; i < found->second.count; ++i) used[cell + i] = true;
    }
    for (uint32_t g = 0; g < layout.segments.size(); ++g) {
      REQUIRE(channel->directory().map(g).takenCount() == taken[g]);
      for (uint32_t p = 0; p < layout.segments[g].geometry.partitions; ++p)
        REQUIRE(channel->directory().map(g).taken(p) == used[layout.firstCell[g] + p]);
    }
    uint64_t watched = 0;
    uint64_t kept = 0;
    for (const auto& [name, m] : model.messages) {
      watched += m.options.watched;
      kept += m.fragmented ? m.bytes.size() : 0;
    }
    REQUIRE(channel->inFlight() == model.messages.size());
    REQUIRE(channel->watched() == watched);
    REQUIRE(channel->privateBytes() == kept);
    REQUIRE(channel->corrupt().empty() == !model.corrupt);
    if (!corrupt.empty()) REQUIRE(channel->corrupt() == corrupt);
    corrupt = channel->corrupt();
  }

  void checkReport(const rsm::ReleasedMessage& report, uint64_t name, layout::Outcome outcome) {
    const Message& m = model.messages.at(name);
    const bool bytesBack = outcome == layout::Outcome::kNack || outcome == layout::Outcome::kReturned;
    REQUIRE(report.sequence == name && report.outcome == outcome);
    REQUIRE(report.lane == m.options.lane && report.attempt == m.options.attempt);
    REQUIRE(report.bytes == (bytesBack ? m.bytes : std::vector<std::byte>{}));
  }
};

void send(Harness& h, Input& in) {
  const uint32_t length = in.number<uint16_t>() % 21'000;
  const auto bytes = pattern(length, in.byte());
  const rsm::SendOptions options{static_cast<uint8_t>(in.upTo(2)), in.byte(), (in.byte() & 1) != 0};
  const std::size_t half = length / 3;
  const bool busy = h.channel->sending();
  const rsm::SendResult result = h.channel->send({bytes.data(), half, bytes.data() + half, length - half}, options);
  REQUIRE((result.status == rsm::SendStatus::kTooLarge) == (length > 20'000));
  if (result.status != rsm::SendStatus::kCommitted) return;
  REQUIRE(!busy);
  const bool fragmented = length > h.layout.largestSpan();
  REQUIRE(h.model.messages.emplace(result.sequence, Message{bytes, options, fragmented}).second);
  if (fragmented) h.beingSent = result.sequence;
}

void take(Harness& h) {
  Model& model = h.model;
  const auto cells = static_cast<uint32_t>(h.layout.partitions);
  std::vector<rsm::ReleasedMessage> reports;
  h.loads.clear();
  const std::size_t read = h.channel->takeReleases(reports);
  std::size_t freed = 0;
  std::size_t reported = 0;
  std::size_t at = 0;
  const auto loaded = [&](uint64_t word) {
    REQUIRE(at < h.loads.size() && h.loads[at].word == word);
    return h.loads[at++].value;
  };
  while (!model.corrupt) {
    const uint64_t record = h.recordWord(model.nextRelease);
    const uint64_t stamp = loaded(record + 1);
    if (static_cast<uint32_t>(stamp) != static_cast<uint32_t>(model.nextRelease + 1)) break;
    const uint64_t body = loaded(record);
    const auto cell = static_cast<uint32_t>(stamp >> 32);
    const uint64_t outcome = body & 15;
    const auto found = model.spans.find(cell);
    if (cell >= cells || found == model.spans.end() || found->second.sequence != body >> 4 || outcome < 1 || outcome > 4) {
      model.corrupt = true;
      break;
    }
    const Span span = found->second;
    model.spans.erase(found);
    if (!span.partial) {
      const auto ended = static_cast<layout::Outcome>(outcome);
      if (model.messages.at(span.message).options.watched || ended != layout::Outcome::kDone) {
        REQUIRE(reported < reports.size());
        h.checkReport(reports[reported++], span.message, ended);
      }
      model.messages.erase(span.message);
    }
    ++model.nextRelease;
    ++freed;
  }
  REQUIRE(at == h.loads.size());
  REQUIRE(read == freed);
  REQUIRE(reported == reports.size());
  h.forged = std::max(h.forged, model.nextRelease);
}

void listUnfinished(Harness& h) {
  const auto list = h.channel->unfinished();
  REQUIRE(list.size() == h.model.messages.size());
  std::size_t i = 0;
  for (const auto& [name, m] : h.model.messages) {
    const auto& u = list[i++];
    REQUIRE(u.sequence == name && u.bytes == m.bytes && u.lane == m.options.lane && u.attempt == m.options.attempt);
  }
}

void run(Harness& h, Input& in) {
  const auto spanAt = [&](uint32_t which) {
    auto at = h.model.spans.begin();
    std::advance(at, which % h.model.spans.size());
    return *at;
  };
  for (uint32_t steps = 0; !in.empty() && steps < 400; ++steps) {
    switch (static_cast<ReleaseStep>(in.upTo(static_cast<uint32_t>(ReleaseStep::kCount) - 1))) {
      case ReleaseStep::kSend:
        send(h, in);
        break;
      case ReleaseStep::kRelease: {
        const uint32_t which = in.byte();
        const uint8_t outcome = 1 + static_cast<uint8_t>(in.upTo(3));
        if (h.model.spans.empty()) break;
        const auto [cell, span] = spanAt(which);
        h.forge(span.sequence, cell, outcome);
        break;
      }
      case ReleaseStep::kForge: {
        const auto sequence = in.number<uint64_t>();
        const auto cell = in.number<uint32_t>();
        h.forge(sequence, cell, in.byte());
        break;
      }
      case ReleaseStep::kBytes: {
        const uint64_t word = in.number<uint16_t>() % h.release.words();
        h.release.write(word, in.bytes(in.byte()));
        break;
      }
      case ReleaseStep::kWord: {
        const uint64_t word = in.number<uint16_t>() % h.release.words();
        h.release.set(word, in.number<uint64_t>());
        break;
      }
      case ReleaseStep::kRewrite:
        h.rewriter.plan(in);
        break;
      case ReleaseStep::kTake:
        take(h);
        break;
      case ReleaseStep::kPump:
        h.channel->pump();
        break;
      case ReleaseStep::kSleep:
        h.channel->receiverWantsBell();
        h.channel->armForReleases();
        if (in.byte() & 1) h.channel->disarm();
        break;
      case ReleaseStep::kStarted: {
        const uint32_t which = in.byte();
        if (h.model.spans.empty()) break;
        const auto [cell, span] = spanAt(which);
        h.release.set(h.layout.startedOffset / 8 + cell, span.sequence);
        break;
      }
      case ReleaseStep::kUnfinished:
        listUnfinished(h);
        break;
      case ReleaseStep::kTrim:
        h.channel->trim();
        break;
      case ReleaseStep::kCount:
        break;
    }
    h.noteCommits();
    h.checkDirectory();
  }
  take(h);
  h.checkDirectory();
  listUnfinished(h);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  Input in(data, size);
  Harness harness(fuzz::readGeometry(in));
  run(harness, in);
  return 0;
}
