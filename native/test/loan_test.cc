// Loans: partitions filled in place. Views: messages read in place.
#include "endpoint_node.hpp"
#include "failure.hpp"

using check::ChannelPair;
using check::endpointOptions;
using check::pattern;
using check::Service;
using rsm::LendStatus;
using rsm::Room;
using rsm::SendStatus;

namespace {

constexpr rsm::SendOptions kEvent{1, 1, true};

std::string fill(std::byte* at, uint64_t length, uint32_t salt) {
  const std::string text = pattern(length, salt);
  std::memcpy(at, text.data(), text.size());
  return text;
}

}  // namespace

TEST("a loan is committed in place: no sequence before, the next one then; its partitions are the message's") {
  ChannelPair pair({{64, 16, 8}});
  Room room{};
  CHECK_EQ(pair.source->lend(300, room), LendStatus::kLent);
  CHECK_EQ(room.count, 5);
  CHECK_EQ(pair.commit("before"), 1);
  const std::string text = fill(pair.source->lent(room), 300, 7);
  CHECK_EQ(pair.receive().size(), 1);
  const rsm::SendResult result = pair.source->commitLoan(room, 300, kEvent);
  CHECK_EQ(result.sequence, 2);
  const auto received = pair.receive();
  CHECK_EQ(received.size(), 1);
  CHECK_EQ(received.at(0).bytes, text);
  CHECK_EQ(pair.source->inFlight(), 2);
  pair.release(received.at(0), rsm::layout::Outcome::kNack);
  const auto back = pair.takeReleases();
  CHECK_EQ(back.size(), 1);
  CHECK_EQ(check::textOf(back.at(0).bytes), text);
  CHECK_EQ(pair.partitionsTaken(), 1);
}

TEST("a loan that is committed shorter frees the partitions it does not reach; one that is returned frees all; one is never committed longer") {
  ChannelPair pair({{64, 16, 16}});
  Room room{};
  CHECK_EQ(pair.source->lend(1000, room), LendStatus::kLent);
  CHECK_EQ(pair.partitionsTaken(), 16);
  CHECK_EQ(pair.source->commitLoan(room, 1025, kEvent).status, SendStatus::kTooLarge);
  CHECK_EQ(pair.partitionsTaken(), 16);
  CHECK_EQ(pair.source->commitLoan(room, 65, kEvent).status, SendStatus::kCommitted);
  CHECK_EQ(pair.partitionsTaken(), 2);
  CHECK_EQ(pair.receive().at(0).reference.length, 65);
  CHECK_EQ(pair.source->lend(896, room), LendStatus::kLent);
  pair.source->returnLoan(room);
  CHECK_EQ(pair.partitionsTaken(), 2);
  CHECK(!pair.source->idle());
}

TEST("waiting for a loan is advised only where a release can make room") {
  ChannelPair pair({{64, 16, 16}}, 4096);
  Room room{}, other{};
  CHECK_EQ(pair.source->lend(4097, room), LendStatus::kTooLarge);
  CHECK_EQ(pair.source->lend(1025, room), LendStatus::kUnable);
  CHECK_EQ(pair.source->lend(1024, room), LendStatus::kLent);
  CHECK_EQ(pair.source->lend(1, other), LendStatus::kUnable);
  CHECK_EQ(pair.source->commitLoan(room, 1024, kEvent).status, SendStatus::kCommitted);
  CHECK_EQ(pair.source->lend(1, other), LendStatus::kNoRoom);
  pair.release(pair.receive().at(0));
  pair.takeReleases();
  CHECK_EQ(pair.source->lend(1, other), LendStatus::kLent);
}

TEST("nothing comes between the fragments of a message, no loan either; pages with a loan are not trimmed") {
  ChannelPair pair({{64, 8, 4}});
  Room room{};
  CHECK_EQ(pair.source->lend(64, room), LendStatus::kLent);
  const std::string text = fill(pair.source->lent(room), 64, 3);
  CHECK(!pair.source->trim());
  CHECK_EQ(pair.send(pattern(64 * 12, 1)).status, SendStatus::kCommitted);
  CHECK(pair.source->sending());
  Room other{};
  CHECK_EQ(pair.source->lend(64, other), LendStatus::kNoRoom);
  CHECK_EQ(pair.source->commitLoan(room, 64, kEvent).status, SendStatus::kNoRoom);
  while (pair.source->sending()) {
    for (const auto& received : pair.receive()) pair.release(received);
    pair.takeReleases();
    pair.source->pump();
  }
  CHECK_EQ(pair.source->commitLoan(room, 64, kEvent).status, SendStatus::kCommitted);
  CHECK_EQ(pair.receive().back().bytes, text);
}

TEST("an endpoint's loan: partitions after forming, committed, delivered; a second end of it is nothing") {
  Service service;
  CHECK_EQ(service.client.endpoint.lend(service.here, 100).status, LendStatus::kNoRoom);
  CHECK(check::runUntil({&service.server, &service.client}, [&] { return !service.client.said.writable.empty(); }));
  const auto loan = service.client.endpoint.lend(service.here, 500);
  CHECK_EQ(loan.status, LendStatus::kLent);
  const auto memory = service.client.endpoint.lent(loan.number);
  const std::string text = fill(memory.data, 500, 9);
  CHECK_EQ(service.client.endpoint.commitLoan(loan.number, 500, {1, 1, true}).status, SendStatus::kCommitted);
  service.client.endpoint.returnLoan(loan.number);
  CHECK(check::throws<rsm::Failure>([&] { service.client.endpoint.commitLoan(loan.number, 500, kEvent); }));
  CHECK(!service.client.endpoint.lent(loan.number).data);
  service.settleDown();
  CHECK_EQ(service.server.said.texts(), std::vector<std::string>{text});
  CHECK_EQ(service.client.said.reports.size(), 1);
}

TEST("a loan outlives its connection: its bytes can be read, it cannot be sent, and its end is quiet") {
  Service service;
  service.form();
  const auto loan = service.client.endpoint.lend(service.here, 500);
  auto memory = service.client.endpoint.lent(loan.number);
  const std::string text = fill(memory.data, 500, 4);
  service.server.endpoint.close(service.there);
  service.settleDown();
  CHECK_EQ(service.client.said.closed.size(), 1);
  CHECK(check::throws<rsm::Failure>([&] { service.client.endpoint.commitLoan(loan.number, 500, kEvent); }));
  CHECK_EQ(std::string(reinterpret_cast<const char*>(memory.data), 500), text);
  service.client.endpoint.returnLoan(loan.number);
  const int mapped = check::mappedRegions();
  memory.keeper.reset();
  CHECK(check::mappedRegions() < mapped);
}

TEST("a message that waits for partitions that are lent is committed once the loan is returned, and nobody spins meanwhile") {
  auto options = endpointOptions(true);
  options.receive = {{1024, 8, 8}};
  Service service(options);
  service.form();
  const auto loan = service.client.endpoint.lend(service.here, 8192);
  CHECK_EQ(loan.status, LendStatus::kLent);
  service.client.said.writable.clear();
  CHECK_EQ(service.client.send(service.here, "waits").status, SendStatus::kNoRoom);
  CHECK(service.settleDown());
  CHECK(service.client.said.writable.empty());
  service.client.endpoint.returnLoan(loan.number, true);
  CHECK(service.settleDown());
  CHECK_EQ(service.client.said.writable.size(), 1);
  CHECK_EQ(service.client.said.lostLoans, std::vector<uint32_t>{service.here});
  CHECK(service.client.committed(service.here, "waits"));
}

TEST("a deferred message is delivered with its beginning, loaded on demand, and seen in place until its delivery is over") {
  auto options = endpointOptions(true);
  options.receive = {{1024, 32, 8}};
  Service service(options);
  service.form();
  service.server.said.settleWith = 0;
  service.server.endpoint.deferCopies(4096);
  const std::string small = pattern(4095, 1), large = pattern(5000, 2);
  bool loaded = false;
  service.server.said.during = [&](const std::string& name) {
    if (name != "messages") return;
    const uint32_t* row = service.server.said.rows.data() + rsm::BatchSpace::kRowWords;
    CHECK_EQ(service.server.said.rows[7], 0);
    CHECK_EQ(row[7], 1);
    CHECK(service.server.said.messages.at(1).bytes != large);
    CHECK_EQ(service.server.said.messages.at(1).bytes.substr(0, rsm::Endpoint::kPeek), large.substr(0, rsm::Endpoint::kPeek));
    loaded = service.server.endpoint.load(row[1], service.server.said.arena.data() + row[4]);
    CHECK_EQ(std::string(reinterpret_cast<const char*>(service.server.said.arena.data() + row[4]), row[5]), large);
  };
  CHECK(service.client.committed(service.here, small));
  CHECK(service.client.committed(service.here, large));
  service.settleDown();
  CHECK(loaded);
  CHECK_EQ(service.server.said.messages.at(0).bytes, small);
  const uint32_t delivery = service.server.said.messages.at(1).delivery;
  auto view = service.server.endpoint.view(delivery);
  CHECK_EQ(std::string(reinterpret_cast<const char*>(view.data), view.length), large);
  view.data[0] = std::byte{'w'};  // what JavaScript may do
  service.server.endpoint.close(service.there);
  service.settleDown();
  CHECK_EQ(std::string(reinterpret_cast<const char*>(view.data) + 1, view.length - 1), large.substr(1));
  CHECK_EQ(service.client.said.closed.at(0).unfinished.size(), 2);
  service.server.settle(delivery);
  CHECK(!service.server.endpoint.view(delivery).data);
  CHECK(!service.server.endpoint.load(delivery, nullptr));
}

TEST("a loan that is lost after its connection has ended is not said to be of the connection that has its number now") {
  Service service;
  service.form();
  const auto loan = service.client.endpoint.lend(service.here, 100);
  CHECK_EQ(loan.status, LendStatus::kLent);
  service.client.endpoint.close(service.here);
  service.settleDown();
  CHECK_EQ(service.connect(service.client), service.here);
  service.client.endpoint.returnLoan(loan.number, true);
  service.settleDown();
  CHECK_EQ(service.client.said.lostLoans.size(), 0);
}
