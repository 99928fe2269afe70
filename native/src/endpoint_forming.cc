// How the segment groups of a connection are formed (METHOD M7): allocate, register, obtain, form the image.
#include <utility>

#include "crash_point.hpp"
#include "endpoint.hpp"
#include "failure.hpp"
#include "mapped_interconnect.hpp"

namespace rsm {

void Endpoint::reserve(Connection& c, uint64_t bytes) {
  if (reserved_ + bytes > options_.maxMemory)
    throw Failure(codes::kBackpressure, "another connection needs " + std::to_string(bytes) + " bytes of segments, which maxMemory (" +
                                            std::to_string(options_.maxMemory) + " bytes) does not leave");
  reserved_ += bytes;
  c.reserved += bytes;
}

/// M7, step 1: the target buffer, and beside it the release region of the channel the other way.
DescribedTarget Endpoint::allocateTarget(Connection& c, Region& target, Region& release) {
  const uint64_t releaseSize = layOut(c.peer.receive).releaseSize;
  reserve(c, receiveLayout_.targetSize + releaseSize);
  target = Region::allocate(receiveLayout_.targetSize);
  RSM_CRASH_POINT("form.target");
  release = Region::allocate(releaseSize);
  RSM_CRASH_POINT("form.release");
  c.bellIn.emplace();
  RSM_CRASH_POINT("form.bell");
  return {receiveLayout_.targetSize, releaseSize, receiveLayout_.segments};
}

void Endpoint::beginForming(Connection& c) {
  if (options_.listener || c.state != Connection::State::kOpen) return;
  c.state = Connection::State::kForming;
  try {
    const DescribedTarget mine = allocateTarget(c, c.formingTarget, c.formingRelease);
    // M7, steps 2 and 3, as the client takes them: it registers with the server's segment manager, and obtains from it.
    c.control->send(encode(ControlKind::kRegister, mine), {c.formingTarget.fd(), c.formingRelease.fd(), c.bellIn->writingFd()});
    RSM_CRASH_POINT("register.sent");
    c.control->send(encodeObtain());
    RSM_CRASH_POINT("obtain.sent");
  } catch (const Failure& failure) {
    return fail(c, failure.code(), failure.what());
  }
  c.formingTarget.closeDescriptor();
  c.formingRelease.closeDescriptor();
  c.bellIn->closeWritingEnd();
  RSM_CRASH_POINT("register.closed");
}

void Endpoint::registered(Connection& c, ControlFrame& frame) {
  manager_.registerTarget(c.id, Direction::kOut, decodeTarget(frame.body.data(), frame.body.size()));
  c.registeredDescriptors = std::move(frame.descriptors);
  RSM_CRASH_POINT("register.received");
  c.state = Connection::State::kForming;
}

void Endpoint::obtained(Connection& c) {
  RSM_CRASH_POINT("obtain.received");
  Region target;
  Region release;
  manager_.registerTarget(c.id, Direction::kIn, allocateTarget(c, target, release));  // M7, step 2
  RSM_CRASH_POINT("descriptors.registered");
  const DescribedTarget* mine = manager_.obtain(c.id, Direction::kIn);
  c.control->send(encode(ControlKind::kDescriptors, *mine), {target.fd(), release.fd(), c.bellIn->writingFd()});
  RSM_CRASH_POINT("descriptors.sent");
  target.closeDescriptor();
  release.closeDescriptor();
  c.bellIn->closeWritingEnd();
  const DescribedTarget* theirs = manager_.obtain(c.id, Direction::kOut);  // M7, step 3
  formImage(c, *theirs, c.registeredDescriptors, std::move(target), std::move(release));
  c.registeredDescriptors.clear();
}

void Endpoint::formed(Connection& c, ControlFrame& frame) {
  RSM_CRASH_POINT("descriptors.received");
  const DescribedTarget theirs = decodeTarget(frame.body.data(), frame.body.size());
  formImage(c, theirs, frame.descriptors, std::move(c.formingTarget), std::move(c.formingRelease));
}

/// M7, step 4: the sender's image of the peer's target segments; from here on the groups carry messages.
void Endpoint::formImage(Connection& c, const DescribedTarget& theirs, std::vector<FileDescriptor>& descriptors, Region ownTarget,
                         Region ownRelease) {
  ChannelLayout out = layOutDescribed(theirs.segments, theirs.targetSize);
  if (out.releaseSize != ownRelease.size() || theirs.releaseSize != receiveLayout_.releaseSize)
    throw Failure(codes::kCorruptSegment, "the peer described other segments than it announced in its greeting");
  if (theirs.targetSize > options_.maxMemory)
    throw Failure(codes::kBackpressure, "the peer's target region of " + std::to_string(theirs.targetSize) + " bytes is larger than maxMemory");
  Region image = Region::adopt(std::move(descriptors[0]), theirs.targetSize);
  RSM_CRASH_POINT("adopt.target");
  Region releases = Region::adopt(std::move(descriptors[1]), theirs.releaseSize);
  RSM_CRASH_POINT("adopt.release");
  c.bellOut = Doorbell::adopt(std::move(descriptors[2]));
  RSM_CRASH_POINT("adopt.bell");
  c.source = std::make_unique<SourceChannel>(std::move(out), std::make_unique<MappedInterconnect>(std::move(image)), std::move(ownRelease),
                                             c.peer.maxMessageSize);
  c.target = std::make_unique<TargetChannel>(receiveLayout_, std::move(ownTarget), std::make_unique<MappedInterconnect>(std::move(releases)));
  c.state = Connection::State::kFormed;
  RSM_CRASH_POINT("form.formed");
  enterTables(c);
  RSM_CRASH_POINT("form.entered");
  loop_.watch(c.bellIn->fd(), [this, id = c.id] { bellHeard(id); });
  RSM_CRASH_POINT("form.watched");
  activate(c);
  if (c.wantsRoom) roomList_.push_back(c.id);
  startPolling();
}

void Endpoint::enterTables(Connection& c) {
  const auto enter = [&](const ChannelLayout& layout, bool source, Direction direction) {
    for (uint32_t number = 0; number < layout.segments.size(); ++number) {
      const uint32_t segment = segmentTable_.add({c.id, source, c.source->interconnect(), layout.segments[number]});
      groupTable_.add({c.id, direction, number, segment});
    }
  };
  enter(c.source->layout(), true, Direction::kOut);
  enter(c.target->layout(), false, Direction::kIn);
}

}  // namespace rsm
