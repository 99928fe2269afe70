#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connection.hpp"
#include "listening_socket.hpp"
#include "loop.hpp"
#include "polling_window.hpp"
#include "segment_manager.hpp"
#include "segment_tables.hpp"
#include "wake_check.hpp"

namespace rsm {

struct EndpointOptions {
  bool listener = false;
  std::string service;
  std::string identity;
  std::vector<SegmentGeometry> receive;
  uint64_t maxMessageSize = 0;
  uint32_t maxConnections = 0;
  uint64_t maxMemory = 0;
  std::vector<uint32_t> allowUids;
  std::vector<uint32_t> allowGids;
  uint64_t handshakeTimeout = 0;  ///< milliseconds
  uint32_t maxHandshakes = 0;
  int64_t pollingWindow = -1;  ///< microseconds, see PollingWindow
  uint32_t eventCredit = 0;
  uint32_t requestCredit = 0;
  uint64_t ownFrom = UINT64_MAX;  ///< messages of so many bytes are delivered in memory of their own
};

/// Where one batch of messages is delivered: memory of the layer above, written by the endpoint.
struct BatchSpace {
  static constexpr uint32_t kRows = 256;
  static constexpr uint32_t kRowWords = 8;
  uint32_t* rows = nullptr;
  std::byte* arena = nullptr;
  std::size_t arenaSize = 0;
};

/// Messages that lie one after another: no header, lengths[i] bytes each.
struct PackedMessages {
  const std::byte* bytes = nullptr;
  const uint32_t* lengths = nullptr;
  uint32_t count = 0;
};

struct BatchResult {
  SendStatus status;   ///< of the first one that was not committed; kCommitted where all were
  uint32_t committed;
};

struct Report {
  uint32_t connection;
  ReleasedMessage message;
};

/// What the layer above hears. Called from the loop only; may call any method of the endpoint, destroy() included.
class EndpointObserver {
 public:
  virtual ~EndpointObserver() = default;
  virtual BatchSpace batchSpace() = 0;
  /// A space whose arena has at least `size` bytes.
  virtual BatchSpace growArena(std::size_t size) = 0;
  /// Empty, with room for `size` bytes: comes back filled in `owned`.
  virtual Bytes ownMemory(std::size_t size) = 0;
  /// `count` rows are filled; row: connection, delivery, lane, attempt, offset, length, owned (index + 1 into `owned`), deferred (1: only the first
  /// kPeek bytes were copied, see load()).
  virtual void onMessages(uint32_t count, std::vector<Bytes>& owned) = 0;
  virtual void onConnection(uint32_t connection, const Peer& peer) = 0;
  virtual void onWritable(uint32_t connection) = 0;
  virtual void onReleases(std::vector<Report>& reports) = 0;
  virtual void onNotice(uint32_t connection, uint32_t code) = 0;
  virtual void onHangup(uint32_t connection) = 0;
  virtual void onClosed(uint32_t connection, const char* code, const std::string& reason, std::vector<UnfinishedMessage>& unfinished) = 0;
  /// A loan of a connection was given back because nobody could have ended it any more.
  virtual void onLoanLost(uint32_t connection) = 0;
  /// The settlements that the layer above has written down since: it calls settle() for each.
  virtual void takeOutbox() = 0;
};

struct Counters {
  uint64_t messagesSent = 0;
  uint64_t messagesReceived = 0;
  uint64_t bytesSent = 0;
  uint64_t bytesReceived = 0;
  uint64_t waits = 0;   ///< sends that found no room
  uint64_t doorbellsRung = 0;
  uint64_t wakes = 0;   ///< bells heard
  uint64_t polls = 0;   ///< turns
  uint64_t sleeps = 0;
  uint64_t refused = 0; ///< handshakes refused or timed out
#if defined(RSM_WAKE_CHECKS)
  uint64_t wakeChecks = 0;   ///< see WakeCheck
  uint64_t missedWakes = 0;
#endif
};

/// A server's or a client's end of all its connections: accepts or connects, forms segment groups, polls what is active, delivers in
/// batches, takes settlements, sleeps and is rung. Everything happens on one thread.
class Endpoint {
 public:
  static constexpr uint32_t kNoDelivery = 0xffffffffu;
  static constexpr uint32_t kReleaseOnly = 16;
  static constexpr uint32_t kFinishOnly = 32;
  /// What is copied at once of a message whose copy is deferred.
  static constexpr uint32_t kPeek = 2048;
  /// Loans at once; further ones are kUnable.
  static constexpr uint32_t kMaxLoans = 4096;

  struct LendResult {
    LendStatus status;
    uint64_t number = 0;  ///< of the loan, from 1; never used again
  };
  /// What a loan's bytes stand in. The memory stays mapped for as long as `keeper` is held.
  struct LentMemory {
    std::byte* data = nullptr;
    std::shared_ptr<SourceChannel> keeper;
  };
  /// A delivered message in its partitions, to be read and written in place. The memory stays mapped for as long as `keeper` is held.
  struct View {
    std::byte* data = nullptr;
    uint32_t length = 0;
    std::shared_ptr<TargetChannel> keeper;
  };

  /// Throws RSM_INVALID_OPTIONS for a geometry that cannot be.
  Endpoint(EndpointOptions options, Loop& loop, EndpointObserver& observer);
  ~Endpoint();

  void listen(const std::string& path, std::optional<uint32_t> gid);
  void stopListening();
  uint32_t connect(const std::string& path);

  /// kNoRoom: onWritable() follows. Throws RSM_CONNECTION_LOST.
  SendResult send(uint32_t connection, const MessageParts& message, const SendOptions& options);
  /// Messages one after another, as far as there is room: one look at the sleeping receiver for all of them. Throws like send().
  BatchResult sendBatch(uint32_t connection, const PackedMessages& messages, const SendOptions& options);
  /// Takes one settlement: an outcome (release and give the credit back), kReleaseOnly | outcome, or kFinishOnly.
  void settle(uint32_t delivery, uint32_t operation);
  void start(uint32_t delivery, bool started);

  // endpoint_loans.cc
  /// Partitions for a message of up to `length` bytes, to be filled in place. kNoRoom: onWritable() follows. Throws RSM_CONNECTION_LOST.
  LendResult lend(uint32_t connection, uint64_t length);
  /// Empty for a loan that has ended.
  LentMemory lent(uint64_t loan) const;
  /// Commits the first `length` bytes of a loan, which ends it. kNoRoom: not now. Throws RSM_CONNECTION_LOST where its connection has ended; the loan stays then.
  SendResult commitLoan(uint64_t loan, uint64_t length, const SendOptions& options);
  /// Frees the partitions of a loan. One that has ended is passed over. `lost`: nobody can end it any more; onLoanLost() follows.
  void returnLoan(uint64_t loan, bool lost = false);
  /// Messages of lanes 1 and 2 with at least `bytes` bytes (at least kPeek) in one span are delivered without their copy; UINT32_MAX: none.
  void deferCopies(uint32_t bytes) { deferFrom_ = std::max(bytes, kPeek); }
  /// Completes the copy of a deferred message into the arena at `to`; false where the delivery is over.
  bool load(uint32_t delivery, std::byte* to) const;
  /// Copies a whole deferred message into memory of its own. Nothing where it is shorter than `ownFrom`, or the delivery is over.
  std::optional<Bytes> loadOwn(uint32_t delivery) const;
  /// Empty where the delivery is over, was released, or its message is not in one span.
  View view(uint32_t delivery);

  /// A turn of the loop comes soon.
  void schedule();
  /// Takes the outbox and rings whoever waits for it.
  void flush();
  void returnUnstarted();
  void notice(uint32_t code);
  uint64_t inFlight(uint32_t connection);
  /// The longest message that one span carries; 0 before segments are formed.
  uint64_t largestSpan(uint32_t connection) const;
  /// Fragments of a longer one are still to be committed; onWritable() follows.
  bool sending(uint32_t connection) const;
  void close(uint32_t connection);
  void destroy();
  void trim();

  const SegmentTable& segmentTable() const { return segmentTable_; }
  const SegmentGroupTable& groupTable() const { return groupTable_; }
  const Connection* find(uint32_t connection) const;
  Counters counters() const;
  uint64_t reservedBytes() const { return reserved_; }
  uint32_t connections() const { return live_; }

 private:
  struct Loan {
    uint64_t number = 0;  ///< 0: none
    uint32_t connection = 0;
    Room room{};
    std::shared_ptr<SourceChannel> source;
  };
  struct Delivery {
    uint32_t connection;
    Reference reference;
    bool released;
    bool finished;
  };

  // endpoint.cc: turns, sleeping and waking
  Connection* get(uint32_t id) { return id < slots_.size() ? slots_[id].get() : nullptr; }
  void turn();
  /// Copies, commits and counts; the receiver does not hear of it before announce().
  SendResult commit(Connection& c, const MessageParts& message, const SendOptions& options);
  void announce(Connection& c, bool watched);
  std::size_t poll(Connection& c);
  /// Takes what the peer released; what is to be heard of waits for reportReleases(). Returns how many records were read.
  std::size_t takeReleases(Connection& c);
  void activate(Connection& c);
  void committed(Connection& c, uint64_t length, bool watched);
  Connection& sendable(uint32_t connection);
  void enqueue(Connection& c);
  void reportReleases();
  void reportRoom();
  void decideSleep(uint64_t began, std::size_t work);
  bool trySleep();
  void startPolling();
  void bellHeard(uint32_t id);
#if defined(RSM_WAKE_CHECKS)
  void scheduleWakeCheck();
#endif

  // endpoint_loans.cc
  /// Null for one that has ended.
  const Loan* findLoan(uint64_t number) const;
  void endLoan(uint64_t number);
  void reportLostLoans();
  /// Null where the delivery is over.
  const std::byte* heldPayload(uint32_t delivery) const;

  // endpoint_delivery.cc: batches, assembly, releases
  int nextLane(const Connection& c) const;
  uint32_t fillBatch(std::vector<Bytes>& owned, bool& more);
  bool assemble(Connection& c, const Reference& reference, uint32_t lane);
  uint32_t deliver(Connection& c, const Reference& reference);
  void releaseNow(Connection& c, const Reference& reference, layout::Outcome outcome);
  void giveBack(Connection& c);
  void flushReleases();

  // endpoint_control.cc: sockets, handshake, notices
  Connection& add(ControlSocket socket);
  void acceptAll();
  /// Keeps to maxConnections and maxHandshakes: whoever has not greeted goes, the oldest first; the newcomer if all others have. False if this
  /// endpoint no longer accepts.
  bool makeRoomFor(uint32_t newcomer);
  bool endOldestGreeting();
  void forgetGreeting(uint32_t id);
  void watchControl(Connection& c);
  void controlReadable(uint32_t id);
  void handle(Connection& c, ControlFrame& frame);
  void greeted(Connection& c, const Greeting& hello);
  void welcomed(Connection& c, const Greeting& welcome);
  Greeting greeting() const;
  static void introduce(Connection& c, const Greeting& greeting);
  void checkPeer(const Credentials& credentials) const;
  void awaitGreeting(Connection& c);
  void watchGreetings();
  void greetingsTick();
  void acceptAgain();

  // endpoint_forming.cc: METHOD M7
  void beginForming(Connection& c);
  void registered(Connection& c, ControlFrame& frame);
  void obtained(Connection& c);
  void formed(Connection& c, ControlFrame& frame);
  DescribedTarget allocateTarget(Connection& c, Region& target, Region& release);
  void formImage(Connection& c, const DescribedTarget& theirs, std::vector<FileDescriptor>& descriptors, Region ownTarget, Region ownRelease);
  void enterTables(Connection& c);
  void reserve(Connection& c, uint64_t bytes);

  // endpoint_ending.cc: refused, closed, hung up on
  void refuse(Connection& c, const char* code, const std::string& text);
  void hangUp(Connection& c);
  void fail(Connection& c, const char* code, const std::string& reason);
  void end(Connection& c, const char* code, const std::string& reason);
  void closeControl(Connection& c);
  void finishEnded();
  void drop(Connection& c);

  EndpointOptions options_;
  ChannelLayout receiveLayout_;
  Loop& loop_;
  EndpointObserver& observer_;
  PollingWindow window_;
  SegmentManager manager_;
  SegmentTable segmentTable_;
  SegmentGroupTable groupTable_;
  std::unique_ptr<ListeningSocket> listening_;
  bool acceptPaused_ = false;
  bool greetingsWatched_ = false;

  std::vector<std::unique_ptr<Connection>> slots_;
  std::vector<uint32_t> freeSlots_;
  std::vector<uint32_t> active_;
  std::vector<uint32_t> pending_;   ///< with references to deliver
  std::vector<uint32_t> ending_;
  std::vector<uint32_t> flushList_;
  std::vector<uint32_t> roomList_;
  std::deque<uint32_t> greetings_;  ///< handshakes under way, in the order in which they began
  uint32_t greeted_ = 0;            ///< listener: connections whose handshake is complete, until they are reported closed
  std::vector<Report> reports_;
  std::vector<ReleasedMessage> released_;
  std::vector<Delivery> deliveries_;
  std::vector<uint32_t> freeDeliveries_;
  std::size_t nextPending_ = 0;
  std::vector<Loan> loans_;
  std::vector<uint32_t> freeLoans_;
  std::vector<uint32_t> lostLoans_;  ///< their connections
  uint64_t loansEver_ = 0;
  uint32_t deferFrom_ = UINT32_MAX;

  uint32_t eventCredit_;
  uint64_t incarnation_;
  uint64_t reserved_ = 0;
  uint32_t live_ = 0;
  bool returning_ = false;
  bool polling_ = false;
  bool sent_ = false;
  bool inTurn_ = false;
  bool destroyed_ = false;
  uint64_t lastWork_ = 0;
  uint64_t lastTurn_ = 0;
  uint64_t sleptAt_ = 0;
  long switches_ = 0;
  Counters counters_;
#if defined(RSM_WAKE_CHECKS)
  WakeCheck wakeCheck_;
#endif
};

}  // namespace rsm
