#pragma once

#include <optional>
#include <string>

#include "file_descriptor.hpp"

namespace rsm {

/// A Unix stream socket at a path. It appears there only once it listens; the file goes when this object does.
class ListeningSocket {
 public:
  /// Binds at `path` + ".tmp", sets the mode (0600, or 0660 and the group), listens, renames. Throws RSM_PERMISSION_DENIED for a folder
  /// that cannot be written, RSM_INVALID_OPTIONS for a path that is too long, else RSM_UNREACHABLE. Leaves nothing behind then.
  ListeningSocket(const std::string& path, std::optional<uint32_t> gid);
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  int fd() const { return fd_.get(); }
  /// The next waiting connection; an invalid descriptor if there is none now. `exhausted` is set if there is one but this process
  /// has no descriptor left for it.
  FileDescriptor accept(bool& exhausted);

 private:
  std::string path_;
  FileDescriptor fd_;
};

}  // namespace rsm
