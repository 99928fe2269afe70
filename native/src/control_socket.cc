#include "control_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "crash_point.hpp"
#include "failure.hpp"

namespace rsm {
namespace {

constexpr std::size_t kMaxPassed = 8;

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

}  // namespace

ControlSocket::ControlSocket(FileDescriptor fd) : fd_(std::move(fd)) {
#if defined(SO_NOSIGPIPE)
  const int on = 1;  // where there is no MSG_NOSIGNAL
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
}

ControlSocket ControlSocket::connect(const std::string& path) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!fd.valid()) throw Failure(codes::kUnreachable, "no socket can be made", errno);
  ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  RSM_CRASH_POINT("connect.socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Failure(codes::kUnreachable, "the socket's path is too long: " + path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw Failure(codes::kUnreachable, "no server answers at " + path, errno);
  RSM_CRASH_POINT("connect.connected");
  return ControlSocket(std::move(fd));
}

void ControlSocket::send(const Bytes& frame, const std::vector<int>& descriptors) {
  iovec io{const_cast<std::byte*>(frame.data()), frame.size()};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassed)] = {};
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
  }
  ssize_t sent;
  do sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) throw Failure(codes::kConnectionLost, "a control frame cannot be sent", errno);
  if (static_cast<std::size_t>(sent) != frame.size()) throw Failure(codes::kConnectionLost, "the peer does not read its control socket");
  RSM_CRASH_POINT("control.sent");
}

ControlSocket::Received ControlSocket::receive(std::deque<ControlFrame>& frames) {
  bool any = false;
  for (int turn = 0; turn < 16; ++turn) {  // a peer that writes without end must not keep this side from its loop
    std::byte chunk[4096];
    iovec io{chunk, sizeof chunk};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassed)];
    msghdr message{};
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return any ? Received::kSome : Received::kNothingNow;
      return Received::kEnd;
    }
    RSM_CRASH_POINT("control.read");
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        passed_.emplace_back(fd);
      }
    }
    if (message.msg_flags & MSG_CTRUNC || passed_.size() > kMaxPassed)
      throw Failure(codes::kProtocolMismatch, "the peer passed more file descriptors than a frame may carry");
    if (got == 0) return Received::kEnd;
    buffered_.insert(buffered_.end(), chunk, chunk + got);
    any = true;
    split(frames);
  }
  return Received::kSome;
}

void ControlSocket::split(std::deque<ControlFrame>& frames) {
  std::size_t at = 0;
  while (buffered_.size() - at >= kControlHeader) {
    const ControlHeader header = decodeHeader(buffered_.data() + at);
    if (buffered_.size() - at - kControlHeader < header.length) break;
    ControlFrame frame{header.kind, {}, {}};
    const auto body = buffered_.begin() + static_cast<std::ptrdiff_t>(at + kControlHeader);
    frame.body.assign(body, body + header.length);
    for (uint16_t i = 0; i < header.descriptors; ++i) {
      if (passed_.empty()) throw Failure(codes::kProtocolMismatch, "the peer's frame lacks the file descriptors it announces");
      frame.descriptors.push_back(std::move(passed_.front()));
      passed_.pop_front();
    }
    at += kControlHeader + header.length;
    frames.push_back(std::move(frame));
  }
  buffered_.erase(buffered_.begin(), buffered_.begin() + static_cast<std::ptrdiff_t>(at));
}

Credentials ControlSocket::credentials() const {
  Credentials c;
#if defined(__linux__)
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    throw Failure(codes::kPermissionDenied, "the peer's credentials cannot be read", errno);
  c.pid = peer.pid;
  c.uid = peer.uid;
  c.gid = peer.gid;
#ifdef SO_PEERGROUPS
  gid_t groups[256];
  socklen_t length = sizeof groups;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0) c.groups.assign(groups, groups + length / sizeof(gid_t));
#endif
#else
  uid_t uid;
  gid_t gid;
  if (::getpeereid(fd_.get(), &uid, &gid) != 0) throw Failure(codes::kPermissionDenied, "the peer's credentials cannot be read", errno);
  c.uid = uid;
  c.gid = gid;
#endif
  return c;
}

}  // namespace rsm
