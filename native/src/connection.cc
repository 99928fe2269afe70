#include "connection.hpp"

namespace rsm {

std::size_t Connection::drain(std::size_t budget) {
  return target ? target->drain(budget, [this](const Reference& r) { lanes[r.lane].push(r); }) : 0;
}

void Connection::ring() {
  bellOut->ring();
  ++rings;
}

void Connection::ringForCommits() {
  if (source->receiverWantsBell()) ring();
}

void Connection::ringForReleases() {
  releasesToFlush = false;
  if (!target || hungUp) return;
  const bool waits = target->senderWantsBell();
  if (waits || bellDue) ring();
  bellDue = false;
}

bool Connection::arm() {
  if (!formed() || hungUp) return true;
  const bool quiet = target->arm();
  return (!awaitsReleases() || source->armForReleases()) && quiet;
}

void Connection::disarm() {
  if (!formed() || hungUp) return;
  target->disarm();
  source->disarm();
}

}  // namespace rsm
