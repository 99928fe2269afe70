#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "control_message.hpp"
#include "file_descriptor.hpp"

namespace rsm {

/// Who is at the other end, by the kernel's word.
struct Credentials {
  int64_t pid = -1;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;  ///< supplementary ones, where the system tells
};

struct ControlFrame {
  ControlKind kind;
  Bytes body;
  std::vector<FileDescriptor> descriptors;
};

/// A connected Unix stream socket that carries control frames and passes file descriptors. Never blocks.
class ControlSocket {
 public:
  explicit ControlSocket(FileDescriptor fd);
  /// Connects to a listening socket. Throws RSM_UNREACHABLE with the errno.
  static ControlSocket connect(const std::string& path);

  int fd() const { return fd_.get(); }
  /// Sends one frame whole. Throws RSM_CONNECTION_LOST: the frames are few and small, so a peer that leaves no room for one does
  /// not read its socket.
  void send(const Bytes& frame, const std::vector<int>& descriptors = {});

  enum class Received { kSome, kNothingNow, kEnd };
  /// Reads what has arrived into `frames`. Throws RSM_PROTOCOL_MISMATCH.
  Received receive(std::deque<ControlFrame>& frames);

  Credentials credentials() const;

 private:
  void split(std::deque<ControlFrame>& frames);

  FileDescriptor fd_;
  Bytes buffered_;
  std::deque<FileDescriptor> passed_;
};

}  // namespace rsm
