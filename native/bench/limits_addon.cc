// What the benchmark measures the segments against, in the same binding style as addon.cc: a bare ring polled by idle and check handles,
// one callback per batch with offsets into a reused arena, and memory itself. Built by build.mjs for the benchmark alone.
#include <fcntl.h>
#include <napi.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include <chrono>
#include <vector>

#include "shared_ring.hpp"

namespace rsm::bench {
namespace {

constexpr uint32_t kRows = 256;
constexpr uint32_t kRowWords = 8;
constexpr std::size_t kArena = 1 << 20;

uint64_t nanoseconds() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

/// new Ring(path of the memory, bytes, which of its halves this end writes, onMessages(count, arena)). Half of the memory for each direction.
class Ring final : public Napi::ObjectWrap<Ring> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Ring",
                       {InstanceAccessor<&Ring::table>("table"), InstanceMethod<&Ring::send>("send"),
                        InstanceMethod<&Ring::sendBatch>("sendBatch"), InstanceMethod<&Ring::close>("close")});
  }

  explicit Ring(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
    const std::string path = info[0].As<Napi::String>().Utf8Value();
    size_ = static_cast<std::size_t>(info[1].As<Napi::Number>().Int64Value());
    const bool second = info[2].As<Napi::Number>().Uint32Value() == 1;
    onMessages_ = Napi::Persistent(info[3].As<Napi::Function>());
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) throw Napi::Error::New(env_, "the ring's memory cannot be opened");
    memory_ = static_cast<std::byte*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    ::close(fd);
    if (memory_ == MAP_FAILED) throw Napi::Error::New(env_, "the ring's memory cannot be mapped");
    const std::size_t half = size_ / 2;
    writer_ = std::make_unique<RingWriter>(memory_ + (second ? half : 0), half);
    reader_ = std::make_unique<RingReader>(memory_ + (second ? 0 : half), half);

    auto table = Napi::Uint32Array::New(env_, kRows * kRowWords);
    rows_ = table.Data();
    table_ = Napi::Persistent(table.As<Napi::Object>());
    const auto arena = Napi::Buffer<uint8_t>::New(env_, kArena * 2);
    arenaData_ = reinterpret_cast<std::byte*>(arena.Data());
    arena_ = Napi::Persistent(arena.As<Napi::Object>());

    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env_, &loop);
    turner_ = new Turner;
    turner_->ring = this;
    uv_idle_init(loop, &turner_->idle);
    uv_check_init(loop, &turner_->check);
    turner_->check.data = turner_;
    uv_idle_start(&turner_->idle, [](uv_idle_t*) {});
    uv_check_start(&turner_->check, [](uv_check_t* handle) {
      if (Ring* ring = static_cast<Turner*>(handle->data)->ring) ring->turn();
    });
    Ref();
  }

 private:
  struct Turner {
    uv_idle_t idle;
    uv_check_t check;
    Ring* ring;
    int open = 2;
  };

  Napi::Value table(const Napi::CallbackInfo&) { return table_.Value(); }

  Napi::Value send(const Napi::CallbackInfo& info) {
    void* data = nullptr;
    std::size_t length = 0;
    if (napi_get_buffer_info(env_, info[0], &data, &length) != napi_ok) throw Napi::TypeError::New(env_, "a payload is a Uint8Array");
    return Napi::Boolean::New(env_, writer_->write(static_cast<const std::byte*>(data), length));
  }

  /// As NativeEndpoint.sendBatch: messages one after another in `packed`, from the one with the index `first`; returns how many found room.
  Napi::Value sendBatch(const Napi::CallbackInfo& info) {
    const auto packed = info[0].As<Napi::Uint8Array>();
    const auto lengths = info[1].As<Napi::Uint32Array>();
    const uint32_t first = info[2].As<Napi::Number>().Uint32Value();
    const auto* at = reinterpret_cast<const std::byte*>(packed.Data());
    const uint32_t* sizes = lengths.Data();
    const auto count = static_cast<uint32_t>(lengths.ElementLength());
    uint32_t sent = 0;
    for (uint32_t i = 0; i < count; ++i) {
      if (i >= first) {
        if (!writer_->write(at, sizes[i])) break;
        ++sent;
      }
      at += sizes[i];
    }
    return Napi::Number::New(env_, sent);
  }

  void close(const Napi::CallbackInfo&) {
    if (!turner_) return;
    turner_->ring = nullptr;
    const uv_close_cb closed = [](uv_handle_t* handle) {
      auto* turner = static_cast<Turner*>(handle->data);
      if (--turner->open == 0) delete turner;
    };
    turner_->idle.data = turner_;
    uv_close(reinterpret_cast<uv_handle_t*>(&turner_->idle), closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&turner_->check), closed);
    turner_ = nullptr;
    ::munmap(memory_, size_);
    Unref();
  }

  void turn() {
    uint32_t rows = 0;
    std::size_t used = 0;
    reader_->read([&](const std::byte* bytes, uint64_t length) {
      if (rows == kRows || (rows && used + length > kArena)) return false;
      std::memcpy(arenaData_ + used, bytes, length);
      uint32_t* row = rows_ + rows++ * kRowWords;
      row[4] = static_cast<uint32_t>(used);
      row[5] = static_cast<uint32_t>(length);
      used += length;
      return true;
    });
    if (!rows) return;
    reader_->release();
    Napi::HandleScope scope(env_);
    onMessages_.MakeCallback(env_.Global(), {Napi::Number::New(env_, rows), arena_.Value()});
  }

  Napi::Env env_;
  std::size_t size_ = 0;
  std::byte* memory_ = nullptr;
  std::unique_ptr<RingWriter> writer_;
  std::unique_ptr<RingReader> reader_;
  Napi::FunctionReference onMessages_;
  Napi::ObjectReference table_;
  Napi::ObjectReference arena_;
  uint32_t* rows_ = nullptr;
  std::byte* arenaData_ = nullptr;
  Turner* turner_ = nullptr;
};

/// createMemory(bytes): the descriptor of shared memory that other processes open through /proc.
Napi::Value createMemory(const Napi::CallbackInfo& info) {
  const int fd = ::memfd_create("rsm-bench", MFD_CLOEXEC);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(info[0].As<Napi::Number>().Int64Value())) != 0)
    throw Napi::Error::New(info.Env(), "no shared memory can be made");
  return Napi::Number::New(info.Env(), fd);
}

/// memcpyRate(message bytes, footprint bytes, milliseconds): bytes per second of one core that copies one private message again and again,
/// each time to the next place of so much shared memory, as a sender does, and from there into one private place, as a receiver does; the
/// slower of both is what a channel could reach.
Napi::Value memcpyRate(const Napi::CallbackInfo& info) {
  const auto message = static_cast<std::size_t>(info[0].As<Napi::Number>().Int64Value());
  const auto footprint = static_cast<std::size_t>(info[1].As<Napi::Number>().Int64Value());
  const auto time = static_cast<uint64_t>(info[2].As<Napi::Number>().DoubleValue() * 1e6);
  auto* shared = static_cast<std::byte*>(::mmap(nullptr, footprint, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (shared == MAP_FAILED) throw Napi::Error::New(info.Env(), "no memory");
  std::memset(shared, 1, footprint);
  std::vector<std::byte> own(message, std::byte{2});
  const std::size_t places = footprint / message;
  double slowest = 0;
  for (const bool out : {true, false}) {
    uint64_t copies = 0;
    std::size_t place = 0;
    const uint64_t began = nanoseconds();
    uint64_t now = began;
    while (now - began < time / 2) {
      for (int i = 0; i < 16; ++i) {
        std::byte* there = shared + place * message;
        if (out) std::memcpy(there, own.data(), message);
        else std::memcpy(own.data(), there, message);
        asm volatile("" ::: "memory");
        if (++place == places) place = 0;
      }
      copies += 16;
      now = nanoseconds();
    }
    const double rate = static_cast<double>(copies) * static_cast<double>(message) / (static_cast<double>(now - began) / 1e9);
    if (slowest == 0 || rate < slowest) slowest = rate;
  }
  ::munmap(shared, footprint);
  return Napi::Number::New(info.Env(), slowest);
}

/// sum(buffer, offset, length): reads every byte, as fast as memory gives them; the sum of its 64-bit words and of the bytes that are left.
Napi::Value sum(const Napi::CallbackInfo& info) {
  void* data = nullptr;
  std::size_t size = 0;
  napi_get_buffer_info(info.Env(), info[0], &data, &size);
  const std::size_t offset = info[1].As<Napi::Number>().Uint32Value();
  const std::size_t length = info[2].As<Napi::Number>().Uint32Value();
  if (offset + length > size) throw Napi::RangeError::New(info.Env(), "beyond the buffer");
  const auto* at = static_cast<const unsigned char*>(data) + offset;
  uint64_t total = 0;
  std::size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    std::memcpy(&word, at + i, 8);
    total += word;
  }
  for (; i < length; ++i) total += at[i];
  return Napi::Number::New(info.Env(), static_cast<double>(total & 0xffffffffffffu));
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("Ring", Ring::define(env));
  exports.Set("createMemory", Napi::Function::New(env, createMemory));
  exports.Set("memcpyRate", Napi::Function::New(env, memcpyRate));
  exports.Set("sum", Napi::Function::New(env, sum));
  return exports;
}

}  // namespace

NODE_API_MODULE(limits, initialize)

}  // namespace rsm::bench
