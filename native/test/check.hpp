#pragma once

// A small test harness: TEST("promise") { CHECK(condition); CHECK_EQ(actual, expected); }
// The binary runs every test whose promise contains the filter given as its argument (all without one), prints what
// failed and ends with one line: `N passed, N failed`. A failed CHECK is recorded and the test goes on; an exception ends
// its test as failed.

#include <cstddef>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace check {

struct Test {
  const char* promise;
  const char* file;
  int line;
  void (*body)();
};

// Function statics, so that registration works whatever order the test files are initialised in.
inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

inline std::vector<std::string>& failures() {
  static std::vector<std::string> of_this_test;
  return of_this_test;
}

struct Registration {
  Registration(const char* promise, const char* file, int line, void (*body)()) {
    tests().push_back({promise, file, line, body});
  }
};

inline void fail(const char* file, int line, const std::string& what) {
  std::ostringstream text;
  text << file << ':' << line << ": " << what;
  failures().push_back(text.str());
}

template <typename T>
std::string shown(const T& value) {
  std::ostringstream text;
  if constexpr (std::is_same_v<T, bool>) {
    text << (value ? "true" : "false");
  } else if constexpr (std::is_enum_v<T>) {
    text << static_cast<long long>(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_same_v<T, signed char> || std::is_same_v<T, unsigned char>) {
    text << static_cast<int>(value);
  } else if constexpr (std::is_same_v<std::remove_cv_t<T>, std::nullptr_t>) {
    text << "nullptr";
  } else if constexpr (requires(std::ostream& out) { out << value; }) {
    text << value;
  } else if constexpr (requires { value.has_value(); *value; }) {
    text << (value.has_value() ? shown(*value) : "nothing");
  } else if constexpr (requires { value.begin(); value.end(); }) {
    text << '[';
    const char* separator = "";
    for (const auto& element : value) {
      text << separator << shown(element);
      separator = ", ";
    }
    text << ']';
  } else {
    text << "(a value of " << sizeof(T) << " bytes)";
  }
  return text.str();
}

// Integers are compared by value, so that CHECK_EQ(vector.size(), 3) neither warns nor wraps.
template <typename A, typename B>
bool equal(const A& actual, const B& expected) {
  constexpr bool integers = std::is_integral_v<A> && std::is_integral_v<B> && !std::is_same_v<A, bool> &&
                            !std::is_same_v<B, bool> && !std::is_same_v<A, char> && !std::is_same_v<B, char>;
  if constexpr (integers) {
    return std::cmp_equal(actual, expected);
  } else {
    return actual == expected;
  }
}

template <typename A, typename B>
void check_equal(const char* file, int line, const char* expression, const A& actual, const B& expected) {
  if (!equal(actual, expected)) fail(file, line, std::string(expression) + " is " + shown(actual) + ", expected " + shown(expected));
}

// Whether `action` throws an E for which `matches` holds.
template <typename E>
bool throws(const std::function<void()>& action, const std::function<bool(const E&)>& matches = [](const E&) { return true; }) {
  try {
    action();
  } catch (const E& error) {
    return matches(error);
  }
  return false;
}

inline int run(int argc, char** argv) {
  const std::string filter = argc > 1 ? argv[1] : "";
  int passed = 0;
  int failed = 0;
  for (const Test& test : tests()) {
    if (std::string(test.promise).find(filter) == std::string::npos) continue;
    failures().clear();
    try {
      test.body();
    } catch (const std::exception& error) {
      fail(test.file, test.line, std::string("threw ") + error.what());
    } catch (...) {
      fail(test.file, test.line, "threw something that is no std::exception");
    }
    if (failures().empty()) {
      ++passed;
      continue;
    }
    ++failed;
    std::printf("FAILED: %s\n", test.promise);
    for (const std::string& failure : failures()) std::printf("  %s\n", failure.c_str());
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  std::fflush(stdout);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace check

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)
#define CHECK_TEST_(name, promise)                                                                 \
  static void name();                                                                              \
  static const ::check::Registration CHECK_JOIN(name, _registered)(promise, __FILE__, __LINE__, name); \
  static void name()
#define TEST(promise) CHECK_TEST_(CHECK_JOIN(test_on_line_, __LINE__), promise)
#define CHECK(...) \
  do { \
    if (!(__VA_ARGS__)) ::check::fail(__FILE__, __LINE__, #__VA_ARGS__ " does not hold"); \
  } while (false)
#define CHECK_EQ(actual, ...) ::check::check_equal(__FILE__, __LINE__, #actual, actual, __VA_ARGS__)
#define CHECK_THROWS(type, ...) CHECK(::check::throws<type>([&] { (void)(__VA_ARGS__); }))
