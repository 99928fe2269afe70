#include "listening_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdio>
#include <cstring>

#include "crash_point.hpp"
#include "failure.hpp"

namespace rsm {
namespace {

constexpr int kBacklog = 511;

const char* codeOf(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return codes::kPermissionDenied;
    case ENAMETOOLONG:
      return codes::kInvalidOptions;
    default:
      return codes::kUnreachable;
  }
}

}  // namespace

ListeningSocket::ListeningSocket(const std::string& path, std::optional<uint32_t> gid) : path_(path) {
  const std::string temporary = path + ".tmp";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (temporary.size() >= sizeof address.sun_path)
    throw Failure(codes::kInvalidOptions, "the socket's path may have " + std::to_string(sizeof address.sun_path - 1) +
                                              " bytes, this one has " + std::to_string(temporary.size()) + ": " + temporary);
  std::memcpy(address.sun_path, temporary.data(), temporary.size());

  fd_.reset(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!fd_.valid()) throw systemFailure(codes::kUnreachable, "no socket can be made", errno);
  ::fcntl(fd_.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  RSM_CRASH_POINT("listen.socket");
  if (::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw Failure(codeOf(errno), "no socket can be bound at " + temporary, errno);
  RSM_CRASH_POINT("listen.bound");
  // Nobody knows the temporary name: mode and group are right before the socket can be found.
  const bool ready = (!gid || ::chown(temporary.c_str(), static_cast<uid_t>(-1), *gid) == 0) &&
                     (RSM_CRASH_POINT("listen.chowned"), ::chmod(temporary.c_str(), gid ? 0660 : 0600) == 0) &&
                     (RSM_CRASH_POINT("listen.moded"), ::listen(fd_.get(), kBacklog) == 0) &&
                     (RSM_CRASH_POINT("listen.listening"), ::rename(temporary.c_str(), path.c_str()) == 0);
  if (!ready) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw Failure(codeOf(error), "the socket at " + path + " cannot be opened to its users", error);
  }
  RSM_CRASH_POINT("listen.renamed");
}

ListeningSocket::~ListeningSocket() {
  RSM_CRASH_POINT("listen.closing");
  ::unlink(path_.c_str());
  RSM_CRASH_POINT("listen.unlinked");
}

FileDescriptor ListeningSocket::accept(bool& exhausted) {
  exhausted = false;
  for (;;) {
    const int fd = ::accept(fd_.get(), nullptr, nullptr);
    if (fd >= 0) {
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
      RSM_CRASH_POINT("listen.accepted");
      return FileDescriptor(fd);
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    exhausted = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
    return FileDescriptor();
  }
}

}  // namespace rsm
