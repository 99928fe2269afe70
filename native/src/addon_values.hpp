#pragma once

#include <napi.h>

#include <new>

#include "endpoint.hpp"
#include "failure.hpp"

namespace rsm::addon {

/// An Error with `code`, and with the system error's name in `reason` where there is one.
Napi::Error toJavaScript(Napi::Env env, const Failure& failure);

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

inline uint32_t number(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

/// The options as index.d.ts has them; the layer above has checked them.
EndpointOptions readOptions(const Napi::Object& options);

}  // namespace rsm::addon
