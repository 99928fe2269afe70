#pragma once

// Comes before everything else in each file of a fuzzing build (-include): the shared words of layout.hpp become atomics whose loads
// can be watched. So a harness rewrites shared memory between any two reads, the same way each time its input is run, and sees
// which words were read, and as what. Nothing else about the data plane changes.

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fuzz {

class LoadObserver {
 public:
  virtual ~LoadObserver() = default;
  virtual void before(const void* word) = 0;
  virtual void after(const void* word, uint64_t value) = 0;
};

inline LoadObserver* loadObserver = nullptr;

}  // namespace fuzz

namespace std {

template <class T>
struct observed_atomic : atomic<T> {
  T load(memory_order order = memory_order_seq_cst) const {
    if (fuzz::loadObserver) fuzz::loadObserver->before(this);
    const T value = atomic<T>::load(order);
    if (fuzz::loadObserver) fuzz::loadObserver->after(this, value);
    return value;
  }
};

}  // namespace std

#define atomic observed_atomic
#include "../src/interconnect.hpp"
#include "../src/layout.hpp"
#undef atomic
