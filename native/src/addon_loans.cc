// Zero copy across the binding: Buffers over partitions, sent (loans) and received (views). They are detached before the peer may use the partitions again.
#include <memory>

#include "addon_endpoint.hpp"
#include "addon_values.hpp"
#include "failure.hpp"

namespace rsm::addon {
namespace {

constexpr int kNotNow = 0;
constexpr int kUnable = -1;

/// What a Buffer over partitions holds until its memory is not looked at any more.
struct LoanKeeper {
  std::shared_ptr<SourceChannel> memory;
  std::shared_ptr<Core> core;
  uint64_t loan;
};
struct ViewKeeper {
  std::shared_ptr<TargetChannel> memory;
};

void drop(LoanKeeper* keeper) {
  // Nobody has sent it or given it back, and nobody can any more. A destroyed endpoint knows no loans.
  if (keeper->core->endpoint) keeper->core->endpoint->returnLoan(keeper->loan, true);
  delete keeper;
}
void drop(ViewKeeper* keeper) { delete keeper; }

/// Undefined where this runtime has no Buffers over foreign memory.
template <class Keeper>
Napi::Value bufferOver(Napi::Env env, std::byte* data, std::size_t length, std::unique_ptr<Keeper> keeper) {
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_buffer(
      env, length, data, [](napi_env, void*, void* held) { drop(static_cast<Keeper*>(held)); }, keeper.get(), &buffer);
  if (status == napi_no_external_buffers_allowed) return env.Undefined();
  if (status != napi_ok) throw Napi::Error::New(env);
  keeper.release();
  return Napi::Value(env, buffer);
}

uint64_t loanNumber(const Napi::Value& value) { return static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()); }

}  // namespace

void detach(const Napi::CallbackInfo& info) {
  napi_value memory = nullptr;
  if (napi_get_typedarray_info(info.Env(), info[0], nullptr, nullptr, nullptr, &memory, nullptr) != napi_ok)
    throw Napi::TypeError::New(info.Env(), "only a Buffer can be detached");
  if (napi_detach_arraybuffer(info.Env(), memory) != napi_ok) throw Napi::Error::New(info.Env(), "this Buffer cannot be detached");
}

Napi::Value NativeEndpoint::lend(const Napi::CallbackInfo& info) {
  const auto length = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
  const Endpoint::LendResult result = guarded(env_, [&] { return endpoint().lend(number(info[0]), length); });
  if (result.status == LendStatus::kTooLarge) throw tooLarge(length);
  if (result.status == LendStatus::kLent) return Napi::Number::New(env_, static_cast<double>(result.number));
  return Napi::Number::New(env_, result.status == LendStatus::kNoRoom ? kNotNow : kUnable);
}

Napi::Value NativeEndpoint::lent(const Napi::CallbackInfo& info) {
  const uint64_t loan = loanNumber(info[0]);
  const Endpoint::LentMemory lent = endpoint().lent(loan);
  if (!lent.data) return env_.Undefined();
  const std::size_t length = static_cast<std::size_t>(info[1].As<Napi::Number>().Int64Value());
  return bufferOver(env_, lent.data, length, std::make_unique<LoanKeeper>(LoanKeeper{lent.keeper, core_, loan}));
}

Napi::Value NativeEndpoint::commitLoan(const Napi::CallbackInfo& info) {
  const uint32_t lane = number(info[1]);
  if (lane >= kLanes) throw Napi::RangeError::New(env_, "there is no such lane");
  const SendOptions options{static_cast<uint8_t>(lane), static_cast<uint16_t>(number(info[3])), (number(info[2]) & kFlagWatched) != 0};
  const uint64_t length = number(info[4]);
  const SendResult result = guarded(env_, [&] { return endpoint().commitLoan(loanNumber(info[0]), length, options); });
  if (result.status == SendStatus::kTooLarge) throw Napi::RangeError::New(env_, "the length is larger than the loan");
  return Napi::Number::New(env_, result.status == SendStatus::kCommitted ? static_cast<double>(result.sequence) : 0);
}

void NativeEndpoint::returnLoan(const Napi::CallbackInfo& info) {
  if (core_ && core_->endpoint && !finished_) core_->endpoint->returnLoan(loanNumber(info[0]));
}

void NativeEndpoint::deferCopies(const Napi::CallbackInfo& info) { endpoint().deferCopies(number(info[0])); }

Napi::Value NativeEndpoint::load(const Napi::CallbackInfo& info) {
  if (std::optional<Bytes> own = endpoint().loadOwn(number(info[0]))) return take(std::move(*own));
  const uint32_t offset = number(info[1]);
  return Napi::Boolean::New(env_, endpoint().load(number(info[0]), space_.arena + offset));
}

Napi::Value NativeEndpoint::view(const Napi::CallbackInfo& info) {
  Endpoint::View view = guarded(env_, [&] { return endpoint().view(number(info[0])); });
  const uint32_t start = number(info[1]);
  const uint32_t end = number(info[2]);
  if (!view.data) return env_.Undefined();
  if (start > end || end > view.length) throw Napi::RangeError::New(env_, "the view ends after its message");
  return bufferOver(env_, view.data + start, end - start, std::make_unique<ViewKeeper>(ViewKeeper{std::move(view.keeper)}));
}

}  // namespace rsm::addon
