#include "doorbell.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

#include "crash_point.hpp"
#include "failure.hpp"

namespace rsm {
namespace {

void writeOne(int fd) {
  const char one = 1;
  ssize_t written;
  do written = ::write(fd, &one, 1);
  while (written < 0 && errno == EINTR);
}

#if !defined(F_SETNOSIGPIPE)
/// Keeps SIGPIPE from this thread while it lives, and takes the one that was raised meanwhile. docs/decisions/0003
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    wasPending_ = pending();
  }
  ~NoSigpipe() {
    const timespec now{};
    if (!wasPending_ && pending()) ::sigtimedwait(&pipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  static bool pending() {
    sigset_t all;
    return ::sigpending(&all) == 0 && sigismember(&all, SIGPIPE) == 1;
  }
  sigset_t pipe_;
  sigset_t before_;
  bool wasPending_;
};

/// As Node.js has it, unless somebody listens for the signal, or did.
bool ignoresSigpipe() {
  struct sigaction action {};
  return ::sigaction(SIGPIPE, nullptr, &action) == 0 && !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_IGN;
}
#endif

}  // namespace

Doorbell Doorbell::adopt(FileDescriptor fd) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || !S_ISFIFO(status.st_mode))
    throw Failure(codes::kCorruptSegment, "the peer passed a doorbell that is no pipe");
#if defined(__linux__)
  // O_NONBLOCK belongs to the open file, which the peer still has: an open of our own cannot be made to block.
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  FileDescriptor own(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  const int error = errno;
  RSM_CRASH_POINT("bell.adopted");
  if (own.valid()) return Doorbell(std::move(own));
  // Only where /proc is missing is the peer's own open file taken: it can be made to block whoever writes.
  if (error == ENXIO) throw Failure(codes::kConnectionLost, "nobody listens to the doorbell that the peer passed");
  if (error != ENOENT && error != ENOTDIR) throw Failure(codes::kCorruptSegment, "the peer passed a doorbell that cannot be opened", error);
#endif
#if defined(F_SETNOSIGPIPE)
  ::fcntl(fd.get(), F_SETNOSIGPIPE, 1);
#endif
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return Doorbell(std::move(fd));
}

void Doorbell::ring() {
#if !defined(F_SETNOSIGPIPE)
  std::optional<NoSigpipe> guard;
  if (!ignoresSigpipe()) guard.emplace();
#endif
  writeOne(fd_.get());
  RSM_CRASH_POINT("bell.rung");
}

DoorbellPipe::DoorbellPipe() {
  int ends[2];
  if (::pipe(ends) != 0) throw systemFailure(codes::kUnsupportedPlatform, "no doorbell pipe can be made", errno);
  RSM_CRASH_POINT("bell.piped");
  reading_.reset(ends[0]);
  writing_.reset(ends[1]);
  for (const int end : ends) {
    ::fcntl(end, F_SETFD, FD_CLOEXEC);
    ::fcntl(end, F_SETFL, O_NONBLOCK);
  }
  ::fchmod(writing_.get(), 0622);  // a peer with another uid opens it anew, see adopt()
}

bool DoorbellPipe::clear() {
  char rings[4096];
  ssize_t got = 0;
  // A peer that rings without end must not keep this side from its loop: what is left makes the pipe readable again.
  for (int turn = 0; turn < 17; ++turn) {  // a pipe holds 64 KiB
    got = ::read(reading_.get(), rings, sizeof rings);
    if (got != static_cast<ssize_t>(sizeof rings) && !(got < 0 && errno == EINTR)) break;
  }
  RSM_CRASH_POINT("bell.cleared");
  return got != 0;
}

}  // namespace rsm
