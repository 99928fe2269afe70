#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control_socket.hpp"
#include "doorbell.hpp"
#include "ring_queue.hpp"
#include "source_channel.hpp"
#include "target_channel.hpp"

namespace rsm {

inline constexpr uint32_t kLanes = 3;
inline constexpr uint32_t kLaneImmediate = 0;
inline constexpr uint32_t kLaneEvents = 1;
inline constexpr uint32_t kLaneRequests = 2;

struct Peer {
  Credentials credentials;
  std::string identity;
  std::string service;
  uint64_t maxMessageSize = 0;
  uint64_t incarnation = 0;
  std::vector<SegmentGeometry> receive;
};

/// One client with one server instance: its control socket, and once formed the channels of both directions with their bells. Holds
/// state; Endpoint decides what happens.
class Connection {
 public:
  enum class State : uint8_t {
    kGreeting,  ///< the handshake is under way
    kOpen,      ///< greeted; no memory yet
    kForming,   ///< the connector registered its target and waits for the other's descriptors
    kFormed,
    kClosed,    ///< ended and reported; kept while messages delivered from it are unsettled
  };

  Connection(uint32_t id, ControlSocket socket) : id(id), control(std::move(socket)) {}

  const uint32_t id;
  std::optional<ControlSocket> control;  ///< empty once hung up
  State state = State::kGreeting;
  uint64_t greetingDeadline = 0;
  Peer peer;

  // Forming, and what it forms.
  std::optional<DoorbellPipe> bellIn;
  std::optional<Doorbell> bellOut;
  std::vector<FileDescriptor> registeredDescriptors;  ///< listener: passed with the client's registration
  Region formingTarget;   ///< connector: allocated, not yet used
  Region formingRelease;  ///< connector: of the channel to the server
  // Shared with loans and views, whose memory stays mapped after the connection has ended.
  std::shared_ptr<SourceChannel> source;
  std::shared_ptr<TargetChannel> target;
  uint64_t reserved = 0;  ///< bytes of both regions that this process allocated or mapped

  // Scheduling.
  bool active = false;         ///< polled at each turn
  bool queued = false;         ///< in the endpoint's list of connections with references to deliver
  bool wantsRoom = false;      ///< a send found no room: report when there is some
  bool releasesToFlush = false;
  uint64_t rings = 0;          ///< how often the peer was rung
  bool bellDue = false;        ///< ring whether the sender waits or not
  std::array<RingQueue<Reference>, kLanes> lanes;
  std::array<Bytes, kLanes> assemblies;
  uint32_t requestCredit = 0;
  uint32_t unsettled = 0;      ///< messages delivered to JavaScript and not both released and finished

  // Ending.
  bool hungUp = false;
  bool ending = false;
  const char* endCode = "";
  std::string endReason;

  bool formed() const { return state == State::kFormed; }
  bool open() const { return (state == State::kOpen || state == State::kForming || state == State::kFormed) && !hungUp && !ending; }
  bool referencesLeft() const { return !lanes[0].empty() || !lanes[1].empty() || !lanes[2].empty(); }
  /// Somebody here waits to hear of releases.
  bool awaitsReleases() const { return source && (wantsRoom || source->sending() || source->watched() > 0); }

  /// Reads what is committed into the lanes; returns how many.
  std::size_t drain(std::size_t budget);
  /// Rings the peer if it sleeps and something was committed.
  void ringForCommits();
  /// Rings the peer if it waits for releases.
  void ringForReleases();
  /// Arms both channels before a sleep. False if something came meanwhile.
  bool arm();
  void disarm();

 private:
  void ring();
};

}  // namespace rsm
