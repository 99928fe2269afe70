#include "mapped_interconnect.hpp"

#include <sys/mman.h>

#include "crash_point.hpp"
#include "layout.hpp"

namespace rsm {
namespace {

std::atomic<uint64_t>& wordAt(std::byte* base, uint64_t offset) { return *reinterpret_cast<std::atomic<uint64_t>*>(base + offset); }

}  // namespace

void MappedInterconnect::announce(uint64_t offset, uint64_t body, uint64_t stamp) {
  wordAt(region_.data(), offset).store(body, std::memory_order_relaxed);
  RSM_CRASH_POINT("announce.body");
  wordAt(region_.data(), offset + 8).store(stamp, std::memory_order_release);  // [A] of an order slot, [B] of a release record
  RSM_CRASH_POINT("announce.stamp");
}

void MappedInterconnect::store(uint64_t offset, uint64_t value) {
  wordAt(region_.data(), offset).store(value, std::memory_order_release);  // [C], [D], [E]
}

void MappedInterconnect::discard(uint64_t offset, uint64_t length) {
#if defined(__linux__)
  const uint64_t from = (offset + layout::kPage - 1) / layout::kPage * layout::kPage;
  const uint64_t to = (offset + length) / layout::kPage * layout::kPage;
  if (to > from) ::madvise(region_.data() + from, to - from, MADV_REMOVE);  // a refusal costs memory only
  RSM_CRASH_POINT("discard");
#else
  (void)offset;
  (void)length;
#endif
}

}  // namespace rsm
