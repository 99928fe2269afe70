// docs/protocol.md and layout.hpp must say the same.
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "check.hpp"
#include "layout.hpp"

namespace {

using namespace rsm::layout;

std::string row(const char* structure, const char* word, std::size_t offset, std::size_t size, const char* writer) {
  return std::string("| ") + structure + " | " + word + " | " + std::to_string(offset) + " | " + std::to_string(size) + " | " + writer + " |";
}

#define WORD(structure, word, writer) row(#structure, #word, offsetof(structure, word), sizeof(structure::word), writer)

std::set<std::string> rowsOfTheCode() {
  return {
      WORD(TargetHeader, senderWaits, "sender"), WORD(OrderSlot, body, "sender"),        WORD(OrderSlot, sequence, "sender"),
      WORD(DirectoryEntry, word0, "sender"),     WORD(DirectoryEntry, word1, "sender"),  WORD(ReleaseHeader, sleeping, "receiver"),
      WORD(ReleaseRecord, body, "receiver"),     WORD(ReleaseRecord, stamp, "receiver"), row("StartedWord", "sequence", 0, sizeof(StartedWord), "receiver"),
  };
}

std::set<std::string> rowsOfTheDocs() {
  const std::string here = __FILE__;
  std::ifstream file(here.substr(0, here.rfind("test/layout_test.cc")) + "../docs/protocol.md");
  std::set<std::string> rows;
  bool inTable = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "| struct | word | offset | size | writer |") inTable = true;
    else if (inTable && line.empty()) inTable = false;
    else if (inTable && line.rfind("| ---", 0) != 0) rows.insert(line);
  }
  return rows;
}

}  // namespace

TEST("docs/protocol.md lists the shared words that layout.hpp defines: offset, size and writer") {
  const auto docs = rowsOfTheDocs();
  const auto code = rowsOfTheCode();
  CHECK(!docs.empty());
  for (const auto& r : code) CHECK_EQ(docs.count(r) ? std::string() : r, std::string());
  for (const auto& r : docs) CHECK_EQ(code.count(r) ? std::string() : r, std::string());
}

TEST("an arm is never 0, and tells what was seen from what was not, over the wrap of 32 bits") {
  for (const uint64_t expected : {uint64_t{0}, uint64_t{1}, uint64_t{0x7fffffff}, uint64_t{0xffffffff}, uint64_t{1} << 32, (uint64_t{1} << 40) + 5}) {
    const uint64_t word = arm(1, expected);
    CHECK(word != 0);
    CHECK_EQ(generationOf(word), 1u);
    CHECK(!beyond(word, expected));
    CHECK(beyond(word, expected + 1));
    CHECK(beyond(word, expected + 0x7fffffff));
    if (expected > 0) CHECK(!beyond(word, expected - 1));
  }
  CHECK_EQ(generationOf(arm(0xffffffff, 7)), 0xffffffffu);
}

TEST("words that are polled apart stand two cache lines apart") {
  CHECK_EQ(sizeof(TargetHeader), std::size_t{128});
  CHECK_EQ(sizeof(ReleaseHeader), std::size_t{128});
  CHECK_EQ(kOrderRingOffset, std::size_t{128});
  CHECK_EQ(kReleaseRingOffset, std::size_t{128});
}
