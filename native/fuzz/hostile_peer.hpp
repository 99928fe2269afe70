#pragma once

#include <fcntl.h>

#include <csignal>
#include <optional>
#include <string>

#include "channel_layout.hpp"
#include "control_socket.hpp"
#include "endpoint_steps.hpp"
#include "failure.hpp"
#include "layout.hpp"
#include "shared_memory.hpp"

namespace fuzz {

namespace layout = rsm::layout;

inline constexpr uint64_t kMaxMessage = 6000;  ///< bytes; less than a span of the server holds

inline void setWord(const rsm::Region& region, uint32_t word, uint64_t value) {
  if (region) reinterpret_cast<std::atomic<uint64_t>*>(region.data())[word % (region.size() / 8)].store(value);
}

/// The peer: a client by its own account.
struct Peer {
  rsm::ChannelLayout toServer = rsm::layOut(kServerGeometry);
  rsm::ChannelLayout toPeer = rsm::layOut(kPeerGeometry);
  std::optional<rsm::ControlSocket> socket;
  rsm::Region target;   ///< the server's target memory, writable
  rsm::Region release;  ///< the server's release memory, writable
  rsm::FileDescriptor bell;
  rsm::FileDescriptor ownBell;  ///< the end on which the peer is rung
  rsm::Region ownTarget;
  rsm::Region ownRelease;
  uint64_t committed = 1;
  uint64_t forged = 0;

  explicit Peer(const std::string& path) : socket(rsm::ControlSocket::connect(path)) {}

  void put(const rsm::Bytes& frame, const std::vector<int>& descriptors = {}) {
    if (!socket) return;
    try {
      socket->send(frame, descriptors);
    } catch (const rsm::Failure&) {
      // The server closed.
    }
  }

  void hello(uint32_t flaw, uint32_t value) {
    rsm::Greeting hello;
    hello.versionMin = hello.versionMax = static_cast<uint16_t>(flaw == 1 ? value : layout::kProtocolVersion);
    hello.maxMessageSize = flaw == 2 ? value : kMaxMessage;
    hello.identity = "peer";
    hello.service = flaw == 3 ? std::string(value % 65, 'x') : "orders";
    hello.receive = kPeerGeometry;
    if (flaw == 4) hello.receive[0].partitions = value;
    if (flaw == 5) hello.receive[1].partitionSize = value;
    if (flaw == 6) hello.receive[0].spanFactor = value;
    put(rsm::encodeHello(hello));
  }

  void registration(uint32_t flaw, uint64_t value) {
    rsm::Region regions[2] = {rsm::Region::allocate(toPeer.targetSize), rsm::Region::allocate(toServer.releaseSize)};
    rsm::DescribedTarget described{toPeer.targetSize, toServer.releaseSize, toPeer.segments};
    switch (flaw) {
      case 1: described.targetSize = value; break;
      case 2: described.releaseSize = value; break;
      case 3: described.segments[0].offset = value; break;
      case 4: described.segments[1].directoryOffset = value; break;
      case 5: described.segments[1].length = value; break;
      case 6: described.segments[0].geometry.partitions = static_cast<uint32_t>(value); break;
      case 7: described.segments.resize(1); break;
      case 8: described.segments[1].offset = value % toPeer.targetSize; break;          // may stand on something else of the peer's
      case 9: described.segments[1].directoryOffset = value % toPeer.targetSize & ~uint64_t{15}; break;
      case 10: regions[0] = rsm::Region::allocate(toPeer.targetSize + layout::kPage); break;
      default: break;
    }
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    ownBell.reset(ends[0]);
    rsm::FileDescriptor writing(ends[1]);
    rsm::FileDescriptor null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    const int first = flaw == 11 ? null.get() : regions[0].fd();
    const int second = flaw == 12 ? writing.get() : regions[1].fd();
    put(rsm::encode(rsm::ControlKind::kRegister, described), {first, second, flaw == 13 ? null.get() : flaw == 14 ? ends[0] : writing.get()});
    ownTarget = std::move(regions[0]);
    ownRelease = std::move(regions[1]);
  }

  void look() {
    if (!socket) return;
    std::deque<rsm::ControlFrame> frames;
    socket->receive(frames);
    for (auto& frame : frames) {
      if (frame.kind != rsm::ControlKind::kDescriptors) continue;
      const rsm::DescribedTarget theirs = rsm::decodeTarget(frame.body.data(), frame.body.size());
      REQUIRE(theirs.targetSize == toServer.targetSize && theirs.releaseSize == toPeer.releaseSize);
      target = rsm::Region::adopt(std::move(frame.descriptors[0]), theirs.targetSize);
      release = rsm::Region::adopt(std::move(frame.descriptors[1]), theirs.releaseSize);
      bell = std::move(frame.descriptors[2]);
    }
  }

  void commit(Input& in) {
    const uint32_t group = in.upTo(1);
    const auto& s = toServer.segments[group];
    const uint32_t first = in.upTo(s.geometry.partitions - 1);
    const uint32_t length = in.number<uint16_t>();
    const uint64_t mark = in.byte();
    const uint64_t lane = in.byte();
    const uint32_t broken = in.byte();
    if (!target) return;
    const uint32_t count = std::max<uint32_t>(1, (length + s.geometry.partitionSize - 1) / s.geometry.partitionSize);
    for (uint32_t i = 0; i < count && first + i < s.geometry.partitions; ++i) {
      const auto entry = static_cast<uint32_t>(s.directoryOffset / 8 + (uint64_t{first} + i) * 2);
      const uint64_t next = broken == i + 1 ? 0 : i + 1 == count ? layout::kEndOfSpan : first + i + 1;
      setWord(target, entry, (i == 0 ? uint64_t{length} << 32 : 0) | next);
      setWord(target, entry + 1, i == 0 ? lane << 56 | mark << 48 | uint64_t{1} << 32 : 0);
    }
    const auto slot = static_cast<uint32_t>(layout::kOrderRingOffset / 8 + (committed & (toServer.slots - 1)) * 2);
    setWord(target, slot, uint64_t{group} << 32 | first);
    setWord(target, slot + 1, committed++);
  }

  /// The process has SIGPIPE at its default, to see that the data plane never raises it: only this peer's own write may.
  void ring() {
    if (!bell.valid()) return;
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    REQUIRE(::write(bell.get(), "!", 1) <= 1);
    std::signal(SIGPIPE, before);
  }

  void forge(uint64_t sequence, uint32_t cell, uint8_t outcome) {
    const auto record = static_cast<uint32_t>(layout::kReleaseRingOffset / 8 + (forged & (toPeer.slots - 1)) * 2);
    setWord(release, record, sequence << 4 | outcome);
    setWord(release, record + 1, uint64_t{cell} << 32 | static_cast<uint32_t>(++forged));
  }
};

}  // namespace fuzz
