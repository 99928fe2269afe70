#pragma once

#include <cstddef>
#include <cstdint>

#include "file_descriptor.hpp"

namespace rsm {

/// A block of memory that two processes share. Anonymous (no name in any file system), of a size that is sealed: nobody can
/// truncate it under a reader.
class Region {
 public:
  Region() = default;
  /// Allocates `size` bytes (a multiple of the page size), zero-filled, touched on use, and maps them read-only: the owner of a
  /// region only reads it. fd() is what the peer needs to write.
  static Region allocate(uint64_t size);
  /// Maps a peer's region for writing, after checking its size and its seals. The descriptor is closed.
  /// Throws RSM_CORRUPT_SEGMENT.
  static Region adopt(FileDescriptor fd, uint64_t size);

  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  ~Region();

  /// Lets the owner write from `offset` (a multiple of the page size) on, for views that are handed out: what JavaScript gets cannot be read-only.
  void allowWrites(uint64_t offset);

  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }
  int fd() const { return fd_.get(); }
  /// The descriptor was passed to the peer and is not needed any more.
  void closeDescriptor() { fd_.reset(); }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  Region(FileDescriptor fd, uint64_t size, bool writable);
  void unmap();

  FileDescriptor fd_;
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace rsm
