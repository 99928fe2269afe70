#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "channel_layout.hpp"
#include "group_selection.hpp"
#include "interconnect.hpp"
#include "region.hpp"
#include "source_directory.hpp"

namespace rsm {

/// A message to send: header and payload are joined. Borrowed for the duration of the call.
struct MessageParts {
  const std::byte* header = nullptr;
  std::size_t headerLength = 0;
  const std::byte* payload = nullptr;
  std::size_t payloadLength = 0;

  uint64_t length() const { return uint64_t{headerLength} + payloadLength; }
  /// Copies bytes [from, from + count) of the joined message.
  void copy(uint64_t from, uint64_t count, std::byte* to) const;
};

struct SendOptions {
  uint8_t lane = 0;
  uint16_t attempt = 1;
  bool watched = false;
};

enum class SendStatus { kCommitted, kNoRoom, kTooLarge };

struct SendResult {
  SendStatus status;
  uint64_t sequence = 0;
};

/// Contiguous partitions of one group.
struct Room {
  uint32_t group;
  uint32_t first;
  uint32_t count;
};

/// kUnable: waiting would not help, for what is asked exceeds the largest span, or only other loans are in the way.
enum class LendStatus { kLent, kNoRoom, kTooLarge, kUnable };

/// What became of a message that was watched, or that did not end `done`.
struct ReleasedMessage {
  uint64_t sequence;
  layout::Outcome outcome;
  uint8_t lane;
  uint16_t attempt;
  std::vector<std::byte> bytes;  ///< of `nack` and `returned` ones: the whole message, so that it can be sent again
};

/// A committed message that the receiver has not released when the channel ends.
struct UnfinishedMessage {
  uint64_t sequence;
  uint8_t lane;
  uint16_t attempt;
  bool started;
  std::vector<std::byte> bytes;
};

/// The sender's end of a channel: copies messages into contiguous partitions of a segment group, commits them in order, and frees
/// the partitions that the receiver has released. One thread; no lock, no system call.
class SourceChannel {
 public:
  /// `toTarget` carries stores into the target region; `releases` is the release region, owned here and written by the receiver.
  SourceChannel(ChannelLayout layout, std::unique_ptr<Interconnect> toTarget, Region releases, uint64_t maxMessageSize);

  /// Copies and commits a message. kNoRoom: nothing was taken, try again after takeReleases(). A message longer than the largest
  /// span is taken whole: its fragments leave as room appears (pump()); until then everything else is kNoRoom.
  SendResult send(const MessageParts& message, const SendOptions& options);

  /// Frees what the receiver released; appends reportable ones to `out`. Returns how many records were read. A record
  /// that names what is not in flight makes it stop with corrupt() set.
  std::size_t takeReleases(std::vector<ReleasedMessage>& out);

  /// Commits further fragments of the message in hand. True if anything was committed.
  bool pump();
  /// Fragments are still to be committed.
  bool sending() const { return fragmented_ != nullptr; }

  // source_loans.cc: partitions that are filled in place. A loan has no sequence before it is committed.
  /// Takes partitions for a message of up to `length` bytes. They stay taken until commitLoan() or returnLoan().
  LendStatus lend(uint64_t length, Room& room);
  /// Commits the first `length` bytes of what was lent as a message, and frees the partitions it does not reach. kNoRoom: fragments of
  /// another message are leaving, between which nothing may come; the loan stays.
  SendResult commitLoan(const Room& room, uint64_t length, const SendOptions& options);
  void returnLoan(const Room& room);
  /// The lent partitions themselves.
  std::byte* lent(const Room& room) const { return partition(room.group, room.first); }
  /// Nothing is in flight and nothing is lent: every partition is free.
  bool idle() const { return inFlight_ == 0 && lent_ == 0; }

  /// After commits: true if the receiver sleeps and must be rung. Each sleep is rung once. [C]
  bool receiverWantsBell();

  /// Announces that this side waits for releases. True if none came meanwhile, so that it may sleep. [D]
  bool armForReleases();
  void disarm();

  bool releasesPending() const;
  /// The number of the release that is read next, from 0.
  uint64_t nextRelease() const { return nextRelease_; }
  uint64_t inFlight() const { return inFlight_; }
  /// Of those, how many are to be reported when released.
  uint64_t watched() const { return watched_; }
  /// Why the receiver must not be trusted any more; empty if it may.
  const std::string& corrupt() const { return corrupt_; }

  /// Copies of all unreleased messages in order of commit, for a channel that has ended.
  std::vector<UnfinishedMessage> unfinished() const;

  /// Gives unused pages back if nothing is in flight. True if it did.
  bool trim();

  const ChannelLayout& layout() const { return layout_; }
  const SourceDirectory& directory() const { return directory_; }
  const char* interconnect() const { return toTarget_->name(); }
  uint64_t privateBytes() const { return privateBytes_; }

 private:
  /// A message longer than the largest span, kept until its last fragment's record brings the outcome.
  struct Fragmented {
    std::vector<std::byte> bytes;
    uint64_t committed = 0;
    uint64_t firstSequence = 0;  ///< of its first fragment: names the message on this side
    uint64_t lastSequence = 0;   ///< of its last fragment: that one's record brings the outcome; 0 until it is committed
    SendOptions options;
  };

  bool findRoom(uint64_t length, Room& room);
  /// An empty `message`: the bytes stand in their partitions already.
  uint64_t commit(const MessageParts& message, uint64_t from, uint64_t length, const Room& room, uint8_t mark, const SendOptions& options);
  void writeEntries(const Room& room, uint64_t length, uint8_t mark, const SendOptions& options);
  std::vector<std::byte> bytesOf(const InFlight& row, uint32_t cell) const;
  std::byte* partition(uint32_t group, uint32_t first) const;
  Fragmented* fragmentedBy(uint64_t lastSequence) const;
  void forget(const Fragmented* message);
  const layout::ReleaseRecord& record(uint64_t number) const;

  ChannelLayout layout_;
  std::unique_ptr<Interconnect> toTarget_;
  Region releases_;
  SourceDirectory directory_;
  GroupSelection selection_;
  uint64_t maxMessageSize_;
  uint64_t largestSpan_;
  uint64_t nextSequence_ = 1;
  uint64_t nextRelease_ = 0;
  uint64_t inFlight_ = 0;
  uint64_t watched_ = 0;
  uint64_t lent_ = 0;  ///< partitions
  uint32_t waitGeneration_ = 0;
  bool armed_ = false;
  uint32_t rungGeneration_ = 0;  ///< the receiver's last sleep that was rung
  uint64_t privateBytes_ = 0;
  bool touched_ = false;
  Fragmented* fragmented_ = nullptr;  ///< the one whose fragments are leaving
  std::deque<std::unique_ptr<Fragmented>> kept_;
  std::string corrupt_;
};

}  // namespace rsm
