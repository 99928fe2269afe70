#pragma once

#include <utility>

#include "file_descriptor.hpp"

namespace rsm {

/// The end of a pipe that wakes a sleeping peer. Each side makes the pipe on which it is rung, keeps the reading end and passes the
/// writing end: a shared eventfd would let one client swallow another's ring.
class Doorbell {
 public:
  Doorbell() = default;
  /// Takes a writing end that the peer passed. Throws RSM_CORRUPT_SEGMENT if it is no pipe.
  static Doorbell adopt(FileDescriptor fd);
  /// Never blocks; a full pipe has rung already. Rings for a peer that is gone are lost without a SIGPIPE.
  void ring();

 private:
  explicit Doorbell(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

/// The reading end.
class DoorbellPipe {
 public:
  /// Makes a pipe. Throws RSM_OUT_OF_RESOURCES where no descriptors are left.
  DoorbellPipe();
  int fd() const { return reading_.get(); }
  int writingFd() const { return writing_.get(); }
  void closeWritingEnd() { writing_.reset(); }
  /// Takes all rings. False if nobody holds the writing end any more.
  bool clear();

 private:
  FileDescriptor reading_;
  FileDescriptor writing_;
};

}  // namespace rsm
