// What arrives over a control socket: the decoders of single messages, and the socket itself fed in any splits, with and without
// descriptors.
#include <fcntl.h>
#include <sys/socket.h>

#include <string>

#include "channel_layout.hpp"
#include "control_socket.hpp"
#include "failure.hpp"
#include "layout.hpp"
#include "shared_memory.hpp"

namespace {

using fuzz::Input;
using rsm::Bytes;

/// Runs `body`; a Failure of one of the two codes that hostile bytes may bring is an answer too.
template <class Body>
bool accepted(const Body& body) {
  try {
    body();
    return true;
  } catch (const rsm::Failure& failure) {
    const std::string code = failure.code();
    REQUIRE(code == rsm::codes::kProtocolMismatch || code == rsm::codes::kCorruptSegment || code == rsm::codes::kInvalidOptions);
    REQUIRE(std::strlen(failure.what()) > 0);
    return false;
  }
}

Bytes bodyOf(const Bytes& frame) { return {frame.begin() + rsm::kControlHeader, frame.end()}; }

void checkLayout(const rsm::ChannelLayout& layout) {
  using Wide = unsigned __int128;
  REQUIRE(layout.slots >= layout.partitions && (layout.slots & (layout.slots - 1)) == 0);
  REQUIRE(layout.firstCell.size() == layout.segments.size());
  Wide cells = 0;
  for (std::size_t i = 0; i < layout.segments.size(); ++i) {
    const auto& s = layout.segments[i];
    const Wide ring = Wide{rsm::layout::kOrderRingOffset} + Wide{layout.slots} * sizeof(rsm::layout::OrderSlot);
    REQUIRE(layout.firstCell[i] == cells);
    cells += s.geometry.partitions;
    REQUIRE(s.directoryOffset % 16 == 0 && s.directoryOffset >= ring && s.offset >= ring);
    REQUIRE(Wide{s.directoryOffset} + Wide{s.geometry.partitions} * 16 <= layout.targetSize);
    REQUIRE(Wide{s.offset} + Wide{s.geometry.partitions} * s.geometry.partitionSize <= layout.targetSize);
    REQUIRE(s.geometry.spanFactor >= 1 && s.geometry.spanFactor <= s.geometry.partitions && s.geometry.spanCapacity() <= UINT32_MAX);
  }
  REQUIRE(cells == layout.partitions);
  REQUIRE(Wide{layout.startedOffset} + cells * 8 <= layout.releaseSize);
}

bool same(const std::vector<rsm::SegmentGeometry>& a, const std::vector<rsm::SegmentGeometry>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.partitionSize == y.partitionSize && x.partitions == y.partitions && x.spanFactor == y.spanFactor;
  });
}

/// Decodes one body by every decoder. What one accepts, it encodes to the same bytes (a greeting may be followed by more).
void decodeAll(const Bytes& bytes) {
  accepted([&] {
    const rsm::Greeting m = rsm::decodeHello(bytes.data(), bytes.size());
    REQUIRE(m.identity.size() <= rsm::kMaxIdentity && m.service.size() <= rsm::kMaxService);
    REQUIRE(!m.receive.empty() && m.receive.size() <= rsm::kMaxSegments);
    const Bytes again = bodyOf(rsm::encodeHello(m));
    REQUIRE(again.size() <= bytes.size() && std::equal(again.begin(), again.end(), bytes.begin()));
    checkLayout(rsm::layOut(m.receive));
  });
  accepted([&] {
    const rsm::Greeting m = rsm::decodeWelcome(bytes.data(), bytes.size());
    REQUIRE(bodyOf(rsm::encodeWelcome(m)) == bytes);
    checkLayout(rsm::layOut(m.receive));
  });
  accepted([&] {
    const rsm::Refuse m = rsm::decodeRefuse(bytes.data(), bytes.size());
    const Bytes again = bodyOf(rsm::encode(m));
    REQUIRE(m.text.size() <= rsm::kMaxRefusal && again.size() == bytes.size());
    const auto kept = [](std::byte made, std::byte given) {
      const bool shows = given >= std::byte{' '} && given <= std::byte{'~'};
      return made == given || (!shows && made == std::byte{'?'});  // what could forge a line of a log
    };
    REQUIRE(std::equal(again.begin(), again.end(), bytes.begin(), kept));
  });
  accepted([&] { REQUIRE(bodyOf(rsm::encodeNotice(rsm::decodeNotice(bytes.data(), bytes.size()))) == bytes); });
  accepted([&] {
    const rsm::DescribedTarget m = rsm::decodeTarget(bytes.data(), bytes.size());
    REQUIRE(bodyOf(rsm::encode(rsm::ControlKind::kRegister, m)) == bytes);
    const rsm::ChannelLayout layout = rsm::layOutDescribed(m.segments, m.targetSize);
    checkLayout(layout);
    std::vector<rsm::SegmentGeometry> geometry;
    for (const auto& s : layout.segments) geometry.push_back(s.geometry);
    const rsm::ChannelLayout own = rsm::layOut(geometry);  // what can be described can be laid out
    std::vector<rsm::SegmentGeometry> back;
    for (const auto& s : own.segments) back.push_back(s.geometry);
    REQUIRE(same(geometry, back) && own.releaseSize == layout.releaseSize);
  });
  if (bytes.size() >= rsm::kControlHeader)
    accepted([&] {
      const rsm::ControlHeader h = rsm::decodeHeader(bytes.data());
      REQUIRE(h.length <= rsm::kMaxControlFrame - rsm::kControlHeader && h.descriptors <= rsm::kDescriptorsPerForming);
    });
}

/// A few descriptors to pass.
rsm::FileDescriptor some(uint32_t which) {
  int ends[2];
  if (which & 1) return rsm::FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  ::close(ends[0]);
  return rsm::FileDescriptor(ends[1]);
}

/// Returns how many of the bytes left.
std::size_t pass(int socket, const Bytes& bytes, const std::vector<rsm::FileDescriptor>& descriptors) {
  iovec io{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 16)] = {};
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
      const int fd = descriptors[i].get();
      std::memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof fd);
    }
  }
  return static_cast<std::size_t>(std::max<ssize_t>(0, ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT)));
}

/// Feeds a socket with what the input says, piece by piece. The frames received are the bytes fed, as far as they go.
void feed(Input& in) {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  rsm::FileDescriptor peer(ends[0]);
  rsm::ControlSocket socket{rsm::FileDescriptor(ends[1])};
  std::deque<rsm::ControlFrame> frames;
  Bytes fed;
  uint64_t passed = 0;
  const bool received = accepted([&] {
    for (uint32_t pieces = 0; !in.empty() && pieces < 64; ++pieces) {
      const uint32_t how = in.byte();
      Bytes piece = in.bytes(in.number<uint16_t>() % 9000);
      if (piece.empty()) continue;  // a stream carries nothing in nothing
      std::vector<rsm::FileDescriptor> descriptors;
      const uint32_t most = how & 8 ? 12 : 3;
      for (uint32_t count = how & 4 ? 1 + in.upTo(most - 1) : 0; count; --count) descriptors.push_back(some(in.byte()));
      const std::size_t left = pass(peer.get(), piece, descriptors);
      if (left) passed += descriptors.size();
      fed.insert(fed.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(left));
      if (how & 1) socket.receive(frames);
    }
    if (in.byte() & 1) peer.reset();
    const bool closed = !peer.valid();
    auto state = rsm::ControlSocket::Received::kSome;
    for (int turns = 0; state == rsm::ControlSocket::Received::kSome && turns < 64; ++turns) state = socket.receive(frames);
    REQUIRE(state == (closed ? rsm::ControlSocket::Received::kEnd : rsm::ControlSocket::Received::kNothingNow));
  });
  std::size_t at = 0;
  for (const rsm::ControlFrame& frame : frames) {
    REQUIRE(fed.size() - at >= rsm::kControlHeader);
    const rsm::ControlHeader header = rsm::decodeHeader(fed.data() + at);
    REQUIRE(header.kind == frame.kind && header.length == frame.body.size() && header.descriptors == frame.descriptors.size());
    at += rsm::kControlHeader;
    REQUIRE(fed.size() - at >= frame.body.size() && std::equal(frame.body.begin(), frame.body.end(), fed.begin() + static_cast<std::ptrdiff_t>(at)));
    at += frame.body.size();
    REQUIRE(passed >= frame.descriptors.size());
    passed -= frame.descriptors.size();
    for (const auto& descriptor : frame.descriptors) REQUIRE(check::closedOnExec(descriptor.get()));
    decodeAll(frame.body);
  }
  if (received && fed.size() - at >= rsm::kControlHeader) REQUIRE(rsm::decodeHeader(fed.data() + at).length > fed.size() - at - rsm::kControlHeader);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  Input in(data, size);
  const uint64_t before = fuzz::openDescriptors();
  if (in.byte() & 1) feed(in);
  else decodeAll(in.bytes(in.left()));
  REQUIRE(fuzz::openDescriptors() == before);
  return 0;
}
