// What an endpoint observes, as calls of JavaScript's handlers.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "addon_endpoint.hpp"

namespace rsm::addon {
namespace {

constexpr std::size_t kFirstArena = 1 << 20;
constexpr std::size_t kSmallestAllocation = 8;

}  // namespace

BatchSpace NativeEndpoint::batchSpace() {
  if (!space_.arena) growArena(kFirstArena);
  return space_;
}

BatchSpace NativeEndpoint::growArena(std::size_t size) {
  Napi::HandleScope scope(env_);
  const std::size_t larger = std::max({kFirstArena, space_.arenaSize * 2, size});
  const auto arena = Napi::Buffer<uint8_t>::New(env_, larger);
  arena_ = Napi::Persistent(arena.As<Napi::Object>());
  space_.arena = reinterpret_cast<std::byte*>(arena.Data());
  space_.arenaSize = larger;
  return space_;
}

void NativeEndpoint::onMessages(uint32_t count, std::vector<Bytes>& owned) {
  call([&] {
    napi_value list = noBuffers_.Value();
    if (!owned.empty()) {
      const auto buffers = Napi::Array::New(env_, owned.size());
      for (uint32_t i = 0; i < owned.size(); ++i) buffers.Set(i, take(std::move(owned[i])));
      list = buffers;
    }
    onMessages_.MakeCallback(handlers_.Value(), {Napi::Number::New(env_, count), arena_.IsEmpty() ? env_.Undefined() : arena_.Value(), list});
  });
}

void NativeEndpoint::onConnection(uint32_t id, const Peer& peer) {
  call([&] {
    auto o = Napi::Object::New(env_);
    o.Set("pid", static_cast<double>(peer.credentials.pid));
    o.Set("uid", peer.credentials.uid);
    o.Set("gid", peer.credentials.gid);
    o.Set("identity", peer.identity);
    o.Set("service", peer.service);
    o.Set("maxMessageSize", static_cast<double>(peer.maxMessageSize));
    char incarnation[17];
    std::snprintf(incarnation, sizeof incarnation, "%016llx", static_cast<unsigned long long>(peer.incarnation));
    o.Set("incarnation", incarnation);
    invoke("onConnection", {Napi::Number::New(env_, id), o});
  });
}

void NativeEndpoint::onWritable(uint32_t id) {
  call([&] { invoke("onWritable", {Napi::Number::New(env_, id)}); });
}

void NativeEndpoint::onReleases(std::vector<Report>& reports) {
  call([&] {
    auto results = Napi::Float64Array::New(env_, reports.size() * 5);
    const auto bytes = Napi::Array::New(env_, reports.size());
    for (uint32_t i = 0; i < reports.size(); ++i) {
      const ReleasedMessage& m = reports[i].message;
      results[i * 5] = reports[i].connection;
      results[i * 5 + 1] = static_cast<double>(m.sequence);
      results[i * 5 + 2] = static_cast<double>(m.outcome);
      results[i * 5 + 3] = m.lane;
      results[i * 5 + 4] = m.attempt;
      const bool comesBack = m.outcome == layout::Outcome::kNack || m.outcome == layout::Outcome::kReturned;
      bytes.Set(i, comesBack ? copy(m.bytes) : env_.Undefined());
    }
    invoke("onReleases", {Napi::Number::New(env_, static_cast<double>(reports.size())), results, bytes});
  });
}

void NativeEndpoint::onNotice(uint32_t id, uint32_t code) {
  call([&] { invoke("onNotice", {Napi::Number::New(env_, id), Napi::Number::New(env_, code)}); });
}

void NativeEndpoint::onHangup(uint32_t id) {
  call([&] { invoke("onHangup", {Napi::Number::New(env_, id)}); });
}

void NativeEndpoint::onLoanLost(uint32_t id) {
  call([&] { invoke("onLoanLost", {Napi::Number::New(env_, id)}); });
}

void NativeEndpoint::onClosed(uint32_t id, const char* code, const std::string& reason, std::vector<UnfinishedMessage>& unfinished) {
  call([&] {
    const auto list = Napi::Array::New(env_, unfinished.size());
    for (uint32_t i = 0; i < unfinished.size(); ++i) {
      const UnfinishedMessage& m = unfinished[i];
      auto o = Napi::Object::New(env_);
      o.Set("sequence", static_cast<double>(m.sequence));
      o.Set("lane", m.lane);
      o.Set("attempt", m.attempt);
      o.Set("started", m.started);
      o.Set("bytes", copy(m.bytes));
      list.Set(i, o);
    }
    invoke("onClosed", {Napi::Number::New(env_, id), Napi::String::New(env_, code), Napi::String::New(env_, reason), list});
  });
}

void NativeEndpoint::takeOutbox() {
  const uint32_t pairs = std::min(outboxData_[0], kOutboxPairs);
  outboxData_[0] = 0;
  for (uint32_t i = 0; i < pairs; ++i) core_->endpoint->settle(outboxData_[1 + i * 2], outboxData_[2 + i * 2]);
}

Napi::Value NativeEndpoint::copy(const std::vector<std::byte>& bytes) {
  return Napi::Buffer<uint8_t>::Copy(env_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

Napi::Value NativeEndpoint::take(Bytes bytes) {
  struct Kept {
    Bytes bytes;
    std::shared_ptr<BytesPool> pool;
  };
  auto* kept = new Kept{std::move(bytes), pool_};
  // V8 looks at how many bytes its young Buffers hold, and collects only these, where it allocates memory for one itself. Without that, memory of ours
  // grows until a collection of the whole heap is due: every 64 MiB, some 10 ms each.
  Napi::ArrayBuffer::New(env_, kSmallestAllocation);
  return Napi::Buffer<uint8_t>::New(
      env_, reinterpret_cast<uint8_t*>(kept->bytes.data()), kept->bytes.size(),
      [](Napi::Env, uint8_t*, Kept* held) {
        held->pool->give(std::move(held->bytes));
        delete held;
      },
      kept);
}

void NativeEndpoint::invoke(const char* name, std::initializer_list<napi_value> args) {
  handlers_.Get(name).As<Napi::Function>().MakeCallback(handlers_.Value(), args);
}

}  // namespace rsm::addon
