#include "control_message.hpp"

#include <cstring>
#include <memory>

#include "channel_layout.hpp"
#include "failure.hpp"
#include "seeds.hpp"

using namespace rsm;

namespace {

Greeting hello() { return {1, 3, 0x80000001, 0x1122334455667788, 64 << 20, "client-1", "orders", {{64, 16, 4}, {1024, 8, 8}}}; }
Greeting welcome() { return {1, 1, 7, 42, 1000, "instance", "orders", {{100, 10, 10}}}; }
DescribedTarget target() { return {1 << 20, 4096, layOut({{64, 16, 4}, {1000, 8, 8}, {4096, 2, 1}}).segments}; }

bool mismatch(const std::function<void()>& action, const std::string& says = "") {
  return check::throws<Failure>(action, [&](const Failure& f) {
    return f.code() == std::string(codes::kProtocolMismatch) && std::string(f.what()).find(says) != std::string::npos;
  });
}

/// Decodes a body that stands at the very end of its allocation, so that AddressSanitizer sees a read beyond it.
void decode(ControlKind kind, const std::byte* body, std::size_t length) {
  const std::unique_ptr<std::byte[]> exact(new std::byte[length]);
  if (length) std::memcpy(exact.get(), body, length);
  switch (kind) {
    case ControlKind::kHello: decodeHello(exact.get(), length); break;
    case ControlKind::kWelcome: decodeWelcome(exact.get(), length); break;
    case ControlKind::kRefuse: decodeRefuse(exact.get(), length); break;
    case ControlKind::kRegister:
    case ControlKind::kDescriptors: decodeTarget(exact.get(), length); break;
    case ControlKind::kNotice: decodeNotice(exact.get(), length); break;
    case ControlKind::kObtain: break;
  }
}

std::vector<Bytes> everyKind() {
  return {encodeHello(hello()), encodeWelcome(welcome()), encode(Refuse{"RSM_BACKPRESSURE", "too many"}), encode(ControlKind::kRegister, target()),
          encode(ControlKind::kDescriptors, target()), encodeObtain(), encodeNotice(1)};
}

Bytes header(uint32_t length, uint16_t kind, uint16_t descriptors) {
  Bytes bytes(kControlHeader);
  std::memcpy(bytes.data(), &length, 4);
  std::memcpy(bytes.data() + 4, &kind, 2);
  std::memcpy(bytes.data() + 6, &descriptors, 2);
  return bytes;
}

const std::byte* bodyOf(const Bytes& frame) { return frame.data() + kControlHeader; }
std::size_t lengthOf(const Bytes& frame) { return frame.size() - kControlHeader; }

}  // namespace

TEST("every kind of control frame has a header that tells its kind, its length and its descriptors") {
  const auto frames = everyKind();
  const ControlKind kinds[] = {ControlKind::kHello, ControlKind::kWelcome, ControlKind::kRefuse, ControlKind::kRegister,
                               ControlKind::kDescriptors, ControlKind::kObtain, ControlKind::kNotice};
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const ControlHeader h = decodeHeader(frames[i].data());
    CHECK_EQ(h.kind, kinds[i]);
    CHECK_EQ(h.length, lengthOf(frames[i]));
    CHECK_EQ(h.descriptors, i == 3 || i == 4 ? 3 : 0);
  }
}

TEST("what is encoded is decoded") {
  const Bytes a = encodeHello(hello());
  const Greeting h = decodeHello(bodyOf(a), lengthOf(a));
  CHECK_EQ(h.versionMin, 1);
  CHECK_EQ(h.versionMax, 3);
  CHECK_EQ(h.features, 0x80000001);
  CHECK_EQ(h.incarnation, 0x1122334455667788);
  CHECK_EQ(h.maxMessageSize, 64 << 20);
  CHECK_EQ(h.identity, "client-1");
  CHECK_EQ(h.service, "orders");
  CHECK_EQ(h.receive.size(), 2);
  CHECK_EQ(h.receive[1].partitionSize, 1024);
  CHECK_EQ(h.receive[1].partitions, 8);
  CHECK_EQ(h.receive[0].spanFactor, 4);

  const Bytes b = encodeWelcome(welcome());
  const Greeting w = decodeWelcome(bodyOf(b), lengthOf(b));
  CHECK_EQ(w.versionMax, 1);
  CHECK_EQ(w.features, 7);
  CHECK_EQ(w.incarnation, 42);
  CHECK_EQ(w.maxMessageSize, 1000);
  CHECK_EQ(w.identity, "instance");
  CHECK_EQ(w.service, "orders");
  CHECK_EQ(w.receive.at(0).partitionSize, 100);

  const Bytes c = encode(Refuse{"RSM_X", std::string(5000, 'x')});
  const Refuse r = decodeRefuse(bodyOf(c), lengthOf(c));
  CHECK_EQ(r.code, "RSM_X");
  CHECK_EQ(r.text, std::string(kMaxRefusal, 'x'));  // cut, so that a refusal always fits

  const Bytes d = encode(ControlKind::kDescriptors, target());
  const DescribedTarget t = decodeTarget(bodyOf(d), lengthOf(d));
  CHECK_EQ(t.targetSize, 1 << 20);
  CHECK_EQ(t.releaseSize, 4096);
  CHECK_EQ(t.segments.size(), 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const SegmentDescriptor& is = t.segments[i];
    const SegmentDescriptor was = target().segments[i];
    CHECK(is.region == was.region && is.offset == was.offset && is.length == was.length && is.directoryOffset == was.directoryOffset);
    CHECK(is.geometry.partitionSize == was.geometry.partitionSize && is.geometry.partitions == was.geometry.partitions);
    CHECK(is.geometry.spanFactor == was.geometry.spanFactor && is.key == was.key);
  }

  const Bytes e = encodeNotice(0xabcdef01);
  CHECK_EQ(decodeNotice(bodyOf(e), lengthOf(e)), 0xabcdef01);
}

TEST("every truncation of every frame's body is refused, and nothing beyond it is read") {
  for (const Bytes& frame : everyKind()) {
    const ControlKind kind = decodeHeader(frame.data()).kind;
    decode(kind, bodyOf(frame), lengthOf(frame));
    for (std::size_t length = 0; length < lengthOf(frame); ++length)
      if (!mismatch([&] { decode(kind, bodyOf(frame), length); }))
        check::fail(__FILE__, __LINE__, "kind " + std::to_string(int(kind)) + " of " + std::to_string(length) + " bytes was taken");
  }
}

TEST("a body that goes on after its end is refused; but a newer client may add to its greeting") {
  for (Bytes frame : everyKind()) {
    const ControlKind kind = decodeHeader(frame.data()).kind;
    frame.push_back(std::byte{0});
    if (kind == ControlKind::kObtain) continue;
    CHECK_EQ(mismatch([&] { decode(kind, bodyOf(frame), lengthOf(frame)); }, "too long"), kind != ControlKind::kHello);
  }
}

TEST("a greeting of something else, or in another byte order, is refused") {
  const Bytes good = encodeHello(hello());
  for (std::size_t at = 0; at < 8; ++at) {
    Bytes frame = good;
    frame[kControlHeader + at] ^= std::byte{0x20};
    CHECK(mismatch([&] { decodeHello(bodyOf(frame), lengthOf(frame)); }, "does not begin"));
  }
  Bytes frame = good;
  std::swap(frame[kControlHeader + 8], frame[kControlHeader + 9]);
  CHECK(mismatch([&] { decodeHello(bodyOf(frame), lengthOf(frame)); }, "byte order"));
}

TEST("a header with an unknown kind, an oversized length or a wrong number of descriptors is refused") {
  const auto refused = [](const Bytes& bytes, const char* says) { return mismatch([&] { decodeHeader(bytes.data()); }, says); };
  for (const uint16_t kind : {0, 8, 9, 256, 65535}) CHECK(refused(header(0, kind, 0), "unknown kind"));
  for (const uint32_t length : {uint32_t{kMaxControlFrame - kControlHeader + 1}, uint32_t{UINT32_MAX}})
    CHECK(refused(header(length, 1, 0), "longer"));
  CHECK_EQ(decodeHeader(header(kMaxControlFrame - kControlHeader, 1, 0).data()).length, kMaxControlFrame - kControlHeader);
  for (uint16_t kind = 1; kind <= 7; ++kind)
    for (const uint16_t descriptors : {0, 1, 2, 3, 4, 65535}) {
      const bool right = descriptors == (kind == 4 || kind == 6 ? 3 : 0);
      if (!right) CHECK(refused(header(0, kind, descriptors), "file descriptors"));
      else CHECK_EQ(decodeHeader(header(0, kind, descriptors).data()).descriptors, descriptors);
    }
  Bytes http(8);
  std::memcpy(http.data(), "GET / HT", 8);
  CHECK(refused(http, "does not speak nestjs-rsm"));
}

TEST("texts and lists beyond their limits are refused") {
  const auto hello_ = [](const Greeting& m) {
    const Bytes frame = encodeHello(m);
    return mismatch([&] { decodeHello(bodyOf(frame), lengthOf(frame)); });
  };
  Greeting m = hello();
  m.identity = std::string(kMaxIdentity, 'i');
  m.service = std::string(kMaxService, 's');
  CHECK(!hello_(m));
  m.identity += 'i';
  CHECK(hello_(m));
  m = hello();
  m.service = std::string(kMaxService + 1, 's');
  CHECK(hello_(m));
  m = hello();
  m.receive.clear();
  CHECK(hello_(m));
  m.receive.assign(kMaxSegments, {64, 16, 4});
  CHECK(!hello_(m));
  m.receive.push_back({64, 16, 4});
  CHECK(hello_(m));
  DescribedTarget t = target();
  t.segments.clear();
  CHECK(mismatch([&] { const Bytes f = encode(ControlKind::kRegister, t); decodeTarget(bodyOf(f), lengthOf(f)); }));
  t.segments.resize(kMaxSegments + 1);
  CHECK(mismatch([&] { const Bytes f = encode(ControlKind::kRegister, t); decodeTarget(bodyOf(f), lengthOf(f)); }));
}

TEST("arbitrary bytes are a frame or a Failure, and never anything else") {
  check::forSeeds(2000, [](check::Random& random) {
    const auto frames = everyKind();
    Bytes frame = frames[check::upTo(random, 6)];
    for (uint32_t i = check::between(random, 1, 6); i > 0; --i)
      frame[check::upTo(random, static_cast<uint32_t>(frame.size() - 1))] = std::byte(check::upTo(random, 255));
    try {
      const ControlHeader h = decodeHeader(frame.data());
      decode(h.kind, bodyOf(frame), std::min<std::size_t>(h.length, lengthOf(frame)));
    } catch (const Failure& failure) {
      CHECK_EQ(std::string(failure.code()), codes::kProtocolMismatch);
    }
  });
}
