#include "doorbell.hpp"

#include <poll.h>

#include <csignal>

#include "failure.hpp"
#include "process_state.hpp"
#include "region.hpp"
#include "seeds.hpp"

using namespace rsm;

namespace {

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

}  // namespace

TEST("a ring wakes; all rings are taken at once") {
  DoorbellPipe pipe;
  Doorbell bell = Doorbell::adopt(check::duplicate(pipe.writingFd()));
  pipe.closeWritingEnd();
  CHECK(!readable(pipe.fd()));
  bell.ring();
  CHECK(readable(pipe.fd()));
  CHECK(pipe.clear());
  CHECK(!readable(pipe.fd()));
  CHECK(pipe.clear());  // nothing to take, yet somebody can still ring
  for (int i = 0; i < 1000; ++i) bell.ring();
  CHECK(pipe.clear());
  CHECK(!readable(pipe.fd()));
}

TEST("a full pipe has rung already: ringing never blocks") {
  DoorbellPipe pipe;
  Doorbell bell = Doorbell::adopt(check::duplicate(pipe.writingFd()));
  for (int i = 0; i < 200'000; ++i) bell.ring();  // a pipe holds 65,536 bytes
  CHECK(pipe.clear());
  CHECK(!readable(pipe.fd()));
}

TEST("the last writing end's close is noticed") {
  DoorbellPipe pipe;
  {
    Doorbell bell = Doorbell::adopt(check::duplicate(pipe.writingFd()));
    pipe.closeWritingEnd();
    bell.ring();
  }
  CHECK(readable(pipe.fd()));
  bool open = pipe.clear();
  if (open) open = pipe.clear();
  CHECK(!open);
}

TEST("a peer that makes its end of the pipe block does not make the ringing side block") {
  DoorbellPipe pipe;
  Doorbell bell = Doorbell::adopt(check::duplicate(pipe.writingFd()));
  CHECK_EQ(::fcntl(pipe.writingFd(), F_SETFL, 0), 0);
  ::signal(SIGALRM, SIG_DFL);
  const pid_t child = check::inChild([&] {
    ::alarm(20);  // a ring that blocked would end here
    for (int i = 0; i < 200'000; ++i) bell.ring();
    return 0;
  });
  CHECK_EQ(check::exitCodeOf(child), 0);
}

TEST("only a pipe is taken for a doorbell, and descriptors close on exec and with their object") {
  const auto before = check::openDescriptors();
  {
    Region region = Region::allocate(4096);
    CHECK_THROWS(Failure, Doorbell::adopt(check::duplicate(region.fd())));
    CHECK_THROWS(Failure, Doorbell::adopt(FileDescriptor()));
    DoorbellPipe pipe;
    CHECK(check::closedOnExec(pipe.fd()) && check::closedOnExec(pipe.writingFd()));
    const std::size_t open = check::openDescriptors().size();
    Doorbell bell = Doorbell::adopt(check::duplicate(pipe.writingFd()));
    CHECK_EQ(check::openDescriptors().size(), open + 1);
    for (const int fd : check::openDescriptors())
      if (!before.count(fd)) CHECK(check::closedOnExec(fd));
  }
  CHECK(check::openDescriptors() == before);
}

namespace {

/// The bell of a peer that is gone.
Doorbell bellOfNobody() {
  DoorbellPipe pipe;
  return Doorbell::adopt(check::duplicate(pipe.writingFd()));
}

volatile sig_atomic_t heard = 0;

}  // namespace

TEST("ringing a peer that is gone does nothing, whatever the process does about SIGPIPE") {
  const auto ring = [](void (*disposition)(int)) {
    return check::exitCodeOf(check::inChild([&] {
      ::signal(SIGPIPE, disposition);
      Doorbell bell = bellOfNobody();
      for (int i = 0; i < 3; ++i) bell.ring();
      return heard ? 9 : 0;
    }));
  };
  CHECK_EQ(ring(SIG_IGN), 0);  // as Node.js has it
  CHECK_EQ(ring(SIG_DFL), 0);  // after process.on('SIGPIPE') was taken away again
  CHECK_EQ(ring([](int) { heard = 1; }), 0);
}

TEST("a SIGPIPE of somebody else stays as it was while a peer that is gone is rung") {
  const pid_t child = check::inChild([] {
    sigset_t pipe;
    sigset_t pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    Doorbell bell = bellOfNobody();
    bell.ring();
    ::sigpending(&pending);
    if (sigismember(&pending, SIGPIPE)) return 1;  // ours was left behind
    ::raise(SIGPIPE);
    bell.ring();
    ::sigpending(&pending);
    if (!sigismember(&pending, SIGPIPE)) return 2;  // theirs was taken
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return sigismember(&mask, SIGPIPE) ? 0 : 3;
  });
  CHECK_EQ(check::exitCodeOf(child), 0);
}
