#include "control_message.hpp"

#include <cstring>

#include "channel_layout.hpp"
#include "failure.hpp"

namespace rsm {
namespace {

constexpr char kMagic[8] = {'N', 'E', 'S', 'T', 'R', 'S', 'M', '\n'};
constexpr uint16_t kByteOrder = 0x0102;

class Writer {
 public:
  Writer(ControlKind kind, uint32_t descriptors) {
    put(uint32_t{0});
    put(static_cast<uint16_t>(kind));
    put(static_cast<uint16_t>(descriptors));
  }
  template <class T>
  void put(T value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof value);
  }
  void text(const std::string& value) {
    put(static_cast<uint16_t>(value.size()));
    const auto* from = reinterpret_cast<const std::byte*>(value.data());
    bytes_.insert(bytes_.end(), from, from + value.size());
  }
  void raw(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
  }
  void geometry(const std::vector<SegmentGeometry>& list) {
    put(static_cast<uint16_t>(list.size()));
    for (const auto& g : list) {
      put(g.partitionSize);
      put(g.partitions);
      put(g.spanFactor);
    }
  }
  /// What hello and welcome have in common.
  void greeting(const Greeting& m) {
    put(m.features);
    put(m.incarnation);
    put(m.maxMessageSize);
    text(m.identity);
    text(m.service);
    geometry(m.receive);
  }
  Bytes finish() {
    const uint32_t length = static_cast<uint32_t>(bytes_.size() - kControlHeader);
    std::memcpy(bytes_.data(), &length, sizeof length);
    return std::move(bytes_);
  }

 private:
  Bytes bytes_;
};

class Reader {
 public:
  Reader(const std::byte* at, std::size_t length, const char* what) : at_(at), end_(at + length), what_(what) {}

  template <class T>
  T get() {
    T value;
    std::memcpy(&value, need(sizeof value), sizeof value);
    return value;
  }
  std::string text(std::size_t limit) {
    const std::size_t length = get<uint16_t>();
    if (length > limit) fail("has a text that is too long");
    return {reinterpret_cast<const char*>(need(length)), length};
  }
  /// An identity or a service: it stands in logs and error messages, where a peer must not forge lines.
  std::string name(std::size_t limit) {
    const std::string value = text(limit);
    for (const char c : value)
      if (!std::strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", c) || c == 0) fail("has a name of other characters");
    return value;
  }
  const std::byte* need(std::size_t count) {
    if (static_cast<std::size_t>(end_ - at_) < count) fail("is too short");
    const std::byte* here = at_;
    at_ += count;
    return here;
  }
  std::vector<SegmentGeometry> geometry() {
    const std::size_t count = get<uint16_t>();
    if (count < 1 || count > kMaxSegments) fail("describes no segment, or too many");
    std::vector<SegmentGeometry> list;
    for (std::size_t i = 0; i < count; ++i) {
      const auto partitionSize = get<uint32_t>();
      const auto partitions = get<uint32_t>();
      list.push_back({partitionSize, partitions, get<uint32_t>()});
    }
    return list;
  }
  void greeting(Greeting& m) {
    m.features = get<uint32_t>();
    m.incarnation = get<uint64_t>();
    m.maxMessageSize = get<uint64_t>();
    m.identity = name(kMaxIdentity);
    m.service = name(kMaxService);
    m.receive = geometry();
  }
  void end() {
    if (at_ != end_) fail("is too long");
  }
  [[noreturn]] void fail(const char* how) { throw Failure(codes::kProtocolMismatch, std::string("the peer's ") + what_ + " " + how); }

 private:
  const std::byte* at_;
  const std::byte* end_;
  const char* what_;
};

}  // namespace

Bytes encodeHello(const Greeting& m) {
  Writer w(ControlKind::kHello, 0);
  w.raw(kMagic, sizeof kMagic);
  w.put(kByteOrder);
  w.put(m.versionMin);
  w.put(m.versionMax);
  w.greeting(m);
  return w.finish();
}

Greeting decodeHello(const std::byte* body, std::size_t length) {
  Reader r(body, length, "greeting");
  if (std::memcmp(r.need(sizeof kMagic), kMagic, sizeof kMagic) != 0) r.fail("does not begin as nestjs-rsm's does");
  if (r.get<uint16_t>() != kByteOrder) r.fail("is in another byte order");
  Greeting m;
  m.versionMin = r.get<uint16_t>();
  m.versionMax = r.get<uint16_t>();
  r.greeting(m);
  // A newer client may add to its greeting: what follows is not ours to judge.
  return m;
}

Bytes encodeWelcome(const Greeting& m) {
  Writer w(ControlKind::kWelcome, 0);
  w.put(m.versionMax);
  w.greeting(m);
  return w.finish();
}

Greeting decodeWelcome(const std::byte* body, std::size_t length) {
  Reader r(body, length, "welcome");
  Greeting m;
  m.versionMin = m.versionMax = r.get<uint16_t>();
  r.greeting(m);
  r.end();
  return m;
}

Bytes encode(const Refuse& m) {
  Writer w(ControlKind::kRefuse, 0);
  w.text(m.code.substr(0, kMaxIdentity));
  w.text(m.text.substr(0, kMaxRefusal));
  return w.finish();
}

Refuse decodeRefuse(const std::byte* body, std::size_t length) {
  Reader r(body, length, "refusal");
  Refuse m;
  m.code = r.text(kMaxIdentity);
  m.text = r.text(kMaxRefusal);
  for (char& c : m.text)
    if (c < ' ' || c > '~') c = '?';  // it is shown as it is
  r.end();
  return m;
}

Bytes encode(ControlKind kind, const DescribedTarget& m) {
  Writer w(kind, kDescriptorsPerForming);
  w.put(m.targetSize);
  w.put(m.releaseSize);
  w.put(static_cast<uint16_t>(m.segments.size()));
  for (const auto& s : m.segments) {
    w.put(s.region);
    w.put(s.offset);
    w.put(s.length);
    w.put(s.directoryOffset);
    w.put(s.geometry.partitionSize);
    w.put(s.geometry.partitions);
    w.put(s.geometry.spanFactor);
    w.put(s.key);
  }
  return w.finish();
}

DescribedTarget decodeTarget(const std::byte* body, std::size_t length) {
  Reader r(body, length, "description of its segments");
  DescribedTarget m;
  m.targetSize = r.get<uint64_t>();
  m.releaseSize = r.get<uint64_t>();
  const std::size_t count = r.get<uint16_t>();
  if (count < 1 || count > kMaxSegments) r.fail("describes no segment, or too many");
  for (std::size_t i = 0; i < count; ++i) {
    SegmentDescriptor s{};
    s.region = r.get<uint32_t>();
    s.offset = r.get<uint64_t>();
    s.length = r.get<uint64_t>();
    s.directoryOffset = r.get<uint64_t>();
    s.geometry.partitionSize = r.get<uint32_t>();
    s.geometry.partitions = r.get<uint32_t>();
    s.geometry.spanFactor = r.get<uint32_t>();
    s.key = r.get<uint64_t>();
    m.segments.push_back(s);
  }
  r.end();
  return m;
}

Bytes encodeObtain() { return Writer(ControlKind::kObtain, 0).finish(); }

Bytes encodeNotice(uint32_t code) {
  Writer w(ControlKind::kNotice, 0);
  w.put(code);
  return w.finish();
}

uint32_t decodeNotice(const std::byte* body, std::size_t length) {
  Reader r(body, length, "notice");
  const auto code = r.get<uint32_t>();
  r.end();
  return code;
}

ControlHeader decodeHeader(const std::byte* bytes) {
  Reader r(bytes, kControlHeader, "frame");
  const auto length = r.get<uint32_t>();
  const auto kind = r.get<uint16_t>();
  const auto descriptors = r.get<uint16_t>();
  if (kind < 1 || kind > static_cast<uint16_t>(ControlKind::kNotice)) r.fail("is of an unknown kind: it does not speak nestjs-rsm");
  if (length > kMaxControlFrame - kControlHeader) r.fail("is longer than a control frame may be");
  const auto known = static_cast<ControlKind>(kind);
  const bool forming = known == ControlKind::kRegister || known == ControlKind::kDescriptors;
  if (descriptors != (forming ? kDescriptorsPerForming : 0)) r.fail("passes a wrong number of file descriptors");
  return {length, known, descriptors};
}

}  // namespace rsm
