#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "segment_descriptor.hpp"

namespace rsm {

/// What two processes say to each other over the control socket. A frame is
///   length u32 (of what follows the header), kind u16, descriptors u16 (file descriptors passed with it), then the body,
/// little-endian. docs/protocol.md describes the same frames.
enum class ControlKind : uint16_t {
  kHello = 1,        ///< client: who I am, what I speak
  kWelcome = 2,      ///< server: who I am, what we speak
  kRefuse = 3,       ///< server: why not; the socket closes after it
  kRegister = 4,     ///< client: my target segments for your replies. 3 descriptors: target region, release region of the other channel, doorbell
  kObtain = 5,       ///< client: give me the descriptors of your target segments
  kDescriptors = 6,  ///< server: here they are. 3 descriptors, as above
  kNotice = 7,       ///< either: a number for the layer above
};

inline constexpr std::size_t kControlHeader = 8;
inline constexpr std::size_t kMaxControlFrame = 16 * 1024;
inline constexpr std::size_t kMaxIdentity = 64;
inline constexpr std::size_t kMaxService = 64;
inline constexpr std::size_t kMaxRefusal = 1024;
inline constexpr uint32_t kDescriptorsPerForming = 3;

/// Body of kHello and kWelcome: who I am, what I speak. A welcome names the one version chosen, as lowest and highest.
struct Greeting {
  uint16_t versionMin = 0;
  uint16_t versionMax = 0;
  uint32_t features = 0;
  uint64_t incarnation = 0;
  uint64_t maxMessageSize = 0;
  std::string identity;
  std::string service;
  std::vector<SegmentGeometry> receive;  ///< decides the size of the release region that the other side allocates
};

struct Refuse {
  std::string code;
  std::string text;
};

/// Body of kRegister and kDescriptors.
struct DescribedTarget {
  uint64_t targetSize = 0;
  uint64_t releaseSize = 0;  ///< of the release region passed with it, which belongs to the opposite channel
  std::vector<SegmentDescriptor> segments;
};

using Bytes = std::vector<std::byte>;

Bytes encodeHello(const Greeting&);
Bytes encodeWelcome(const Greeting&);
Bytes encode(const Refuse&);
Bytes encode(ControlKind kind, const DescribedTarget&);  ///< kRegister or kDescriptors
Bytes encodeObtain();
Bytes encodeNotice(uint32_t code);

struct ControlHeader {
  uint32_t length;
  ControlKind kind;
  uint16_t descriptors;
};

/// Reads a frame header. Throws RSM_PROTOCOL_MISMATCH for a length over the limit, an unknown kind, or a wrong number of descriptors.
ControlHeader decodeHeader(const std::byte* bytes);

// Each throws RSM_PROTOCOL_MISMATCH where a body is short, long, or out of its limits.
Greeting decodeHello(const std::byte* body, std::size_t length);
Greeting decodeWelcome(const std::byte* body, std::size_t length);
Refuse decodeRefuse(const std::byte* body, std::size_t length);
DescribedTarget decodeTarget(const std::byte* body, std::size_t length);
uint32_t decodeNotice(const std::byte* body, std::size_t length);

}  // namespace rsm
