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

TEST("ringing a peer that is gone does nothing") {
  ::signal(SIGPIPE, SIG_IGN);  // as Node.js has it
  Doorbell bell;
  {
    DoorbellPipe pipe;
    bell = Doorbell::adopt(check::duplicate(pipe.writingFd()));
  }
  bell.ring();
  ::signal(SIGPIPE, SIG_DFL);
}
