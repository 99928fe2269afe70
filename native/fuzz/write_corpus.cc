// Writes the seeds of each harness, from the real encoders and the real ends of a channel.
#include <fstream>
#include <string>

#include "channel_pair.hpp"
#include "control_message.hpp"
#include "endpoint_steps.hpp"
#include "input.hpp"
#include "release_memory_steps.hpp"
#include "shared_memory.hpp"
#include "target_memory_steps.hpp"

namespace {

using check::ChannelPair;
using fuzz::Output;
namespace layout = rsm::layout;

std::string folder;
int written = 0;

void seed(const std::string& harness, const std::string& what, const Output& out) {
  std::ofstream file(folder + "/" + harness + "/seed-" + what, std::ios::binary);
  file.write(reinterpret_cast<const char*>(out.all().data()), static_cast<std::streamsize>(out.all().size()));
  if (!file.good()) throw std::runtime_error("cannot write " + what);
  ++written;
}

template <class Step>
Output& step(Output& out, Step s) {
  return out.byte(static_cast<uint32_t>(s));
}

struct Shape {
  const char* name;
  std::vector<rsm::SegmentGeometry> geometry;
  std::vector<uint32_t> lengths;
};

const std::vector<Shape> kShapes{
    {"one-segment", {{10, 8, 4}}, {0, 1, 10, 11, 40}},
    {"two-segments", {{16, 8, 4}, {100, 8, 4}}, {0, 16, 17, 64, 65, 300}},
    {"fragments", {{7, 5, 3}, {20, 4, 2}}, {5, 90, 3}},
    {"one-partition", {{1, 1, 1}}, {1}},
    {"four-segments", {{8, 16, 8}, {64, 8, 8}, {256, 8, 4}, {1000, 4, 2}}, {3, 60, 100, 600, 1700, 2000}},
};

void drainStep(Output& out, uint32_t budget, uint32_t word = 0, uint64_t value = 0) {
  step(out, fuzz::TargetStep::kDrain).byte(budget).number(static_cast<uint16_t>(word)).number(value);
}

/// Target memory as a real sender left it, in pieces that an input step can carry.
void targetMemory() {
  for (const Shape& shape : kShapes) {
    ChannelPair pair(shape.geometry);
    uint32_t salt = 0;
    for (const uint32_t length : shape.lengths) pair.send(check::pattern(length, ++salt), {static_cast<uint8_t>(salt % 3), 1, false});
    Output out;
    fuzz::writeGeometry(out, shape.geometry);
    const auto& last = pair.layout.segments.back();
    const uint64_t end = last.directoryOffset + last.geometry.partitions * sizeof(layout::DirectoryEntry);
    for (uint64_t at = layout::kOrderRingOffset; at < end; at += 240) {
      const uint64_t count = std::min<uint64_t>(240, end - at);
      step(out, fuzz::TargetStep::kBytes).number(static_cast<uint16_t>(at / 8)).byte(static_cast<uint32_t>(count));
      out.append(pair.targetMemory.data() + at, count);
    }
    Output changing = out;
    drainStep(out, 2);
    step(out, fuzz::TargetStep::kStart).byte(0).byte(1);
    step(out, fuzz::TargetStep::kRelease).byte(0).byte(0);
    drainStep(out, 200);
    for (const uint32_t which : {1, 0, 0}) step(out, fuzz::TargetStep::kRelease).byte(which).byte(which);
    step(out, fuzz::TargetStep::kSleep).byte(1);
    seed("target_memory", std::string("sent-") + shape.name, out);

    // The same, with words rewritten just after they were read, and while the sink runs.
    for (const uint32_t after : {0, 2, 5}) {
      step(changing, fuzz::TargetStep::kRewrite);
      fuzz::Rewriter::write(changing, static_cast<uint8_t>(after), true, true, 4, uint64_t{1} << 40 | 1);
    }
    drainStep(changing, 200, 18, 77);
    seed("target_memory", std::string("rewritten-") + shape.name, changing);
  }
  struct Forged {
    const char* name;
    uint32_t group, partition, length, mark, lane, broken;
  };
  const Forged forged[] = {{"plain", 1, 3, 250, 1, 1, 0}, {"mark", 0, 3, 9, 0, 1, 0},   {"lane", 0, 3, 9, 1, 3, 0},      {"length", 0, 3, 65000, 1, 0, 0},
                           {"end", 1, 7, 150, 1, 0, 0},   {"chain", 1, 2, 300, 1, 0, 2}, {"fragment", 0, 0, 40, 3, 2, 0}, {"last", 0, 0, 40, 7, 2, 0}};
  for (const Forged& f : forged) {
    Output out;
    fuzz::writeGeometry(out, {{10, 16, 4}, {100, 8, 4}});
    for (int twice = 0; twice < 2; ++twice) {
      step(out, fuzz::TargetStep::kCommit).byte(f.group).byte(f.partition).number(static_cast<uint16_t>(f.length)).byte(f.mark).byte(f.lane).byte(f.broken);
      drainStep(out, 10);
    }
    step(out, fuzz::TargetStep::kSlot).byte(0).number(uint64_t{9} << 32);
    drainStep(out, 10);
    seed("target_memory", std::string("forged-") + f.name, out);
  }
}

void sendStep(Output& out, uint32_t length, uint32_t salt) {
  step(out, fuzz::ReleaseStep::kSend).number(static_cast<uint16_t>(length)).byte(salt).byte(salt % 3).byte(1).byte(salt & 1);
}

/// Release memory as a real receiver left it, after sends that the harness repeats.
void releaseMemory() {
  for (const Shape& shape : kShapes)
    for (const bool backwards : {false, true}) {
      ChannelPair pair(shape.geometry);
      Output out;
      fuzz::writeGeometry(out, shape.geometry);
      uint32_t salt = 0;
      for (const uint32_t length : shape.lengths) {
        pair.send(check::pattern(length, ++salt));
        sendStep(out, length, salt);
      }
      auto received = pair.receive();
      if (backwards) std::reverse(received.begin(), received.end());
      for (const auto& r : received) {
        pair.target->markStarted(r.reference, true);
        pair.release(r, static_cast<layout::Outcome>(1 + r.reference.sequence % 4));
      }
      const uint64_t end = pair.layout.startedOffset + pair.layout.partitions * 8;
      for (uint64_t at = layout::kReleaseRingOffset; at < end; at += 240) {
        const uint64_t count = std::min<uint64_t>(240, end - at);
        step(out, fuzz::ReleaseStep::kBytes).number(static_cast<uint16_t>(at / 8)).byte(static_cast<uint32_t>(count));
        out.append(pair.releaseMemory.data() + at, count);
      }
      step(out, fuzz::ReleaseStep::kUnfinished);
      step(out, fuzz::ReleaseStep::kTake);
      step(out, fuzz::ReleaseStep::kPump);
      step(out, fuzz::ReleaseStep::kTrim);
      step(out, fuzz::ReleaseStep::kSleep).byte(1);
      seed("release_memory", std::string(backwards ? "backwards-" : "in-order-") + shape.name, out);
    }
  const auto history = [](const char* name, const std::function<void(Output&)>& rest) {
    Output out;
    fuzz::writeGeometry(out, {{10, 16, 4}, {100, 8, 4}});
    for (uint32_t i = 1; i <= 3; ++i) sendStep(out, 40 * i, i);
    rest(out);
    step(out, fuzz::ReleaseStep::kTake);
    seed("release_memory", name, out);
  };
  const auto answer = [](Output& out, uint32_t which, uint32_t outcome) { step(out, fuzz::ReleaseStep::kRelease).byte(which).byte(outcome); };
  const auto forge = [](Output& out, uint64_t sequence, uint32_t cell, uint32_t outcome) {
    step(out, fuzz::ReleaseStep::kForge).number(sequence).number(cell).byte(outcome);
  };
  history("twice", [&](Output& out) { answer(out, 0, 0), step(out, fuzz::ReleaseStep::kTake), forge(out, 1, 0, 1); });
  history("twice-at-once", [&](Output& out) { answer(out, 1, 2), answer(out, 1, 2); });
  history("never-sent", [&](Output& out) { forge(out, 9, 0, 1); });
  history("sequence-0", [&](Output& out) { forge(out, 0, 20, 1); });
  history("wild-cell", [&](Output& out) { forge(out, 1, UINT32_MAX, 1); });
  history("inside-a-span", [&](Output& out) { forge(out, 1, 1, 1); });
  history("unknown-outcome", [&](Output& out) { forge(out, 1, 0, 5); });
  history("rewritten", [&](Output& out) {
    answer(out, 0, 2);
    step(out, fuzz::ReleaseStep::kRewrite);
    fuzz::Rewriter::write(out, 0, true, true, 3, 1 << 4);
  });
  history("long", [&](Output& out) {
    sendStep(out, 5000, 4);
    for (int i = 0; i < 12; ++i) {
      answer(out, 0, 0), step(out, fuzz::ReleaseStep::kTake), step(out, fuzz::ReleaseStep::kPump);
    }
    step(out, fuzz::ReleaseStep::kStarted).byte(0), step(out, fuzz::ReleaseStep::kUnfinished);
  });
}

rsm::Greeting hello() {
  rsm::Greeting m;
  m.versionMin = m.versionMax = layout::kProtocolVersion;
  m.incarnation = 1;
  m.maxMessageSize = 6000;
  m.identity = "peer";
  m.service = "orders";
  m.receive = fuzz::kPeerGeometry;
  return m;
}

void controlSocket() {
  const rsm::ChannelLayout described = rsm::layOut({{64, 16, 8}, {1000, 8, 4}, {4096, 2, 1}});
  rsm::Greeting welcome;
  welcome.versionMin = welcome.versionMax = layout::kProtocolVersion;
  welcome.identity = "server";
  welcome.service = "orders";
  welcome.receive = fuzz::kServerGeometry;
  const std::vector<std::pair<const char*, rsm::Bytes>> frames{
      {"hello", rsm::encodeHello(hello())},
      {"welcome", rsm::encodeWelcome(welcome)},
      {"refuse", rsm::encode(rsm::Refuse{"RSM_BACKPRESSURE", "too many handshakes at once"})},
      {"register", rsm::encode(rsm::ControlKind::kRegister, {described.targetSize, described.releaseSize, described.segments})},
      {"obtain", rsm::encodeObtain()},
      {"notice", rsm::encodeNotice(3)},
  };
  rsm::Bytes all;
  for (const auto& [name, frame] : frames) {
    const bool passes = std::string(name) == "register";
    Output body;
    body.byte(0).append(frame.data() + rsm::kControlHeader, frame.size() - rsm::kControlHeader);
    seed("control_socket", std::string("body-") + name, body);
    Output whole;
    whole.byte(1).byte(passes ? 5 : 1).number(static_cast<uint16_t>(frame.size())).bytes(frame);
    if (passes) whole.byte(2).byte(0).byte(1).byte(2);
    seed("control_socket", std::string("frame-") + name, whole);
    if (!passes) all.insert(all.end(), frame.begin(), frame.end());
  }
  for (const uint32_t size : {1, 7, 9, 40}) {
    Output split;
    split.byte(1);
    for (std::size_t at = 0; at < all.size(); at += size) {
      const auto count = static_cast<uint16_t>(std::min<std::size_t>(size, all.size() - at));
      split.byte(size & 1).number(count).append(all.data() + at, count);
    }
    seed("control_socket", "split-" + std::to_string(size), split);
  }
  Output crowded;  // more descriptors than a frame may carry
  crowded.byte(1).byte(13).number(static_cast<uint16_t>(frames[3].second.size())).bytes(frames[3].second).byte(11);
  for (int i = 0; i < 12; ++i) crowded.byte(i);
  seed("control_socket", "crowded", crowded);
  Output early;  // descriptors that no frame claims, a few at a time
  early.byte(1);
  for (int frame = 0; frame < 2; ++frame) {
    early.byte(12).number(static_cast<uint16_t>(frames[4].second.size())).bytes(frames[4].second).byte(5);
    for (int i = 0; i < 6; ++i) early.byte(i);
  }
  seed("control_socket", "unclaimed", early);
}

void endpoint() {
  using fuzz::EndpointStep;
  const auto commit = [](Output& out, uint32_t group, uint32_t partition, uint32_t length, uint32_t mark, uint32_t lane, uint32_t broken = 0) {
    step(out, EndpointStep::kCommit).byte(group).byte(partition).number(static_cast<uint16_t>(length)).byte(mark).byte(lane).byte(broken);
  };
  const auto turns = [](Output& out, uint32_t count) { step(out, EndpointStep::kTurns).byte(count); };
  const auto settle = [](Output& out, uint32_t which, uint32_t operation) { step(out, EndpointStep::kSettle).byte(which).byte(operation); };
  const auto send = [](Output& out, uint32_t length, uint32_t lane, uint32_t watched) {
    step(out, EndpointStep::kSend).number(static_cast<uint16_t>(length)).byte(lane).byte(watched);
  };
  const auto formed = [](const char* name, const std::function<void(Output&)>& rest) {
    Output out;
    step(out, EndpointStep::kForm);
    rest(out);
    seed("endpoint", name, out);
  };
  formed("lanes", [&](Output& out) {
    for (uint32_t i = 0; i < 12; ++i) commit(out, 0, i, 60, layout::kMarkFirst, i % 3);
    turns(out, 2), settle(out, 0, 1), settle(out, 1, 17), settle(out, 1, 32), settle(out, 0, 3), turns(out, 2);
    step(out, EndpointStep::kStart).byte(0).byte(0);
  });
  formed("fragments", [&](Output& out) {
    commit(out, 1, 0, 4000, 3, 1), turns(out, 1), commit(out, 0, 0, 500, 7, 1), turns(out, 1), settle(out, 0, 1);
  });
  formed("endless-fragments", [&](Output& out) {
    for (int i = 0; i < 4; ++i) commit(out, 1, 0, 4000, 3, 1), turns(out, 1);
  });
  formed("longer-than-allowed", [&](Output& out) { commit(out, 1, 0, 6500, 1, 1), turns(out, 2); });
  formed("half-a-message-and-gone", [&](Output& out) {
    commit(out, 1, 0, 4000, 3, 2), commit(out, 0, 0, 10, 1, 1), turns(out, 1);
    step(out, EndpointStep::kHangUp), turns(out, 3);
  });
  formed("returned", [&](Output& out) {
    for (uint32_t i = 0; i < 10; ++i) commit(out, 0, i, 20, layout::kMarkFirst, 1);
    commit(out, 1, 0, 4000, 3, 2), turns(out, 1), step(out, EndpointStep::kReturn), turns(out, 2);
  });
  formed("chain", [&](Output& out) { commit(out, 0, 0, 300, 1, 0, 2), turns(out, 1); });
  formed("overlapping", [&](Output& out) {
    for (int i = 0; i < 4; ++i) commit(out, 1, 0, 4000, 1, 1);
    turns(out, 2);
  });
  formed("answers", [&](Output& out) {
    for (uint32_t i = 0; i < 4; ++i) send(out, 300 * i, i % 3, i & 1);
    turns(out, 1);
    for (uint32_t i = 0; i < 4; ++i) step(out, EndpointStep::kAnswer).byte(0).byte(i), turns(out, 1);
  });
  formed("long-answer", [&](Output& out) {
    send(out, 5000, 2, 1), send(out, 10, 1, 0);
    for (uint32_t i = 0; i < 12; ++i) step(out, EndpointStep::kAnswer).byte(0).byte(i % 4), turns(out, 1);
  });
  formed("forged-release", [&](Output& out) {
    send(out, 300, 2, 1), step(out, EndpointStep::kForge).number(uint64_t{1}).number(uint32_t{3}).byte(1), turns(out, 2);
  });
  formed("rewritten", [&](Output& out) {
    commit(out, 0, 0, 300, 1, 1);
    for (const uint32_t word : {16, 18, 82}) step(out, EndpointStep::kRewrite).byte(1).byte(1).number(static_cast<uint16_t>(word)).number(UINT64_MAX);
    turns(out, 2), step(out, EndpointStep::kRing), turns(out, 2);
  });
  for (uint32_t which = 0; which < 5; ++which)
    formed(("server-" + std::to_string(which)).c_str(), [&](Output& out) {
      commit(out, 0, 0, 100, 1, 1), send(out, 5000, 1, 1), turns(out, 1), step(out, EndpointStep::kServer).byte(which), turns(out, 2);
    });
  for (uint32_t flaw = 1; flaw <= 6; ++flaw) {
    Output out;
    step(out, EndpointStep::kHello).byte(flaw).number(uint32_t{1} << 24), turns(out, 1);
    seed("endpoint", "hello-" + std::to_string(flaw), out);
  }
  for (uint32_t flaw = 0; flaw <= 14; ++flaw) {
    Output out;
    step(out, EndpointStep::kHello).byte(0).number(uint32_t{0});
    step(out, EndpointStep::kRegister).byte(flaw).number(uint64_t{4096}), step(out, EndpointStep::kObtain), turns(out, 1), step(out, EndpointStep::kLook);
    send(out, 1000, 1, 0), turns(out, 1);
    seed("endpoint", "register-" + std::to_string(flaw), out);
  }
  const rsm::Bytes greeting = rsm::encodeHello(hello());
  Output frame;
  step(frame, EndpointStep::kFrame).byte(1).byte(0).number(static_cast<uint16_t>(greeting.size() - rsm::kControlHeader));
  frame.append(greeting.data() + rsm::kControlHeader, greeting.size() - rsm::kControlHeader);
  turns(frame, 1), step(frame, EndpointStep::kNotice).number(uint32_t{5}), turns(frame, 1);
  seed("endpoint", "frame", frame);
  Output slow;
  step(slow, EndpointStep::kBytes).byte(20).append(greeting.data(), 20), turns(slow, 1);
  step(slow, EndpointStep::kTime).byte(200), turns(slow, 2);
  seed("endpoint", "slow-greeting", slow);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  folder = argv[1];
  targetMemory();
  releaseMemory();
  controlSocket();
  endpoint();
  return written && check::failures().empty() ? 0 : 1;
}
