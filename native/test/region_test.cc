#include "region.hpp"

#include <sys/mman.h>
#include <sys/resource.h>

#include <csignal>

#include "failure.hpp"
#include "mapped_interconnect.hpp"
#include "process_state.hpp"
#include "seeds.hpp"

using rsm::Failure;
using rsm::FileDescriptor;
using rsm::Region;

namespace {

constexpr uint64_t kSize = 8192;

FileDescriptor memory(int seals, uint64_t size = kSize) {
  FileDescriptor fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  CHECK_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  if (seals) CHECK_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

bool refused(FileDescriptor fd, uint64_t size, const std::string& says) {
  return check::throws<Failure>([&] { Region::adopt(std::move(fd), size); }, [&](const Failure& f) {
    return f.code() == std::string(rsm::codes::kCorruptSegment) && std::string(f.what()).find(says) != std::string::npos;
  });
}

}  // namespace

TEST("M6: what the sender writes into its image stands in the target's memory") {
  Region target = Region::allocate(kSize);
  rsm::MappedInterconnect image(Region::adopt(check::duplicate(target.fd()), kSize));
  for (uint64_t i = 0; i < kSize; ++i) CHECK_EQ(target.data()[i] == std::byte{0}, true);
  for (uint64_t i = 0; i < kSize; ++i) image.image()[i] = std::byte(i * 7);
  for (uint64_t i = 0; i < kSize; ++i)
    if (target.data()[i] != std::byte(i * 7)) return check::fail(__FILE__, __LINE__, "byte " + std::to_string(i) + " differs");
  CHECK_EQ(std::string(image.name()), "mapped");
}

TEST("M6: pages that hold nothing any more go back to the system, and read as zero") {
  Region target = Region::allocate(4 * 4096);
  rsm::MappedInterconnect image(Region::adopt(check::duplicate(target.fd()), 4 * 4096));
  for (int i = 0; i < 4 * 4096; ++i) image.image()[i] = std::byte{1};
  image.discard(4000, 9000);  // whole pages only: the second and the third
  for (int i = 0; i < 4 * 4096; ++i) {
    const bool gone = i >= 4096 && i < 3 * 4096;
    if (target.data()[i] != std::byte(gone ? 0 : 1)) return check::fail(__FILE__, __LINE__, "byte " + std::to_string(i) + " is wrong");
  }
}

TEST("a region's size is sealed: its owner's peer cannot truncate it") {
  Region region = Region::allocate(kSize);
  const int seals = ::fcntl(region.fd(), F_GET_SEALS);
  CHECK_EQ(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  CHECK_EQ(::ftruncate(region.fd(), 4096), -1);
  CHECK_EQ(::ftruncate(region.fd(), 2 * kSize), -1);
  CHECK_EQ(::fcntl(region.fd(), F_ADD_SEALS, F_SEAL_WRITE), -1);
}

TEST("a peer's region is refused when its seals or its size are not what was agreed") {
  const auto before = check::openDescriptors();
  CHECK(refused(memory(0), kSize, "not sealed"));
  CHECK(refused(memory(F_SEAL_SHRINK), kSize, "not sealed"));
  CHECK(refused(memory(F_SEAL_GROW), kSize, "not sealed"));
  CHECK(refused(memory(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), kSize, "cannot be written"));
  CHECK(refused(memory(F_SEAL_SHRINK | F_SEAL_GROW), kSize * 2, "8192"));
  CHECK(refused(memory(F_SEAL_SHRINK | F_SEAL_GROW, 4096), kSize, "4096"));
  int ends[2];
  CHECK_EQ(::pipe2(ends, O_CLOEXEC), 0);
  FileDescriptor other(ends[1]);
  CHECK(refused(FileDescriptor(ends[0]), kSize, "0 bytes"));
  CHECK(refused(FileDescriptor(), kSize, "0 bytes"));
  other.reset();
  FileDescriptor readOnly(::open(("/proc/self/fd/" + std::to_string(memory(0).get())).c_str(), O_RDONLY));
  CHECK_EQ(check::openDescriptors().size(), before.size() + (readOnly.valid() ? 1 : 0));
}

TEST("a region that was passed read-only cannot be adopted") {
  Region region = Region::allocate(kSize);
  FileDescriptor readOnly(::open(("/proc/self/fd/" + std::to_string(region.fd())).c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(readOnly.valid());
  CHECK_THROWS(Failure, Region::adopt(std::move(readOnly), kSize));
}

TEST("the owner of a region only reads it: a write there ends the process") {
  Region region = Region::allocate(kSize);
  const pid_t child = check::inChild([&] {
    ::signal(SIGSEGV, SIG_DFL);
    *const_cast<volatile std::byte*>(region.data()) = std::byte{1};
    return 0;
  });
  const int status = check::statusOf(child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  CHECK(region.data()[0] == std::byte{0});
}

TEST("a region's descriptors close on exec, and nothing of it is left open or mapped") {
  const auto descriptors = check::openDescriptors();
  const int mapped = check::mappedRegions();
  {
    Region region = Region::allocate(kSize);
    CHECK(check::closedOnExec(region.fd()));
    Region image = Region::adopt(check::duplicate(region.fd()), kSize);
    CHECK_EQ(image.fd(), -1);  // closed once mapped
    CHECK_EQ(check::openDescriptors().size(), descriptors.size() + 1);
    region.closeDescriptor();
    CHECK(check::openDescriptors() == descriptors);
    CHECK_EQ(check::mappedRegions(), mapped + 2);
    Region moved = std::move(region);
    CHECK(!region && moved);
    moved = Region::allocate(4096);
    CHECK_EQ(check::mappedRegions(), mapped + 2);
  }
  CHECK(check::openDescriptors() == descriptors);
  CHECK_EQ(check::mappedRegions(), mapped);
}

TEST("a region that the system has no room for is a failure that leaves nothing behind") {
  const auto descriptors = check::openDescriptors();
  CHECK_THROWS(Failure, Region::allocate(uint64_t{1} << 62));
  CHECK(check::openDescriptors() == descriptors);
}

TEST("running out of descriptors or memory has a code of its own, and says what to raise") {
  const auto codeUnder = [](auto resource, rlim_t limit, const char* advice) {
    return check::exitCodeOf(check::inChild([&] {
      ::signal(SIGXFSZ, SIG_IGN);  // as Node.js has it
      const rlimit tight{limit, limit};
      ::setrlimit(resource, &tight);
      try {
        rsm::Region::allocate(1 << 20);
      } catch (const rsm::Failure& failure) {
        const bool advises = std::string(failure.what()).find(advice) != std::string::npos;
        return failure.code() == std::string(rsm::codes::kOutOfResources) && advises ? 0 : 1;
      }
      return 2;
    }));
  };
  CHECK_EQ(codeUnder(RLIMIT_NOFILE, 3, "ulimit -n"), 0);
  CHECK_EQ(codeUnder(RLIMIT_FSIZE, 4096, "ulimit -f"), 0);
}

TEST("a region is made writable from the page on in which the bytes begin") {
  Region target = Region::allocate(kSize);
  target.allowWrites(4096 + 64);
  const_cast<std::byte*>(target.data())[4096] = std::byte{7};
  CHECK_EQ(target.data()[4096] == std::byte{7}, true);
}
