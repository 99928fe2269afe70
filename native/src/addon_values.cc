// What crosses the binding as plain values: errors and options.
#include "addon_values.hpp"

#include <uv.h>

#include <string>
#include <vector>

namespace rsm::addon {
namespace {

std::vector<uint32_t> numbers(const Napi::Value& value) {
  std::vector<uint32_t> out;
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) out.push_back(number(list.Get(i)));
  return out;
}

}  // namespace

Napi::Error toJavaScript(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  error.Set("code", Napi::String::New(env, failure.code()));
  if (failure.error()) error.Set("reason", Napi::String::New(env, uv_err_name(uv_translate_sys_error(failure.error()))));
  return error;
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
  const Napi::Value ownFrom = o.Get("ownFrom");
  if (ownFrom.IsNumber()) options.ownFrom = static_cast<uint64_t>(ownFrom.As<Napi::Number>().Int64Value());
  return options;
}

}  // namespace rsm::addon
