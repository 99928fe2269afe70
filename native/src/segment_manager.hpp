#pragma once

#include <map>
#include <utility>

#include "control_message.hpp"
#include "segment_tables.hpp"

namespace rsm {

/// The remote shared memory manager. A receiver registers the descriptors of its target segments here; the sender obtains them
/// to form its images. Hosted by each server process, which clients reach over their control sockets: they register the targets of
/// their replies and obtain the targets of their requests.
class SegmentManager {
 public:
  /// Which way the messages of the described channel go, as the hosting process sees it.
  void registerTarget(uint32_t connection, Direction direction, DescribedTarget target) {
    targets_.insert_or_assign({connection, direction}, std::move(target));
  }
  /// nullptr if it was not registered.
  const DescribedTarget* obtain(uint32_t connection, Direction direction) const {
    const auto found = targets_.find({connection, direction});
    return found == targets_.end() ? nullptr : &found->second;
  }
  void removeConnection(uint32_t connection) {
    std::erase_if(targets_, [&](const auto& item) { return item.first.first == connection; });
  }
  std::size_t registered() const { return targets_.size(); }

 private:
  std::map<std::pair<uint32_t, Direction>, DescribedTarget> targets_;
};

}  // namespace rsm
