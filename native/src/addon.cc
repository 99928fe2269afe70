// The binding's class: what JavaScript calls. Only the files named addon* know Node-API.
#include <algorithm>
#include <utility>

#include "addon_endpoint.hpp"
#include "addon_values.hpp"
#include "failure.hpp"

namespace rsm::addon {
namespace {

constexpr std::size_t kHeaderBytes = 64 * 1024;
/// Text up to this length is encoded with room for its longest encoding; beyond, its length in bytes is counted first.
constexpr std::size_t kUncounted = 256 * 1024;

/// As number(), without the wrapper and its exceptions: for the calls that every message makes. The layer above passes numbers only; 0 for others.
uint32_t plainNumber(napi_env env, napi_value value) {
  uint32_t number = 0;
  napi_get_value_uint32(env, value, &number);
  return number;
}

}  // namespace

Napi::Function NativeEndpoint::define(Napi::Env env) {
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
                         InstanceMethod<&NativeEndpoint::lend>("lend"),
                         InstanceMethod<&NativeEndpoint::lent>("lent"),
                         InstanceMethod<&NativeEndpoint::commitLoan>("commitLoan"),
                         InstanceMethod<&NativeEndpoint::returnLoan>("returnLoan"),
                         InstanceMethod<&NativeEndpoint::deferCopies>("deferCopies"),
                         InstanceMethod<&NativeEndpoint::load>("load"),
                         InstanceMethod<&NativeEndpoint::view>("view"),
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

NativeEndpoint::NativeEndpoint(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
  const EndpointOptions options = readOptions(info[0].As<Napi::Object>());
  handlers_ = Napi::Persistent(info[1].As<Napi::Object>());
  onMessages_ = Napi::Persistent(info[1].As<Napi::Object>().Get("onMessages").As<Napi::Function>());

  const auto none = Napi::Array::New(env_, 0);
  noBuffers_ = Napi::Persistent(none.As<Napi::Object>());

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

void NativeEndpoint::listen(const Napi::CallbackInfo& info) {
  std::optional<uint32_t> gid;
  if (info[1].IsNumber()) gid = number(info[1]);
  guarded(env_, [&] { endpoint().listen(info[0].As<Napi::String>().Utf8Value(), gid); });
}

void NativeEndpoint::stopListening(const Napi::CallbackInfo&) { endpoint().stopListening(); }

Napi::Value NativeEndpoint::connect(const Napi::CallbackInfo& info) {
  return Napi::Number::New(env_, guarded(env_, [&] { return endpoint().connect(info[0].As<Napi::String>().Utf8Value()); }));
}

Napi::Value NativeEndpoint::send(const Napi::CallbackInfo& info) {
  MessageParts message;
  message.header = headerData_;
  message.headerLength = plainNumber(env_, info[4]);
  if (message.headerLength > kHeaderBytes) throw Napi::RangeError::New(env_, "headerLength is larger than the header buffer");
  readPayload(info[5], message);
  const uint32_t lane = plainNumber(env_, info[1]);
  if (lane >= kLanes) throw Napi::RangeError::New(env_, "there is no such lane");
  const SendOptions options{static_cast<uint8_t>(lane), static_cast<uint16_t>(plainNumber(env_, info[3])),
                            (plainNumber(env_, info[2]) & kFlagWatched) != 0};
  const SendResult result = guarded(env_, [&] { return endpoint().send(plainNumber(env_, info[0]), message, options); });
  if (result.status == SendStatus::kTooLarge) throw tooLarge(message.length());
  return Napi::Number::New(env_, result.status == SendStatus::kCommitted ? static_cast<double>(result.sequence) : 0);
}

Napi::Value NativeEndpoint::sendBatch(const Napi::CallbackInfo& info) {
  const auto packed = info[2].As<Napi::Uint8Array>();
  const auto lengthsArray = info[3].As<Napi::Uint32Array>();
  const SendOptions options{static_cast<uint8_t>(std::min(number(info[1]), kLanes - 1)), 0, false};
  const uint32_t* lengths = lengthsArray.Data();
  const auto count = static_cast<uint32_t>(lengthsArray.ElementLength());
  const uint32_t first = std::min(number(info[4]), count);
  uint64_t before = 0;
  uint64_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (i == first) before = total;
    total += lengths[i];
  }
  if (total > packed.ByteLength()) throw Napi::RangeError::New(env_, "the lengths add up to more than the packed bytes");
  if (first == count) return Napi::Number::New(env_, 0);
  const PackedMessages messages{reinterpret_cast<const std::byte*>(packed.Data()) + before, lengths + first, count - first};
  const BatchResult result = guarded(env_, [&] { return endpoint().sendBatch(number(info[0]), messages, options); });
  // What was committed before it must be known to be: it throws when it is the first one.
  if (result.status == SendStatus::kTooLarge && result.committed == 0) throw tooLarge(messages.lengths[0]);
  return Napi::Number::New(env_, result.committed);
}

void NativeEndpoint::schedule(const Napi::CallbackInfo&) { endpoint().schedule(); }
void NativeEndpoint::flush(const Napi::CallbackInfo&) { endpoint().flush(); }
void NativeEndpoint::start(const Napi::CallbackInfo& info) { endpoint().start(number(info[0]), true); }
void NativeEndpoint::unstart(const Napi::CallbackInfo& info) { endpoint().start(number(info[0]), false); }
void NativeEndpoint::returnUnstarted(const Napi::CallbackInfo&) { endpoint().returnUnstarted(); }
void NativeEndpoint::notice(const Napi::CallbackInfo& info) { endpoint().notice(number(info[0])); }
void NativeEndpoint::closeConnection(const Napi::CallbackInfo& info) { endpoint().close(number(info[0])); }
void NativeEndpoint::trim(const Napi::CallbackInfo&) {
  endpoint().trim();
  pool_->trim();
}

void NativeEndpoint::keepAlive(const Napi::CallbackInfo&) {
  if (!finished_) core_->loop.keepAlive(true);
}

void NativeEndpoint::letDie(const Napi::CallbackInfo&) {
  if (!finished_) core_->loop.keepAlive(false);
}

Napi::Value NativeEndpoint::inFlight(const Napi::CallbackInfo& info) {
  return Napi::Number::New(env_, static_cast<double>(endpoint().inFlight(number(info[0]))));
}

Napi::Value NativeEndpoint::largestSpan(const Napi::CallbackInfo& info) {
  return Napi::Number::New(env_, static_cast<double>(endpoint().largestSpan(number(info[0]))));
}

Napi::Value NativeEndpoint::sending(const Napi::CallbackInfo& info) { return Napi::Boolean::New(env_, endpoint().sending(number(info[0]))); }
void NativeEndpoint::destroy(const Napi::CallbackInfo&) { finish(); }

Endpoint& NativeEndpoint::endpoint() {
  if (!core_ || !core_->endpoint || finished_) throw toJavaScript(env_, Failure(codes::kConnectionLost, "the endpoint is closed"));
  return *core_->endpoint;
}

Napi::Error NativeEndpoint::tooLarge(uint64_t length) {
  return toJavaScript(env_, Failure(codes::kMessageTooLarge, "a message of " + std::to_string(length) +
                                                                 " bytes is longer than the receiver's maxMessageSize"));
}

void NativeEndpoint::readPayload(napi_value value, MessageParts& message) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env_, value, &type);
  if (type == napi_string) {
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
  } else if (type != napi_undefined) {
    void* data = nullptr;
    std::size_t length = 0;
    if (napi_get_buffer_info(env_, value, &data, &length) != napi_ok) throw Napi::TypeError::New(env_, "a payload is a string or a Uint8Array");
    message.payload = static_cast<const std::byte*>(data);
    message.payloadLength = length;
  }
}

void NativeEndpoint::finish(bool collected) {
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

void NativeEndpoint::environmentEnds(napi_async_cleanup_hook_handle, void* self) { static_cast<NativeEndpoint*>(self)->finish(); }

}  // namespace rsm::addon

namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("NativeEndpoint", rsm::addon::NativeEndpoint::define(env));
  exports.Set("detach", Napi::Function::New<rsm::addon::detach>(env, "detach"));
  return exports;
}

NODE_API_MODULE(rsm, initialize)

}  // namespace
