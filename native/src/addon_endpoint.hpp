#pragma once

#include <napi.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "bytes_pool.hpp"
#include "endpoint.hpp"
#include "uv_loop.hpp"

namespace rsm::addon {

/// Settlements that the outbox holds; index.d.ts says the same.
inline constexpr uint32_t kOutboxPairs = 4095;
/// Flag of send() and commitLoan(): report the release.
inline constexpr uint32_t kFlagWatched = 1;

/// The loop and the endpoint on it. Shared, so that a callback that destroys the JavaScript object still stands on firm ground.
struct Core {
  explicit Core(uv_loop_t* loop) : loop(loop) {}
  UvLoop loop;
  std::unique_ptr<Endpoint> endpoint;
};

/// The class that JavaScript sees; index.d.ts has the docstrings. It turns calls into calls of Endpoint (addon.cc, addon_tables.cc), and what
/// Endpoint observes into calls of handlers (addon_observer.cc).
class NativeEndpoint final : public Napi::ObjectWrap<NativeEndpoint>, public EndpointObserver {
 public:
  static Napi::Function define(Napi::Env env);

  explicit NativeEndpoint(const Napi::CallbackInfo& info);
  ~NativeEndpoint() override { finish(true); }

  BatchSpace batchSpace() override;
  BatchSpace growArena(std::size_t size) override;
  Bytes ownMemory(std::size_t size) override { return pool_->take(size); }
  void onMessages(uint32_t count, std::vector<Bytes>& owned) override;
  void onConnection(uint32_t id, const Peer& peer) override;
  void onWritable(uint32_t id) override;
  void onReleases(std::vector<Report>& reports) override;
  void onNotice(uint32_t id, uint32_t code) override;
  void onHangup(uint32_t id) override;
  void onLoanLost(uint32_t id) override;
  void onClosed(uint32_t id, const char* code, const std::string& reason, std::vector<UnfinishedMessage>& unfinished) override;
  void takeOutbox() override;

 private:
  // Methods that JavaScript calls.
  Napi::Value header(const Napi::CallbackInfo&) { return header_.Value(); }
  Napi::Value table(const Napi::CallbackInfo&) { return table_.Value(); }
  Napi::Value outbox(const Napi::CallbackInfo&) { return outbox_.Value(); }
  void listen(const Napi::CallbackInfo& info);
  void stopListening(const Napi::CallbackInfo&);
  Napi::Value connect(const Napi::CallbackInfo& info);
  Napi::Value send(const Napi::CallbackInfo& info);
  Napi::Value sendBatch(const Napi::CallbackInfo& info);
  // addon_loans.cc
  Napi::Value lend(const Napi::CallbackInfo& info);
  Napi::Value lent(const Napi::CallbackInfo& info);
  Napi::Value commitLoan(const Napi::CallbackInfo& info);
  void returnLoan(const Napi::CallbackInfo& info);
  void deferCopies(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value view(const Napi::CallbackInfo& info);

  void schedule(const Napi::CallbackInfo&);
  void flush(const Napi::CallbackInfo&);
  void start(const Napi::CallbackInfo& info);
  void unstart(const Napi::CallbackInfo& info);
  void returnUnstarted(const Napi::CallbackInfo&);
  void notice(const Napi::CallbackInfo& info);
  Napi::Value inFlight(const Napi::CallbackInfo& info);
  Napi::Value largestSpan(const Napi::CallbackInfo& info);
  Napi::Value sending(const Napi::CallbackInfo& info);
  void closeConnection(const Napi::CallbackInfo& info);
  void destroy(const Napi::CallbackInfo&);
  void trim(const Napi::CallbackInfo&);
  void keepAlive(const Napi::CallbackInfo&);
  void letDie(const Napi::CallbackInfo&);
  Napi::Value tables(const Napi::CallbackInfo&);
  Napi::Value directory(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo&);

  /// Throws RSM_CONNECTION_LOST once it is destroyed.
  Endpoint& endpoint();
  Napi::Error tooLarge(uint64_t length);
  void readPayload(napi_value value, MessageParts& message);
  Napi::Value copy(const std::vector<std::byte>& bytes);
  Napi::Value take(Bytes bytes);
  void invoke(const char* name, std::initializer_list<napi_value> args);

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

  void finish(bool collected = false);
  static void environmentEnds(napi_async_cleanup_hook_handle, void* self);

  Napi::Env env_;
  std::shared_ptr<Core> core_;
  bool finished_ = false;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  Napi::ObjectReference handlers_;
  Napi::FunctionReference onMessages_;
  Napi::ObjectReference noBuffers_;  ///< an empty array: what most batches have
  Napi::ObjectReference header_;
  Napi::ObjectReference table_;
  Napi::ObjectReference outbox_;
  Napi::ObjectReference arena_;
  std::byte* headerData_ = nullptr;
  uint32_t* outboxData_ = nullptr;
  BatchSpace space_;
  /// Shared with the Buffers made of its memory, which may outlive this object.
  std::shared_ptr<BytesPool> pool_ = std::make_shared<BytesPool>();
  Bytes text_;
};

/// detach(buffer): whoever still holds it finds 0 bytes.
void detach(const Napi::CallbackInfo& info);

}  // namespace rsm::addon
