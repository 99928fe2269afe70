// Every crash point, one after another: the sender dies there, the receiver, both; or is stopped for longer than any time-out.
// Registered only where the points are compiled in: node native/test/run.mjs --define=RSM_CRASH_POINTS crash
#include "crash_point.hpp"
#include "crash_stream.hpp"

#if defined(RSM_CRASH_POINTS)

using namespace check::stream;
namespace crash = rsm::crash;

namespace {

constexpr uint64_t kHandshakeTimeout = 150;  // ms; the only time-out there is
constexpr int kStopped = 300;                // ms
constexpr uint32_t kEnough = 10;             // failures after which no further run begins
constexpr int kSenderDies = 1, kReceiverDies = 2;

struct Job {
  uint32_t point;
  uint64_t passage;
  int victims;  ///< of kSenderDies, kReceiverDies; 0: nobody
  bool stop;
};

using Counts = std::array<std::array<uint64_t, crash::kMaxPoints>, 2>;

/// What became of a job; shared with the process that runs it.
struct Result {
  uint32_t hit = 0;
  uint32_t refused = 0;
  char error[400]{};
};

template <class T>
T* shareable(std::size_t count) {
  void* memory = ::mmap(nullptr, sizeof(T) * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
  return static_cast<T*>(memory);
}

/// Both processes of one job, from the first start of either to the last end.
class Run {
 public:
  Run(const Job& job, Result& result, Counts* counts) : job_(job), result_(result), counts_(counts) {}

  void operator()() {
    l.receiverMayDie = !job_.stop && (job_.victims & kReceiverDies);
    start(kReceiver, true);
    start(kSender, true);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kPatience) + std::chrono::seconds(5);
    while ((pids_[0] || pids_[1]) && !l.failed) {
      for (const Role role : {kSender, kReceiver}) look(role);
      if (std::chrono::steady_clock::now() > deadline) l.fail("the processes do not end");
      ::usleep(300);
    }
    for (pid_t& pid : pids_)
      if (pid) end(pid);
    if (!l.failed) account();
    result_.refused = l.refused[0] + l.refused[1];
    std::snprintf(result_.error, sizeof result_.error, "%s", l.error);
  }

 private:
  bool isVictim(Role role) const { return job_.victims & (role == kSender ? kSenderDies : kReceiverDies); }

  void start(Role role, bool armed) {
    if (role == kReceiver) ++incarnation_;
    pids_[role] = check::inChild([&, this] {
      for (auto& count : crash::passages()) count = 0;
      crash::plan() = armed && isVictim(role) ? crash::Plan{job_.point, job_.passage, job_.stop} : crash::Plan{};
      const check::stream::Held before;
      int code = 1;
      try {
        if (role == kSender) code = Sender(l, folder_.path(), kHandshakeTimeout).run();
        else code = Receiver(l, pathOf(folder_.path(), incarnation_), kHandshakeTimeout).run(incarnation_);
      } catch (const std::exception& error) {
        l.fail(std::string(role == kSender ? "the sender threw: " : "the receiver threw: ") + error.what());
      }
      for (uint32_t i = 0; counts_ && i < crash::kMaxPoints; ++i) (*counts_)[role][i] = crash::passages()[i];
      if (!l.failed && !(Held() == before)) l.fail("a process that ends in order still holds " + Held().text());
      return code;
    });
  }

  void look(Role role) {
    if (!pids_[role]) return;
    int status = 0;
    if (::waitpid(pids_[role], &status, WNOHANG | WUNTRACED) != pids_[role]) return;
    if (WIFSTOPPED(status)) {
      result_.hit = 1;
      ::usleep(kStopped * 1000);
      ::kill(pids_[role], SIGCONT);
      return;
    }
    const bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && isVictim(role) && !job_.stop && !result_.hit;
    pids_[role] = 0;
    if (!died) {
      if (status != 0) l.fail(std::string(role == kSender ? "the sender" : "the receiver") + " ended with status " + std::to_string(status));
      return;
    }
    result_.hit = 1;
    if (role == kReceiver) l.listening = 0;
    const Role other = role == kSender ? kReceiver : kSender;
    if (isVictim(other)) {
      if (pids_[other]) end(pids_[other]);
      l.listening = 0;
      l.resume = kUnreleased;
      sweep();
      start(kReceiver, false);
      start(kSender, false);
      return;
    }
    ++l.deaths[role];
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kPatience);
    while (pids_[other] && l.clean[other] != l.deaths[role] && !l.failed) {
      look(other);
      if (std::chrono::steady_clock::now() > deadline) l.fail("the survivor never finds itself as it was before");
      ::usleep(300);
    }
    if (role == kSender) l.resume = kUncommitted;
    else sweep();
    start(role, false);
  }

  static void end(pid_t& pid) {
    ::kill(pid, SIGKILL);
    check::statusOf(pid);
    pid = 0;
  }

  /// As a finder does: a socket that refuses is nobody's any more. No receiver lives, so nothing may remain.
  void sweep() {
    for (const std::string& file : folder_.files()) {
      const std::string path = folder_.path() + "/" + file;
      const auto refuses = [](const rsm::Failure& f) { return f.error() == ECONNREFUSED; };
      if (check::throws<rsm::Failure>([&] { rsm::ControlSocket::connect(path); }, refuses))
        ::unlink(path.c_str());
      else l.fail("the dead receiver's socket does not refuse: " + file);
    }
  }

  void account() {
    for (uint32_t n = 0; n < kMessages; ++n) {
      if (!l.handled[n]) l.fail(named("lost: message", n));
      if (l.handled[n] > 1 + l.mayRepeat[n]) l.fail(named("handled too often: message", n));
    }
    if (!l.senderDone) l.fail("the sender ended before it was done");
    if (!folder_.files().empty()) l.fail("left behind: " + *folder_.files().begin());
  }

  Job job_;
  Result& result_;
  Counts* counts_;
  check::TemporaryFolder folder_;
  Ledger& l = Ledger::make();
  pid_t pids_[2]{};
  uint32_t incarnation_ = 0;
};

std::string describe(const Job& job) {
  const char* who = job.victims == kSenderDies ? "sender" : job.victims == kReceiverDies ? "receiver" : "both";
  return std::string(crash::names()[job.point]) + ":" + std::to_string(job.passage) + (job.stop ? " stops the " : " kills the ") + who;
}

/// Runs jobs, `atOnce` of them side by side. Returns how many came to their point.
uint32_t runAll(const std::vector<Job>& jobs, std::size_t atOnce, const char* title) {
  Result* results = shareable<Result>(jobs.size() + 1);
  std::map<pid_t, std::size_t> running;
  std::size_t next = 0;
  uint32_t failed = 0;
  while ((next < jobs.size() && failed < kEnough) || !running.empty()) {
    if (next < jobs.size() && failed < kEnough && running.size() < atOnce) {
      const std::size_t job = next++;
      const pid_t pid = check::inChild([&] {
        // Who sleeps when is the scheduler's choice: a first passage that did not come this time comes another time.
        for (int attempt = 0; attempt < 10 && !results[job].hit && !results[job].error[0]; ++attempt) {
          Run(jobs[job], results[job], nullptr)();
          if (jobs[job].passage > 1) break;
        }
        return 0;
      });
      running[pid] = job;
      continue;
    }
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, 0);
    const auto found = running.find(pid);
    if (found == running.end()) continue;
    if (status != 0) std::snprintf(results[found->second].error, sizeof results->error, "its process ended with status %d", status);
    failed += results[found->second].error[0] != 0;
    running.erase(found);
  }
  uint32_t hit = 0, refused = 0;
  for (std::size_t i = 0; i < next; ++i) {
    hit += results[i].hit;
    refused += results[i].refused;
    if (results[i].error[0]) check::fail(__FILE__, __LINE__, describe(jobs[i]) + ": " + results[i].error);
    if (!results[i].hit && jobs[i].passage == 1) check::fail(__FILE__, __LINE__, describe(jobs[i]) + ": it was never passed");
  }
  std::printf("%s: %zu runs, %u came to their point, %u handshakes ran out of time\n", title, next, hit, refused);
  ::munmap(results, sizeof(Result) * (jobs.size() + 1));
  return hit;
}

/// How often either role passes each point when nobody dies.
const Counts& passages() {
  static const Counts& counts = [] () -> const Counts& {
    Counts* shared = shareable<Counts>(1);
    Result* result = shareable<Result>(1);
    check::exitCodeOf(check::inChild([&] {
      Run({crash::kNowhere, 1, 0, false}, *result, shared)();
      return 0;
    }));
    if (result->error[0]) check::fail(__FILE__, __LINE__, std::string("with nobody killed: ") + result->error);
    return *shared;
  }();
  return counts;
}

/// The first passage, one in the middle and a late one: how often a point is passed depends on who sleeps when.
std::set<uint64_t> chosen(uint64_t count) {
  if (count == 0) return {};
  return {1, (count + 1) / 2, std::max<uint64_t>(1, count - count / 8)};
}

std::vector<Job> killsOf(int victims) {
  std::vector<Job> jobs;
  for (uint32_t point = 0; point < crash::names().size(); ++point) {
    const uint64_t count = victims == kSenderDies     ? passages()[kSender][point]
                           : victims == kReceiverDies ? passages()[kReceiver][point]
                                                      : std::max(passages()[kSender][point], passages()[kReceiver][point]);
    for (const uint64_t passage : chosen(count)) jobs.push_back({point, passage, victims, false});
  }
  return jobs;
}

}  // namespace

TEST("crash points: each is passed by a sender or a receiver") {
  for (uint32_t point = 0; point < crash::names().size(); ++point)
    if (!passages()[kSender][point] && !passages()[kReceiver][point])
      check::fail(__FILE__, __LINE__, std::string(crash::names()[point]) + " is never passed");
  std::printf("%zu crash points\n", crash::names().size());
}

TEST("crash points: a sender killed at each leaves whole messages in order, and a receiver that goes on as before") {
  CHECK(runAll(killsOf(kSenderDies), 3, "sender killed") > 0);
}

TEST("crash points: a receiver killed at each leaves every message handled or unfinished, and a sender that goes on as before") {
  CHECK(runAll(killsOf(kReceiverDies), 3, "receiver killed") > 0);
}

TEST("crash points: both killed at each start again, and every message that was not released is handled") {
  CHECK(runAll(killsOf(kSenderDies | kReceiverDies), 3, "both killed") > 0);
}

TEST("crash points: a process stopped at each, for longer than any time-out, is not taken for dead; every message is handled once") {
  std::vector<Job> jobs;
  for (uint32_t point = 0; point < crash::names().size(); ++point)
    for (const Role role : {kSender, kReceiver})
      for (const uint64_t passage : chosen(passages()[role][point]))
        if (passage <= (passages()[role][point] + 1) / 2) jobs.push_back({point, passage, role == kSender ? kSenderDies : kReceiverDies, true});
  CHECK(runAll(jobs, 8, "stopped") > 0);
}

#endif
