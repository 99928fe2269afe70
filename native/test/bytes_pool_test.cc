#include "bytes_pool.hpp"

#include "check.hpp"

using rsm::BytesPool;

TEST("memory that was given back is used again by lengths near its own, the last one first") {
  BytesPool pool;
  auto first = pool.take(1 << 20);
  auto second = pool.take(1 << 20);
  CHECK(first.empty() && first.capacity() >= 1 << 20);
  first.resize(1 << 20);
  const std::byte* memory[] = {first.data(), second.data()};
  pool.give(std::move(first));
  pool.give(std::move(second));
  CHECK(pool.take((2 << 20) + 1).capacity() > 2 << 20);   // longer: not from these
  CHECK(pool.take(100'000).capacity() < 1 << 20);         // they would be wasted on it
  auto again = pool.take((1 << 20) - 5);
  CHECK(again.data() == memory[1]);
  CHECK(pool.take(600'000).data() == memory[0]);
  CHECK_EQ(pool.kept(), 0);
}

TEST("memory kept for use is bounded, and goes when nobody asks any more") {
  BytesPool pool;
  std::vector<BytesPool::Bytes> taken;
  for (int i = 0; i < 50; ++i) taken.push_back(pool.take(1 << 20));
  for (auto& bytes : taken) pool.give(std::move(bytes));
  CHECK_EQ(pool.kept(), BytesPool::kMost);
  pool.give(pool.take(100));                              // as small as the grain
  pool.give(BytesPool::Bytes(1000));                      // too small to be worth it
  pool.give(pool.take(BytesPool::kMost + 1));             // too large to keep
  CHECK(pool.kept() <= BytesPool::kMost && pool.kept() > BytesPool::kMost / 2);
  pool.trim();
  CHECK(pool.kept() > 0);                                 // used since the last time
  pool.trim();
  CHECK_EQ(pool.kept(), 0);
}
