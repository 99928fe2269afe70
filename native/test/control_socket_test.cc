#include "control_socket.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "failure.hpp"
#include "process_state.hpp"
#include "seeds.hpp"

using namespace rsm;
using Received = ControlSocket::Received;

namespace {

struct SocketPair {
  FileDescriptor ours;
  ControlSocket socket{FileDescriptor()};
  SocketPair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) throw std::runtime_error("no socketpair");
    ours.reset(ends[0]);
    socket = ControlSocket(FileDescriptor(ends[1]));
  }
  void write(const Bytes& bytes) { CHECK_EQ(::write(ours.get(), bytes.data(), bytes.size()), bytes.size()); }
};

DescribedTarget someTarget() { return {8192, 4096, {{0, 4096, 64, 128, {16, 4, 2}, 0}}}; }

}  // namespace

TEST("a frame arrives whole however the stream cuts it") {
  const Bytes frame = encode(Refuse{"RSM_BACKPRESSURE", "a text"});
  for (std::size_t cut = 1; cut < frame.size(); ++cut) {
    SocketPair pair;
    std::deque<ControlFrame> frames;
    pair.write({frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(cut)});
    CHECK_EQ(pair.socket.receive(frames), Received::kSome);
    CHECK_EQ(frames.size(), 0);
    pair.write({frame.begin() + static_cast<std::ptrdiff_t>(cut), frame.end()});
    CHECK_EQ(pair.socket.receive(frames), Received::kSome);
    CHECK_EQ(frames.size(), 1);
    CHECK_EQ(decodeRefuse(frames[0].body.data(), frames[0].body.size()).text, "a text");
    CHECK_EQ(pair.socket.receive(frames), Received::kNothingNow);
  }
  SocketPair pair;
  std::deque<ControlFrame> frames;
  for (const std::byte b : frame) pair.write({b}), pair.socket.receive(frames);
  CHECK_EQ(frames.size(), 1);
}

TEST("several frames of one write arrive in their order, and a part of the next one waits") {
  SocketPair pair;
  Bytes bytes;
  for (uint32_t i = 0; i < 500; ++i) {  // more than one read takes
    const Bytes frame = encodeNotice(i);
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  }
  const Bytes last = encodeNotice(500);
  bytes.insert(bytes.end(), last.begin(), last.end() - 1);
  pair.write(bytes);
  std::deque<ControlFrame> frames;
  while (pair.socket.receive(frames) == Received::kSome) {
  }
  CHECK_EQ(frames.size(), 500);
  for (uint32_t i = 0; i < frames.size(); ++i) CHECK_EQ(decodeNotice(frames[i].body.data(), frames[i].body.size()), i);
  pair.write({last.back()});
  pair.socket.receive(frames);
  CHECK_EQ(frames.size(), 501);
}

TEST("descriptors arrive with their frame, close on exec, and close with it") {
  const auto before = check::openDescriptors();
  {
    SocketPair pair;
    ControlSocket sender(check::duplicate(pair.ours.get()));
    FileDescriptor files[3];
    for (int i = 0; i < 3; ++i) {
      int ends[2];
      CHECK_EQ(::pipe2(ends, O_CLOEXEC), 0);
      files[i].reset(ends[0]);
      const char byte = static_cast<char>('a' + i);
      CHECK_EQ(::write(ends[1], &byte, 1), 1);
      ::close(ends[1]);
    }
    sender.send(encodeNotice(1));
    sender.send(encode(ControlKind::kRegister, someTarget()), {files[0].get(), files[1].get(), files[2].get()});
    sender.send(encodeObtain());
    const std::size_t open = check::openDescriptors().size();
    std::deque<ControlFrame> frames;
    pair.socket.receive(frames);
    CHECK_EQ(frames.size(), 3);
    CHECK_EQ(frames[0].descriptors.size() + frames[2].descriptors.size(), 0);
    CHECK_EQ(frames[1].descriptors.size(), 3);
    CHECK_EQ(check::openDescriptors().size(), open + 3);
    for (int i = 0; i < 3; ++i) {
      CHECK(check::closedOnExec(frames[1].descriptors[i].get()));
      char byte = 0;
      CHECK_EQ(::read(frames[1].descriptors[i].get(), &byte, 1), 1);
      CHECK_EQ(static_cast<int>(byte), 'a' + i);
    }
    frames.clear();
    CHECK_EQ(check::openDescriptors().size(), open);
    // Passed, and the frame never completed: they close with the socket.
    const Bytes frame = encode(ControlKind::kRegister, someTarget());
    sender.send({frame.begin(), frame.begin() + 10}, {files[0].get(), files[1].get(), files[2].get()});
    pair.socket.receive(frames);
    CHECK_EQ(frames.size(), 0);
    CHECK_EQ(check::openDescriptors().size(), open + 3);
  }
  CHECK(check::openDescriptors() == before);
}

TEST("a frame without the descriptors it announces, and descriptors beyond a frame's, end the socket") {
  const auto before = check::openDescriptors();
  {
    SocketPair pair;
    pair.write(encode(ControlKind::kRegister, someTarget()));
    std::deque<ControlFrame> frames;
    CHECK_THROWS(Failure, pair.socket.receive(frames));
  }
  for (const std::size_t count : {std::size_t{9}, std::size_t{200}}) {
    SocketPair pair;
    FileDescriptor one = check::duplicate(pair.ours.get());
    // Sent by hand: ControlSocket::send never passes that many.
    const std::vector<int> many(count, one.get());
    std::vector<char> control(CMSG_SPACE(sizeof(int) * count));
    char byte = 0;
    iovec io{&byte, 1};
    msghdr message{};
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(header), many.data(), sizeof(int) * count);
    CHECK_EQ(::sendmsg(pair.ours.get(), &message, 0), 1);
    std::deque<ControlFrame> frames;
    CHECK_THROWS(Failure, pair.socket.receive(frames));
  }
  {
    SocketPair pair;  // a few at a time are counted together
    ControlSocket sender(check::duplicate(pair.ours.get()));
    for (int i = 0; i < 3; ++i) sender.send({std::byte{0}}, {pair.ours.get(), pair.ours.get(), pair.ours.get()});
    std::deque<ControlFrame> frames;
    CHECK_THROWS(Failure, pair.socket.receive(frames));
  }
  CHECK(check::openDescriptors() == before);
}

TEST("what was sent before the peer hung up is received, then the end") {
  SocketPair pair;
  pair.write(encodeNotice(1));
  pair.write({std::byte{1}});
  pair.ours.reset();
  std::deque<ControlFrame> frames;
  Received received = pair.socket.receive(frames);
  if (received == Received::kSome) received = pair.socket.receive(frames);
  CHECK_EQ(received, Received::kEnd);
  CHECK_EQ(frames.size(), 1);
  CHECK_THROWS(Failure, pair.socket.send(encodeNotice(1)));  // and no SIGPIPE
}

TEST("a peer that writes without end does not keep this side from its loop") {
  SocketPair pair;
  const Bytes frame = encodeNotice(7);
  std::size_t written = 0;
  while (::write(pair.ours.get(), frame.data(), frame.size()) == static_cast<ssize_t>(frame.size())) ++written;
  std::deque<ControlFrame> frames;
  CHECK_EQ(pair.socket.receive(frames), Received::kSome);
  CHECK(frames.size() <= 16 * 4096 / frame.size());
  if (written > 16 * 4096 / frame.size()) CHECK(frames.size() < written);
}

TEST("a peer that does not read its socket is given up, not waited for") {
  SocketPair pair;
  const Bytes frame = encode(Refuse{"x", std::string(1000, 'y')});
  bool refused = false;
  for (int i = 0; i < 100'000 && !refused; ++i) refused = check::throws<Failure>([&] { pair.socket.send(frame); });
  CHECK(refused);
}

TEST("a header that breaks the rules ends the socket at once, before its body") {
  SocketPair pair;
  pair.write({std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{1}, std::byte{0}, std::byte{0}, std::byte{0}});
  std::deque<ControlFrame> frames;
  CHECK_THROWS(Failure, pair.socket.receive(frames));
}

TEST("the peer's credentials are the kernel's word") {
  SocketPair pair;
  const Credentials c = pair.socket.credentials();
  CHECK_EQ(c.pid, ::getpid());
  CHECK_EQ(c.uid, ::geteuid());
  CHECK_EQ(c.gid, ::getegid());
}

TEST("connecting where nobody listens fails with the errno, and with nothing left open") {
  const auto before = check::openDescriptors();
  check::TemporaryFolder folder;
  const auto fails = [](const std::string& path, int error) {
    return check::throws<Failure>([&] { ControlSocket::connect(path); },
                                  [&](const Failure& f) { return f.error() == error && f.code() == std::string(codes::kUnreachable); });
  };
  CHECK(fails(folder.path() + "/none.sock", ENOENT));
  CHECK(fails("/tmp/" + std::string(200, 'x'), ENAMETOOLONG));
  CHECK(check::openDescriptors() == before);
}
