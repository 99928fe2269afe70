#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <csignal>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "file_descriptor.hpp"

namespace check {

/// The descriptors open in this process, without the one that looks.
inline std::set<int> openDescriptors() {
  std::set<int> open;
  DIR* folder = ::opendir("/proc/self/fd");
  for (const dirent* entry = ::readdir(folder); entry; entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(folder)) open.insert(fd);
  }
  ::closedir(folder);
  return open;
}

/// How often a region of ours is mapped in this process.
inline int mappedRegions() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:nestjs-rsm") != std::string::npos;
  return count;
}

inline bool closedOnExec(int fd) { return ::fcntl(fd, F_GETFD) & FD_CLOEXEC; }

inline rsm::FileDescriptor duplicate(int fd) { return rsm::FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

/// Runs `body` in a process of its own; its result is the exit code. Throwing there exits with 99.
inline pid_t inChild(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
#if defined(__linux__)
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is ended leaves no process behind
#endif
  int code = 99;
  try {
    code = body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "in a child process: %s\n", error.what());
  }
  ::_exit(code);
}

/// The wait status of a child that ended.
inline int statusOf(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}
inline int exitCodeOf(pid_t child) {
  const int status = statusOf(child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A folder that goes with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/rsm-test-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryFolder() {
    for (const std::string& file : files()) ::unlink((path_ + "/" + file).c_str());
    ::rmdir(path_.c_str());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::set<std::string> files() const {
    std::set<std::string> found;
    DIR* folder = ::opendir(path_.c_str());
    for (const dirent* entry = ::readdir(folder); entry; entry = ::readdir(folder))
      if (std::string(entry->d_name) != "." && std::string(entry->d_name) != "..") found.insert(entry->d_name);
    ::closedir(folder);
    return found;
  }

 private:
  std::string path_;
};

}  // namespace check
