// A server's endpoint with a peer that breaks every rule: over the control socket, in both regions of both channels, and while the
// endpoint delivers and assembles. Whatever it does, what is delivered lies in bounds, credit and memory limits hold, and when it is
// gone nothing is left of it.
#include <fcntl.h>

#include <string>

#include "endpoint_node.hpp"
#include "endpoint_steps.hpp"
#include "failure.hpp"
#include "hostile_peer.hpp"

namespace {

using fuzz::EndpointStep;
using fuzz::Input;
using fuzz::kMaxMessage;
using fuzz::Peer;
using fuzz::setWord;
namespace layout = rsm::layout;

constexpr uint32_t kCredit = 4;
constexpr uint64_t kMaxMemory = 400'000;

rsm::EndpointOptions serverOptions() {
  rsm::EndpointOptions o = check::endpointOptions(true);
  o.receive = fuzz::kServerGeometry;
  o.maxMessageSize = kMaxMessage;
  o.maxMemory = kMaxMemory;
  o.maxConnections = 3;
  o.handshakeTimeout = 50;
  o.eventCredit = o.requestCredit = kCredit;
  o.pollingWindow = 100;  // the adaptive one asks the system how busy it is: an input would not do the same twice
  return o;
}

/// Changes a word between two loads of the server, wherever they are.
class Between final : public fuzz::LoadObserver {
 public:
  Between() { fuzz::loadObserver = this; }
  ~Between() override { fuzz::loadObserver = nullptr; }
  void before(const void*) override {}
  void after(const void*, uint64_t) override {
    while (!planned_.empty()) {
      if (planned_.front().after-- > 0) return;
      planned_.front().change();
      planned_.pop_front();
    }
  }
  void plan(uint32_t loads, std::function<void()> change) {
    if (planned_.size() < 32) planned_.push_back({loads, std::move(change)});
  }
  void clear() { planned_.clear(); }

 private:
  struct Change {
    uint32_t after;
    std::function<void()> change;
  };
  std::deque<Change> planned_;
};

struct Harness {
  check::TemporaryFolder folder;
  check::Node server;
  std::optional<Peer> peer;
  Between between;
  std::vector<uint32_t> deliveries;  ///< told to JavaScript, not settled yet
  std::size_t seen = 0;
  std::size_t gone = 0;
  bool returning = false;

  Harness() : server(serverOptions()) {
    server.said.settleWith = 0;
    server.endpoint.listen(path(), std::nullopt);
    peer.emplace(path());
    server.loop.iterate();
  }
  std::string path() const { return folder.path() + "/s"; }

  void check() {
    auto& messages = server.said.messages;
    for (; seen < messages.size(); ++seen) {
      const auto& m = messages[seen];
      REQUIRE(m.lane < rsm::kLanes && m.bytes.size() <= kMaxMessage);
      if (m.delivery != rsm::Endpoint::kNoDelivery) deliveries.push_back(m.delivery);
    }
    REQUIRE(deliveries.size() <= kCredit * 2);
    REQUIRE(server.endpoint.reservedBytes() <= kMaxMemory);
    for (const std::string& failure : check::failures()) std::fprintf(stderr, "%s\n", failure.c_str());
    REQUIRE(check::failures().empty());
  }
  void settle(uint32_t which, uint32_t operation) {
    if (deliveries.empty()) return;
    const auto at = deliveries.begin() + static_cast<std::ptrdiff_t>(which % deliveries.size());
    const uint32_t id = *at;
    const bool whole = operation >= 1 && operation <= 4;
    if (whole) deliveries.erase(at);
    server.settle(id, operation);
  }
  void turns(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) server.loop.iterate();
  }
};

void fromServer(Harness& h, Input& in, EndpointStep step) {
  rsm::Endpoint& endpoint = h.server.endpoint;
  try {
    if (step == EndpointStep::kSend) {
      const uint32_t length = in.number<uint16_t>() % 8000;
      const rsm::SendOptions options{static_cast<uint8_t>(in.upTo(2)), 1, (in.byte() & 1) != 0};
      h.server.send(0, std::string(length, 's'), options);
    } else {
      const uint32_t which = in.upTo(4);
      if (which == 0) endpoint.close(0);
      if (which == 1) endpoint.trim();
      if (which == 2) endpoint.notice(7);
      if (which == 3) endpoint.inFlight(0), endpoint.counters(), endpoint.largestSpan(0);
      if (which == 4) endpoint.flush();
    }
  } catch (const rsm::Failure& failure) {
    REQUIRE(failure.code() == std::string(rsm::codes::kConnectionLost));
  }
}

void run(Harness& h, Input& in) {
  Peer& peer = *h.peer;
  for (uint32_t steps = 0; !in.empty() && steps < 300; ++steps) {
    const auto step = static_cast<EndpointStep>(in.upTo(static_cast<uint32_t>(EndpointStep::kCount) - 1));
    switch (step) {
      case EndpointStep::kHello: {
        const uint32_t flaw = in.upTo(6);
        peer.hello(flaw, in.number<uint32_t>());
        break;
      }
      case EndpointStep::kRegister: {
        const uint32_t flaw = in.upTo(14);
        peer.registration(flaw, in.number<uint64_t>());
        break;
      }
      case EndpointStep::kObtain:
        peer.put(rsm::encodeObtain());
        break;
      case EndpointStep::kNotice:
        peer.put(rsm::encodeNotice(in.number<uint32_t>()));
        break;
      case EndpointStep::kFrame: {
        const uint16_t kind = in.byte();
        const uint16_t descriptors = in.upTo(4);
        rsm::Bytes body = in.bytes(in.number<uint16_t>());
        fuzz::Output frame;
        frame.number(static_cast<uint32_t>(body.size())).number(kind).number(descriptors).bytes(body);
        rsm::FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        peer.put(frame.all(), std::vector<int>(descriptors, null.get()));
        break;
      }
      case EndpointStep::kBytes:
        if (const rsm::Bytes bytes = in.bytes(in.byte()); !bytes.empty()) peer.put(bytes);
        break;
      case EndpointStep::kForm:
        peer.hello(0, 0);
        peer.registration(0, 0);
        peer.put(rsm::encodeObtain());
        h.turns(1);
        peer.look();
        break;
      case EndpointStep::kLook:
        peer.look();
        break;
      case EndpointStep::kTurns:
        h.turns(in.upTo(15));
        break;
      case EndpointStep::kCommit:
        peer.commit(in);
        break;
      case EndpointStep::kTargetWord: {
        const uint32_t word = in.number<uint16_t>();
        setWord(peer.target, word, in.number<uint64_t>());
        break;
      }
      case EndpointStep::kAnswer: {
        const uint32_t which = in.byte();
        const auto outcome = static_cast<uint8_t>(1 + in.upTo(3));
        const rsm::Connection* c = h.server.endpoint.find(0);
        if (!c || !c->source) break;
        std::vector<std::pair<uint64_t, uint32_t>> inFlight;
        for (uint32_t cell = 0; cell < c->source->directory().cells(); ++cell)
          if (const uint64_t sequence = c->source->directory().row(cell).sequence) inFlight.push_back({sequence, cell});
        if (!inFlight.empty()) peer.forge(inFlight[which % inFlight.size()].first, inFlight[which % inFlight.size()].second, outcome);
        break;
      }
      case EndpointStep::kForge: {
        const auto sequence = in.number<uint64_t>();
        const auto cell = in.number<uint32_t>();
        peer.forge(sequence, cell, in.byte());
        break;
      }
      case EndpointStep::kReleaseWord: {
        const uint32_t word = in.number<uint16_t>();
        setWord(peer.release, word, in.number<uint64_t>());
        break;
      }
      case EndpointStep::kRewrite: {
        const uint32_t loads = in.byte();
        const bool target = in.byte() & 1;
        const uint32_t word = in.number<uint16_t>();
        const auto value = in.number<uint64_t>();
        h.between.plan(loads, [&peer, target, word, value] { setWord(target ? peer.target : peer.release, word, value); });
        break;
      }
      case EndpointStep::kSend:
      case EndpointStep::kServer:
        fromServer(h, in, step);
        break;
      case EndpointStep::kSettle: {
        const uint32_t which = in.byte();
        h.settle(which, in.upTo(40));
        break;
      }
      case EndpointStep::kStart: {
        const uint32_t which = in.byte();
        const bool started = in.byte() & 1;
        h.server.endpoint.start(h.deliveries.empty() ? which : h.deliveries[which % h.deliveries.size()], started);
        break;
      }
      case EndpointStep::kReturn:
        h.server.endpoint.returnUnstarted();
        h.returning = true;
        break;
      case EndpointStep::kTime:
        h.server.loop.advance(in.byte());
        break;
      case EndpointStep::kRing:
        peer.ring();
        break;
      case EndpointStep::kHangUp:
        peer.socket.reset();
        break;
      case EndpointStep::kCount:
        break;
    }
    h.check();
  }
}

/// The peer goes; what it had sent is settled; then nothing of it may be left.
void finish(Harness& h) {
  h.between.clear();
  h.peer.reset();
  for (int turns = 0; turns < 2000; ++turns) {
    const bool did = h.server.loop.iterate();
    h.check();
    while (!h.deliveries.empty()) h.settle(0, 1);
    if (!did && h.server.endpoint.connections() == 0) break;
  }
  const rsm::Endpoint& endpoint = h.server.endpoint;
  REQUIRE(endpoint.connections() == 0);
  REQUIRE(endpoint.reservedBytes() == 0);
  REQUIRE(endpoint.segmentTable().entries().empty() && endpoint.groupTable().entries().empty());
  REQUIRE(h.server.loop.watches() == 1);  // the listening socket
  REQUIRE(h.server.said.closed.size() == ++h.gone);
  const auto& closed = h.server.said.closed.back();
  REQUIRE(!closed.code.empty() || closed.reason.empty());  // without a code only where the server closed it
}

/// The server still serves: another peer greets and forms, and has all the credit there is.
void serveAnother(Harness& h) {
  h.peer.emplace(h.path());
  h.turns(1);
  const std::size_t before = h.server.said.messages.size();
  h.peer->hello(0, 0);
  h.peer->registration(0, 0);
  h.peer->put(rsm::encodeObtain());
  h.turns(1);
  h.peer->look();
  REQUIRE(h.peer->target && h.peer->release);
  const uint32_t each = kCredit + 1;
  for (uint32_t i = 0; i < 3 * each; ++i) {
    fuzz::Output message;
    message.upTo(0, 1).upTo(i, 15).number(uint16_t{60}).byte(layout::kMarkFirst).byte(i / each).byte(0);
    Input in(reinterpret_cast<const uint8_t*>(message.all().data()), message.all().size());
    h.peer->commit(in);
  }
  h.peer->ring();
  h.turns(3);
  h.check();
  const std::size_t expected = each + (h.returning ? 0 : 2 * kCredit);
  REQUIRE(h.server.said.messages.size() == before + expected);
  for (std::size_t i = before; i < before + expected; ++i) REQUIRE(h.server.said.messages[i].bytes.size() == 60);
  finish(h);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const uint64_t before = fuzz::openDescriptors();
  {
    Harness harness;
    Input in(data, size);
    run(harness, in);
    finish(harness);
    serveAnother(harness);
  }
  REQUIRE(fuzz::openDescriptors() == before);
  return 0;
}
