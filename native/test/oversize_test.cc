#include "endpoint_node.hpp"
#include "failure.hpp"

using check::pattern;
using check::Service;

TEST("a sender that does not heed maxMessageSize loses its connection, though one span would hold the message") {
  auto options = check::endpointOptions(true);
  options.maxMessageSize = 1000;
  Service service(options);
  // The client was told 1,000 and takes it for more.
  const_cast<rsm::Connection*>(service.client.endpoint.find(service.here))->peer.maxMessageSize = 1 << 20;
  service.form();
  CHECK(service.client.committed(service.here, pattern(1000, 1)));
  service.settleDown();
  CHECK_EQ(service.server.said.messages.size(), 1);
  CHECK(service.client.committed(service.here, pattern(1001, 2)));
  CHECK(service.client.committed(service.here, "behind it"));
  service.settleDown();
  CHECK_EQ(service.server.said.messages.size(), 1);
  CHECK_EQ(service.server.said.closed.size(), 1);
  CHECK_EQ(service.server.said.closed.at(0).code, rsm::codes::kCorruptSegment);
  CHECK(service.server.said.closed.at(0).reason.find("maxMessageSize, 1000 bytes") != std::string::npos);
  CHECK_EQ(service.server.endpoint.reservedBytes(), 0);
}
