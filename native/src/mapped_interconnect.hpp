#pragma once

#include "interconnect.hpp"
#include "region.hpp"

namespace rsm {

/// Same host: the image is the peer's region itself, mapped.
class MappedInterconnect final : public Interconnect {
 public:
  explicit MappedInterconnect(Region region) : region_(std::move(region)) {}

  std::byte* image() override { return region_.data(); }
  void written(uint64_t, uint64_t) override {}
  void announce(uint64_t offset, uint64_t body, uint64_t stamp) override;
  void store(uint64_t offset, uint64_t value) override;
  void fence() override { std::atomic_thread_fence(std::memory_order_seq_cst); }
  void discard(uint64_t offset, uint64_t length) override;
  const char* name() const override { return "mapped"; }

 private:
  Region region_;
};

}  // namespace rsm
