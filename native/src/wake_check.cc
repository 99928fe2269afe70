#include "wake_check.hpp"

#include <poll.h>

namespace rsm {
namespace {

bool rings(const DoorbellPipe& bell) {
  pollfd p{bell.fd(), POLLIN, 0};
  return ::poll(&p, 1, 0) != 0;
}

}  // namespace

void WakeCheck::look(const Connection& c) {
  if (!c.formed() || c.active || c.hungUp || c.ending || !c.bellIn) {
    sights_.erase(c.id);
    return;
  }
  ++checks_;
  // The bell last: it is rung after what it tells of.
  uint64_t message = c.target->pending() ? c.target->nextSequence() : 0;
  uint64_t release = c.awaitsReleases() && c.source->releasesPending() ? c.source->nextRelease() + 1 : 0;
  if ((message || release) && rings(*c.bellIn)) message = release = 0;
  Sights& sights = sights_[c.id];
  note(sights.message, message);
  note(sights.release, release);
}

void WakeCheck::note(Sight& sight, uint64_t number) {
  if (sight.number != number || !responsive_) {
    sight = {number, now_, false};
  } else if (number && !sight.counted && now_ - sight.since >= kOld) {
    sight.counted = true;
    ++missed_;
  }
}

}  // namespace rsm
