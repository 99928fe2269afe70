#include "region.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <utility>

#include "crash_point.hpp"
#include "failure.hpp"

#if defined(__linux__) && !defined(MFD_NOEXEC_SEAL)
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace rsm {
namespace {

#if defined(__linux__)

constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

FileDescriptor allocateFile(uint64_t size) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  FileDescriptor fd(::memfd_create("nestjs-rsm", flags | MFD_NOEXEC_SEAL));
  if (!fd.valid() && errno == EINVAL) fd.reset(::memfd_create("nestjs-rsm", flags));  // kernels before 6.3
  if (!fd.valid()) throw systemFailure(codes::kUnsupportedPlatform, "memfd_create refused a region of " + std::to_string(size) + " bytes", errno);
  RSM_CRASH_POINT("region.created");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0)
    throw systemFailure(codes::kUnsupportedPlatform, "a region of " + std::to_string(size) + " bytes cannot be allocated", errno);
  RSM_CRASH_POINT("region.sized");
  if (::fcntl(fd.get(), F_ADD_SEALS, kSizeSeals | F_SEAL_SEAL) != 0)
    throw systemFailure(codes::kUnsupportedPlatform, "the size of a region cannot be sealed", errno);
  RSM_CRASH_POINT("region.sealed");
  return fd;
}

void checkSealed(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSizeSeals) != kSizeSeals)
    throw Failure(codes::kCorruptSegment, "the peer passed a region whose size is not sealed");
  if (seals & F_SEAL_WRITE) throw Failure(codes::kCorruptSegment, "the peer passed a region that cannot be written");
}

#else  // macOS: compiled from source there, untested

FileDescriptor allocateFile(uint64_t size) {
  static std::atomic<unsigned> count{0};
  const std::string name = "/rsm" + std::to_string(::getpid()) + "." + std::to_string(count++);
  FileDescriptor fd(::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  if (!fd.valid()) throw systemFailure(codes::kUnsupportedPlatform, "shm_open refused a region", errno);
  ::shm_unlink(name.c_str());
  ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0)
    throw systemFailure(codes::kUnsupportedPlatform, "a region of " + std::to_string(size) + " bytes cannot be allocated", errno);
  return fd;
}

void checkSealed(int) {}  // POSIX shared memory there can be sized only once

#endif

}  // namespace

Region::Region(FileDescriptor fd, uint64_t size, bool writable) : fd_(std::move(fd)), size_(size) {
  void* address = ::mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd_.get(), 0);
  if (address == MAP_FAILED)
    throw systemFailure(codes::kUnsupportedPlatform, "a region of " + std::to_string(size) + " bytes cannot be mapped", errno);
  data_ = static_cast<std::byte*>(address);
  RSM_CRASH_POINT("region.mapped");
}

Region Region::allocate(uint64_t size) { return Region(allocateFile(size), size, false); }

Region Region::adopt(FileDescriptor fd, uint64_t size) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || static_cast<uint64_t>(status.st_size) != size)
    throw Failure(codes::kCorruptSegment, "the peer passed a region of " + std::to_string(status.st_size) + " bytes where " +
                                              std::to_string(size) + " were agreed");
  checkSealed(fd.get());
  Region region(std::move(fd), size, true);
  region.closeDescriptor();
  RSM_CRASH_POINT("region.adopted");
  return region;
}

Region::Region(Region&& other) noexcept
    : fd_(std::move(other.fd_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Region& Region::operator=(Region&& other) noexcept {
  if (this != &other) {
    unmap();
    fd_ = std::move(other.fd_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Region::allowWrites(uint64_t offset) {
  offset -= offset % static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));  // pages are larger than 4 KiB on some machines
  if (::mprotect(data_ + offset, size_ - offset, PROT_READ | PROT_WRITE) != 0)
    throw Failure(codes::kUnsupportedPlatform, "a region cannot be made writable for views", errno);
}

Region::~Region() { unmap(); }

void Region::unmap() {
  if (data_) {
    ::munmap(data_, size_);
    RSM_CRASH_POINT("region.unmapped");
  }
  data_ = nullptr;
}

}  // namespace rsm
