// The binding: the only file that knows Node-API. It turns calls into calls of Endpoint, and what Endpoint observes into calls of handlers.
#include <napi.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "endpoint.hpp"
#include "failure.hpp"
#include "uv_loop.hpp"

namespace rsm {
namespace {

constexpr std::size_t kHeaderBytes = 64 * 1024;
constexpr std::size_t kFirstArena = 1 << 20;
constexpr uint32_t kOutboxPairs = 4095;
constexpr uint32_t kFlagWatched = 1;
/// Text up to this length is encoded with room for its longest encoding; beyond, its length in bytes is counted first.
constexpr std::size_t kUncounted = 256 * 1024;

Napi::Error toJavaScript(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  error.Set("code", Napi::String::New(env, failure.code()));
  if (failure.error()) error.Set("reason", Napi::String::New(env, uv_err_name(uv_translate_sys_error(failure.error()))));
  return error;
}

/// Runs `call` and turns a Failure into a JavaScript exception.
template <class Call>
auto guarded(Napi::Env env, Call&& call) -> decltype(call()) {
  try {
    return call();
  } catch (const Failure& failure) {
    throw toJavaScript(env, failure);
  } catch (const std::bad_alloc&) {
    throw toJavaScript(env, Failure(codes::kBackpressure, "out of memory"));
  }
}

uint32_t number(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

std::vector<uint32_t> numbers(const Napi::Value& value) {
  std::vector<uint32_t> out;
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) out.push_back(number(list.Get(i)));
  return out;
}

EndpointOptions readOptions(const Napi::Object& o) {
  EndpointOptions options;
  options.listener = o.Get("role").ToString().Utf8Value() == "listener";
  options.service = o.Get("service").ToString().Utf8Value();
  options.identity = o.Get("identity").ToString().Utf8Value();
  const auto receive = o.Get("receive").As<Napi::Array>();
  for (uint32_t i = 0; i < receive.Length(); ++i) {
    const auto g = receive.Get(i).As<Napi::Object>();
    options.receive.push_back({number(g.Get("partitionSize")), number(g.Get("partitions")), number(g.Get("spanFactor"))});
  }
  options.maxMessageSize = static_cast<uint64_t>(o.Get("maxMessageSize").As<Napi::Number>().Int64Value());
  options.maxConnections = number(o.Get("maxConnections"));
  options.maxMemory = static_cast<uint64_t>(o.Get("maxMemory").As<Napi::Number>().Int64Value());
  options.allowUids = numbers(o.Get("allowUids"));
  options.allowGids = numbers(o.Get("allowGids"));
  options.handshakeTimeout = number(o.Get("handshakeTimeout"));
  options.maxHandshakes = number(o.Get("maxHandshakes"));
  options.pollingWindow = o.Get("pollingWindow").As<Napi::Number>().Int64Value();
  options.eventCredit = number(o.Get("eventCredit"));
  options.requestCredit = number(o.Get("requestCredit"));
  return options;
}

/// The loop and the endpoint on it. Shared, so that a callback that destroys the JavaScript object still stands on firm ground.
struct Core {
  explicit Core(uv_loop_t* loop) : loop(loop) {}
  UvLoop loop;
  std::unique_ptr<Endpoint> endpoint;
};

class NativeEndpoint final : public Napi::ObjectWrap<NativeEndpoint>, public EndpointObserver {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeEndpoint",
                       {
                           InstanceAccessor<&NativeEndpoint::header>("header"),
                           InstanceAccessor<&NativeEndpoint::table>("table"),
                           InstanceAccessor<&NativeEndpoint::outbox>("outbox"),
                           InstanceMethod<&NativeEndpoint::listen>("listen"),
                           InstanceMethod<&NativeEndpoint::stopListening>("stopListening"),
                           InstanceMethod<&NativeEndpoint::connect>("connect"),
                           InstanceMethod<&NativeEndpoint::send>("send"),
                           InstanceMethod<&NativeEndpoint::sendBatch>("sendBatch"),
                           InstanceMethod<&NativeEndpoint::schedule>("schedule"),
                           InstanceMethod<&NativeEndpoint::flush>("flush"),
                           InstanceMethod<&NativeEndpoint::start>("start"),
                           InstanceMethod<&NativeEndpoint::unstart>("unstart"),
                           InstanceMethod<&NativeEndpoint::returnUnstarted>("returnUnstarted"),
                           InstanceMethod<&NativeEndpoint::notice>("notice"),
                           InstanceMethod<&NativeEndpoint::inFlight>("inFlight"),
                           InstanceMethod<&NativeEndpoint::largestSpan>("largestSpan"),
                           InstanceMethod<&NativeEndpoint::sending>("sending"),
                           InstanceMethod<&NativeEndpoint::closeConnection>("close"),
                           InstanceMethod<&NativeEndpoint::destroy>("destroy"),
                           InstanceMethod<&NativeEndpoint::trim>("trim"),
                           InstanceMethod<&NativeEndpoint::keepAlive>("ref"),
                           InstanceMethod<&NativeEndpoint::letDie>("unref"),
                           InstanceMethod<&NativeEndpoint::tables>("tables"),
                           InstanceMethod<&NativeEndpoint::directory>("directory"),
                           InstanceMethod<&NativeEndpoint::counters>("counters"),
                       });
  }

  explicit NativeEndpoint(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
    const EndpointOptions options = readOptions(info[0].As<Napi::Object>());
    handlers_ = Napi::Persistent(info[1].As<Napi::Object>());
    onMessages_ = Napi::Persistent(info[1].As<Napi::Object>().Get("onMessages").As<Napi::Function>());

    const auto header = Napi::Buffer<uint8_t>::New(env_, kHeaderBytes);
    headerData_ = reinterpret_cast<std::byte*>(header.Data());
    header_ = Napi::Persistent(header.As<Napi::Object>());
    auto table = Napi::Uint32Array::New(env_, BatchSpace::kRows * BatchSpace::kRowWords);
    space_.rows = table.Data();
    table_ = Napi::Persistent(table.As<Napi::Object>());
    auto outbox = Napi::Uint32Array::New(env_, 1 + kOutboxPairs * 2);
    outboxData_ = outbox.Data();
    outboxData_[0] = 0;
    outbox_ = Napi::Persistent(outbox.As<Napi::Object>());

    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env_, &loop) != napi_ok) throw Napi::Error::New(env_, "this thread has no event loop");
    guarded(env_, [&] {
      core_ = std::make_shared<Core>(loop);
      core_->endpoint = std::make_unique<Endpoint>(options, core_->loop, *this);
    });
    napi_add_async_cleanup_hook(env_, &NativeEndpoint::environmentEnds, this, &cleanup_);
    Ref();  // an endpoint that listens or is connected lives on without a variable that holds it; destroy() ends that
  }

  ~NativeEndpoint() override { finish(true); }

  // EndpointObserver

  BatchSpace batchSpace() override {
    if (!space_.arena) growArena(kFirstArena);
    return space_;
  }

  BatchSpace growArena(std::size_t size) override {
    Napi::HandleScope scope(env_);
    const std::size_t larger = std::max({kFirstArena, space_.arenaSize * 2, size});
    const auto arena = Napi::Buffer<uint8_t>::New(env_, larger);
    arena_ = Napi::Persistent(arena.As<Napi::Object>());
    space_.arena = reinterpret_cast<std::byte*>(arena.Data());
    space_.arenaSize = larger;
    return space_;
  }

  void onMessages(uint32_t count, std::vector<Bytes>& owned) override {
    call([&] {
      const auto list = Napi::Array::New(env_, owned.size());
      for (uint32_t i = 0; i < owned.size(); ++i) list.Set(i, take(std::move(owned[i])));
      onMessages_.MakeCallback(handlers_.Value(), {Napi::Number::New(env_, count), arena_.IsEmpty() ? env_.Undefined() : arena_.Value(), list});
    });
  }

  void onConnection(uint32_t id, const Peer& peer) override {
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

  void onWritable(uint32_t id) override {
    call([&] { invoke("onWritable", {Napi::Number::New(env_, id)}); });
  }

  void onReleases(std::vector<Report>& reports) override {
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

  void onNotice(uint32_t id, uint32_t code) override {
    call([&] { invoke("onNotice", {Napi::Number::New(env_, id), Napi::Number::New(env_, code)}); });
  }

  void onHangup(uint32_t id) override {
    call([&] { invoke("onHangup", {Napi::Number::New(env_, id)}); });
  }

  void onClosed(uint32_t id, const char* code, const std::string& reason, std::vector<UnfinishedMessage>& unfinished) override {
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

  void takeOutbox() override {
    const uint32_t pairs = std::min(outboxData_[0], kOutboxPairs);
    outboxData_[0] = 0;
    for (uint32_t i = 0; i < pairs; ++i) core_->endpoint->settle(outboxData_[1 + i * 2], outboxData_[2 + i * 2]);
  }

 private:
  // Methods that JavaScript calls; docstrings in index.d.ts.

  Napi::Value header(const Napi::CallbackInfo&) { return header_.Value(); }
  Napi::Value table(const Napi::CallbackInfo&) { return table_.Value(); }
  Napi::Value outbox(const Napi::CallbackInfo&) { return outbox_.Value(); }

  void listen(const Napi::CallbackInfo& info) {
    std::optional<uint32_t> gid;
    if (info[1].IsNumber()) gid = number(info[1]);
    guarded(env_, [&] { endpoint().listen(info[0].As<Napi::String>().Utf8Value(), gid); });
  }

  void stopListening(const Napi::CallbackInfo&) { endpoint().stopListening(); }

  Napi::Value connect(const Napi::CallbackInfo& info) {
    return Napi::Number::New(env_, guarded(env_, [&] { return endpoint().connect(info[0].As<Napi::String>().Utf8Value()); }));
  }

  Napi::Value send(const Napi::CallbackInfo& info) {
    MessageParts message;
    message.header = headerData_;
    message.headerLength = number(info[4]);
    if (message.headerLength > kHeaderBytes) throw Napi::RangeError::New(env_, "headerLength is larger than the header buffer");
    readPayload(info[5], message);
    const uint32_t lane = number(info[1]);
    if (lane >= kLanes) throw Napi::RangeError::New(env_, "there is no such lane");
    const SendOptions options{static_cast<uint8_t>(lane), static_cast<uint16_t>(number(info[3])), (number(info[2]) & kFlagWatched) != 0};
    const SendResult result = guarded(env_, [&] { return endpoint().send(number(info[0]), message, options); });
    if (result.status == SendStatus::kTooLarge) throw tooLarge(message.length());
    return Napi::Number::New(env_, result.status == SendStatus::kCommitted ? static_cast<double>(result.sequence) : 0);
  }

  Napi::Value sendBatch(const Napi::CallbackInfo& info) {
    const auto packed = info[2].As<Napi::Uint8Array>();
    const auto lengths = info[3].As<Napi::Uint32Array>();
    const uint32_t first = number(info[4]);
    const SendOptions options{static_cast<uint8_t>(std::min(number(info[1]), kLanes - 1)), 0, false};
    const auto* at = reinterpret_cast<const std::byte*>(packed.Data());
    const auto* end = at + packed.ByteLength();
    uint32_t committed = 0;
    for (uint32_t i = 0; i < lengths.ElementLength(); ++i) {
      const uint32_t length = lengths[i];
      if (static_cast<std::size_t>(end - at) < length) throw Napi::RangeError::New(env_, "the lengths add up to more than the packed bytes");
      if (i >= first) {
        const MessageParts message{nullptr, 0, at, length};
        const SendResult result = guarded(env_, [&] { return endpoint().send(number(info[0]), message, options); });
        if (result.status == SendStatus::kTooLarge) throw tooLarge(length);
        if (result.status == SendStatus::kNoRoom) break;
        ++committed;
      }
      at += length;
    }
    return Napi::Number::New(env_, committed);
  }

  void schedule(const Napi::CallbackInfo&) { endpoint().schedule(); }
  void flush(const Napi::CallbackInfo&) { endpoint().flush(); }
  void start(const Napi::CallbackInfo& info) { endpoint().start(number(info[0]), true); }
  void unstart(const Napi::CallbackInfo& info) { endpoint().start(number(info[0]), false); }
  void returnUnstarted(const Napi::CallbackInfo&) { endpoint().returnUnstarted(); }
  void notice(const Napi::CallbackInfo& info) { endpoint().notice(number(info[0])); }
  void closeConnection(const Napi::CallbackInfo& info) { endpoint().close(number(info[0])); }
  void trim(const Napi::CallbackInfo&) { endpoint().trim(); }
  void keepAlive(const Napi::CallbackInfo&) {
    if (!finished_) core_->loop.keepAlive(true);
  }
  void letDie(const Napi::CallbackInfo&) {
    if (!finished_) core_->loop.keepAlive(false);
  }

  Napi::Value inFlight(const Napi::CallbackInfo& info) {
    return Napi::Number::New(env_, static_cast<double>(endpoint().inFlight(number(info[0]))));
  }

  Napi::Value largestSpan(const Napi::CallbackInfo& info) {
    return Napi::Number::New(env_, static_cast<double>(endpoint().largestSpan(number(info[0]))));
  }

  Napi::Value sending(const Napi::CallbackInfo& info) { return Napi::Boolean::New(env_, endpoint().sending(number(info[0]))); }

  void destroy(const Napi::CallbackInfo&) { finish(); }

  Napi::Value tables(const Napi::CallbackInfo&) {
    auto out = Napi::Object::New(env_);
    const auto segments = Napi::Array::New(env_);
    const auto groups = Napi::Array::New(env_);
    for (const auto& [id, entry] : endpoint().segmentTable().entries()) {
      auto row = Napi::Object::New(env_);
      row.Set("id", id);
      row.Set("connection", entry.connection);
      row.Set("role", entry.source ? "source" : "target");
      row.Set("interconnect", entry.interconnect);
      setGeometry(row, entry.descriptor.geometry);
      row.Set("offset", static_cast<double>(entry.descriptor.offset));
      row.Set("length", static_cast<double>(entry.descriptor.length));
      segments.Set(segments.Length(), row);
    }
    for (const auto& [id, entry] : endpoint().groupTable().entries()) {
      const Connection* c = endpoint().find(entry.connection);
      if (!c || !c->source) continue;
      const bool out = entry.direction == Direction::kOut;
      auto row = Napi::Object::New(env_);
      row.Set("id", id);
      row.Set("connection", entry.connection);
      row.Set("direction", out ? "out" : "in");
      row.Set("number", entry.number);
      row.Set("segment", entry.segment);
      setGeometry(row, (out ? c->source->layout() : c->target->layout()).segments[entry.number].geometry);
      if (out) {
        const auto& use = c->source->directory().use(entry.number);
        row.Set("messages", static_cast<double>(use.messages));
        row.Set("bytes", static_cast<double>(use.bytes));
        row.Set("partitionsTaken", c->source->directory().map(entry.number).takenCount());
        row.Set("highWater", use.highWater);
      } else {
        row.Set("messages", static_cast<double>(c->target->received(entry.number)));
        row.Set("bytes", static_cast<double>(c->target->receivedBytes(entry.number)));
        row.Set("partitionsTaken", c->target->heldPartitions(entry.number));
        row.Set("highWater", c->target->highWater(entry.number));
      }
      groups.Set(groups.Length(), row);
    }
    out.Set("segments", segments);
    out.Set("groups", groups);
    return out;
  }

  Napi::Value directory(const Napi::CallbackInfo& info) {
    const auto rows = Napi::Array::New(env_);
    const Connection* c = endpoint().find(number(info[0]));
    const bool out = info[1].ToString().Utf8Value() == "out";
    const uint32_t group = number(info[2]);
    if (!c || !c->source) return rows;
    const auto& segments = (out ? c->source->layout() : c->target->layout()).segments;
    if (group >= segments.size()) return rows;
    uint32_t next = layout::kEndOfSpan;
    for (uint32_t i = 0; i < segments[group].geometry.partitions; ++i) {
      auto row = Napi::Object::New(env_);
      if (out) {
        const InFlight& span = c->source->directory().row(c->source->layout().firstCell[group] + i);
        const bool first = span.sequence != 0;
        if (first) next = i + span.count;
        const bool taken = c->source->directory().map(group).taken(i);
        row.Set("first", first);
        row.Set("taken", taken);
        row.Set("next", taken && i + 1 < next ? static_cast<double>(i + 1) : -1);
        row.Set("length", first ? span.length : 0);
      } else {
        const TargetChannel::Entry entry = c->target->entry(group, i);
        row.Set("first", entry.first);
        row.Set("taken", false);
        row.Set("next", entry.next == layout::kEndOfSpan ? -1 : static_cast<double>(entry.next));
        row.Set("length", entry.length);
      }
      rows.Set(i, row);
    }
    return rows;
  }

  Napi::Value counters(const Napi::CallbackInfo&) {
    const Counters c = endpoint().counters();
    auto o = Napi::Object::New(env_);
    const auto set = [&](const char* name, uint64_t value) { o.Set(name, static_cast<double>(value)); };
    set("messagesSent", c.messagesSent);
    set("messagesReceived", c.messagesReceived);
    set("bytesSent", c.bytesSent);
    set("bytesReceived", c.bytesReceived);
    set("waits", c.waits);
    set("doorbellsRung", c.doorbellsRung);
    set("wakes", c.wakes);
    set("polls", c.polls);
    set("sleeps", c.sleeps);
    set("refused", c.refused);
    set("connections", endpoint().connections());
    set("reservedBytes", endpoint().reservedBytes());
    return o;
  }

  // Helpers

  Endpoint& endpoint() {
    if (!core_ || !core_->endpoint || finished_) throw toJavaScript(env_, Failure(codes::kConnectionLost, "the endpoint is closed"));
    return *core_->endpoint;
  }

  Napi::Error tooLarge(uint64_t length) {
    return toJavaScript(env_, Failure(codes::kMessageTooLarge, "a message of " + std::to_string(length) +
                                                                   " bytes is longer than the receiver's maxMessageSize"));
  }

  static void setGeometry(Napi::Object& row, const SegmentGeometry& g) {
    row.Set("partitionSize", g.partitionSize);
    row.Set("partitions", g.partitions);
    row.Set("spanFactor", g.spanFactor);
  }

  void readPayload(const Napi::Value& value, MessageParts& message) {
    if (value.IsString()) {
      std::size_t units = 0;
      napi_get_value_string_utf16(env_, value, nullptr, 0, &units);
      std::size_t room = units * 3;
      if (units > kUncounted) napi_get_value_string_utf8(env_, value, nullptr, 0, &room);
      if (text_.size() < room + 1) text_.resize(std::max(room + 1, text_.size() * 2));
      std::size_t written = 0;
      // It ends what it writes with a NUL, which must not touch a neighbouring partition: hence text_.
      napi_get_value_string_utf8(env_, value, reinterpret_cast<char*>(text_.data()), room + 1, &written);
      message.payload = text_.data();
      message.payloadLength = written;
    } else if (!value.IsUndefined()) {
      void* data = nullptr;
      std::size_t length = 0;
      if (napi_get_buffer_info(env_, value, &data, &length) != napi_ok) throw Napi::TypeError::New(env_, "a payload is a string or a Uint8Array");
      message.payload = static_cast<const std::byte*>(data);
      message.payloadLength = length;
    }
  }

  Napi::Value copy(const std::vector<std::byte>& bytes) {
    return Napi::Buffer<uint8_t>::Copy(env_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }

  Napi::Value take(Bytes bytes) {
    auto* kept = new Bytes(std::move(bytes));
    return Napi::Buffer<uint8_t>::New(
        env_, reinterpret_cast<uint8_t*>(kept->data()), kept->size(), [](Napi::Env, uint8_t*, Bytes* held) { delete held; }, kept);
  }

  void invoke(const char* name, std::initializer_list<napi_value> args) {
    handlers_.Get(name).As<Napi::Function>().MakeCallback(handlers_.Value(), args);
  }

  /// Enters JavaScript from the loop. What a handler throws becomes an uncaught exception, as from any event.
  template <class Body>
  void call(Body&& body) {
    if (finished_) return;
    const std::shared_ptr<Core> core = core_;
    Napi::HandleScope scope(env_);
    try {
      body();
    } catch (const Napi::Error& error) {
      try {
        napi_fatal_exception(env_, error.Value());
      } catch (const Napi::Error&) {
        // This thread is being terminated: nobody is left to hear of it.
      }
    }
  }

  void finish(bool collected = false) {
    if (finished_) return;
    finished_ = true;
    const std::shared_ptr<Core> core = std::exchange(core_, nullptr);
    if (core) {
      if (core->endpoint) core->endpoint->destroy();
      core->loop.close();
      // The endpoint may be further up this very stack: it and the loop go once the handles have closed.
      core->loop.whenClosed([core, cleanup = std::exchange(cleanup_, nullptr)] {
        if (cleanup) napi_remove_async_cleanup_hook(cleanup);
      });
      if (!collected) Unref();
    }
  }

  static void environmentEnds(napi_async_cleanup_hook_handle, void* self) { static_cast<NativeEndpoint*>(self)->finish(); }

  Napi::Env env_;
  std::shared_ptr<Core> core_;
  bool finished_ = false;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  Napi::ObjectReference handlers_;
  Napi::FunctionReference onMessages_;
  Napi::ObjectReference header_;
  Napi::ObjectReference table_;
  Napi::ObjectReference outbox_;
  Napi::ObjectReference arena_;
  std::byte* headerData_ = nullptr;
  uint32_t* outboxData_ = nullptr;
  BatchSpace space_;
  Bytes text_;
};

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("NativeEndpoint", NativeEndpoint::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(rsm, initialize)

}  // namespace rsm
