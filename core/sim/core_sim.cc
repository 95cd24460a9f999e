// core_sim: runs seeds of the simulation.
//
//     core_sim --seeds N [--start S] [--jobs J] [--twice]    runs S .. S+N-1; prints what failed
//     core_sim --seed X [--trace] [--steps N] [--without a,b]    runs one
//     core_sim --shrink X                                    the smallest run of X that still fails
//     core_sim --file F                                      runs the seeds listed in F
//
// Each worker is a process of its own, so that a check of the engine that ends one is a finding
// like any other: the seed is noted in memory they share.

#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/sim/world.h"

namespace livestore::sim {
namespace {

constexpr time_t kSeedSecondsMax = 30;  // Of the processor: a busy machine is no finding.
constexpr size_t kMessageBytesMax = 4096;
constexpr size_t kFailuresShownMax = 20;

// What a worker leaves behind, whatever becomes of it.
struct Shared {
  uint64_t seed;
  uint64_t done;
  uint64_t failed;
  uint32_t finished;
  int32_t law;
  char message[kMessageBytesMax];
};

struct Arguments {
  uint64_t start = 1;
  uint64_t seeds = 0;
  uint64_t jobs = 1;
  bool twice = false;
  bool statistics = false;
  std::optional<uint64_t> shrink;
  std::optional<std::string> file;
  bool single = false;
  WorldOptions world;
};

std::string Command(const WorldOptions& options) {
  std::string command = "core_sim --seed " + std::to_string(options.seed);
  if (options.steps) command += " --steps " + std::to_string(*options.steps);
  std::string without;
  for (size_t i = 0; i < static_cast<size_t>(Spice::kCount); ++i) {
    if ((options.without & (uint64_t{1} << i)) == 0) continue;
    without += (without.empty() ? "" : ",") + std::string(SpiceName(static_cast<Spice>(i)));
  }
  if (!without.empty()) command += " --without " + without;
  return command;
}

Shared& MakeShared() {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return *static_cast<Shared*>(memory);
}

// From now on this process may work for kSeedSecondsMax, and is ended then.
void LimitSeed() {
  const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = kSeedSecondsMax, .tv_usec = 0}};
  if (setitimer(ITIMER_VIRTUAL, &limit, nullptr) != 0) std::abort();
}

void Note(Shared& shared, const Violation& violation) {
  shared.law = violation.law;
  std::snprintf(shared.message, sizeof shared.message, "%s", violation.message.c_str());
}

// Runs one world in a process of its own. Nullopt: no law was broken.
std::optional<Violation> RunApart(const WorldOptions& options, Shared& shared, bool quiet,
                                  uint32_t* steps_run = nullptr) {
  std::memset(&shared, 0, sizeof shared);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (quiet && std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
    LimitSeed();
    World world(options);
    const WorldReport report = world.Run();
    shared.done = report.steps_run;
    if (report.violation) Note(shared, *report.violation);
    shared.finished = 1;
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (steps_run != nullptr) *steps_run = static_cast<uint32_t>(shared.done);
  if (shared.finished == 0) {
    const int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return Violation{0, number == SIGVTALRM ? "it never ends"
                                            : "the process ended by signal " +
                                                  std::to_string(number) + " (a check, or worse)"};
  }
  if (shared.law == 0) return std::nullopt;
  return Violation{shared.law, shared.message};
}

void Print(const WorldOptions& options, const Violation& violation) {
  std::printf("law %d: %s\n    replay: %s --trace\n", violation.law, violation.message.c_str(),
              Command(options).c_str());
  std::fflush(stdout);
}

// Fewer steps by bisection, then fewer spices one by one, then fewer steps again. The failure may
// become another one on the way; each is worth having.
int Shrink(WorldOptions options) {
  Shared& shared = MakeShared();
  uint32_t steps_run = 0;
  std::optional<Violation> last = RunApart(options, shared, true, &steps_run);
  if (!last) {
    std::printf("seed %llu breaks no law\n", static_cast<unsigned long long>(options.seed));
    return 0;
  }
  const auto fails = [&](const WorldOptions& tried) {
    const std::optional<Violation> violation = RunApart(tried, shared, true);
    if (violation && violation->law == last->law) {
      last = violation;
      return true;
    }
    return false;
  };
  const auto fewer_steps = [&] {
    uint32_t low = 0;
    uint32_t high = options.steps ? *options.steps : 300;
    while (low < high) {
      WorldOptions tried = options;
      tried.steps = low + (high - low) / 2;
      if (fails(tried)) {
        high = *tried.steps;
        options = tried;
      } else {
        low = *tried.steps + 1;
      }
    }
  };
  fewer_steps();
  for (size_t i = 0; i < static_cast<size_t>(Spice::kCount); ++i) {
    WorldOptions tried = options;
    tried.without |= uint64_t{1} << i;
    if (fails(tried)) options = tried;
  }
  fewer_steps();
  Print(options, *last);
  return 1;
}

// One worker: every `jobs`-th seed from `first`, from where the last one ended.
void Work(const Arguments& arguments, uint64_t first, uint64_t end, Shared& shared) {
  std::map<std::string, uint64_t> counts;
  for (uint64_t seed = first; seed < end; seed += arguments.jobs) {
    shared.seed = seed;
    LimitSeed();
    WorldOptions options = arguments.world;
    options.seed = seed;
    WorldReport report = World(options).Run();
    if (arguments.twice && !report.violation) {
      const WorldReport again = World(options).Run();
      if (again.trace_hash != report.trace_hash) {
        report.violation = Violation{10, "a second run of the seed took another way"};
      }
    }
    if (report.violation) {
      if (shared.failed++ < kFailuresShownMax) Print(options, *report.violation);
    }
    for (const auto& [what, times] : report.counts) counts[what] += times;
    shared.done += 1;
  }
  if (arguments.statistics) {
    for (const auto& [what, times] : counts) {
      std::printf("%10llu %s\n", static_cast<unsigned long long>(times), what.c_str());
    }
  }
  std::fflush(stdout);
  shared.finished = 1;
}

int RunMany(const Arguments& arguments) {
  const auto began = std::chrono::steady_clock::now();
  struct Worker {
    Shared* shared;
    pid_t process;
    uint64_t first;
  };
  const uint64_t end = arguments.start + arguments.seeds;
  std::vector<Worker> workers;
  const auto start = [&](Worker& worker) {
    worker.shared->finished = 0;
    std::fflush(stdout);
    worker.process = fork();
    if (worker.process == 0) {
      Work(arguments, worker.first, end, *worker.shared);
      _exit(0);
    }
  };
  for (uint64_t i = 0; i < arguments.jobs; ++i) {
    Shared& shared = MakeShared();
    std::memset(&shared, 0, sizeof shared);
    workers.push_back({&shared, 0, arguments.start + i});
  }
  for (Worker& worker : workers) start(worker);
  uint64_t crashed = 0;
  for (Worker& worker : workers) {
    while (true) {
      int status = 0;
      waitpid(worker.process, &status, 0);
      if (worker.shared->finished != 0) break;
      WorldOptions options = arguments.world;
      options.seed = worker.shared->seed;
      if (++crashed <= kFailuresShownMax) {
        const int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        Print(options,
              {0, number == SIGVTALRM ? "it never ends"
                                      : "the process ended by signal " + std::to_string(number)});
      }
      worker.first = options.seed + arguments.jobs;
      start(worker);
    }
  }
  uint64_t done = crashed;
  uint64_t failed = crashed;
  for (const Worker& worker : workers) {
    done += worker.shared->done;
    failed += worker.shared->failed;
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began);
  std::printf("%llu seeds, %llu failed, %.1f s\n", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(failed), static_cast<double>(took.count()) / 1000);
  return failed == 0 ? 0 : 1;
}

// Each line: a seed, then, if any, --steps and --without as they were printed. # begins a comment.
int RunFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "no file %s\n", path.c_str());
    return 2;
  }
  Shared& shared = MakeShared();
  int failed = 0;
  std::string line;
  while (std::getline(file, line)) {
    WorldOptions options;
    if (!ParseSeedLine(line, options)) continue;
    if (const auto violation = RunApart(options, shared, true)) {
      Print(options, *violation);
      failed += 1;
    }
  }
  std::printf("%s: %d failed\n", path.c_str(), failed);
  return failed == 0 ? 0 : 1;
}

int Usage() {
  std::fprintf(stderr,
               "core_sim --seeds N [--start S] [--jobs J] [--twice] [--statistics]\n"
               "core_sim --seed X [--trace] [--steps N] [--without a,b]\n"
               "core_sim --shrink X | --file F\n");
  return 2;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const auto number = [&]() -> uint64_t {
      return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0;
    };
    if (flag == "--seeds") {
      arguments.seeds = number();
    } else if (flag == "--start") {
      arguments.start = number();
    } else if (flag == "--jobs") {
      arguments.jobs = std::max<uint64_t>(1, number());
    } else if (flag == "--twice") {
      arguments.twice = true;
    } else if (flag == "--statistics") {
      arguments.statistics = true;
    } else if (flag == "--seed") {
      arguments.single = true;
      arguments.world.seed = number();
    } else if (flag == "--trace") {
      arguments.world.trace = true;
    } else if (flag == "--steps") {
      arguments.world.steps = static_cast<uint32_t>(number());
    } else if (flag == "--without" && i + 1 < argc) {
      const auto without = ParseWithout(argv[++i]);
      if (!without) return Usage();
      arguments.world.without = *without;
    } else if (flag == "--shrink") {
      arguments.shrink = number();
    } else if (flag == "--file" && i + 1 < argc) {
      arguments.file = argv[++i];
    } else {
      return Usage();
    }
  }
  if (arguments.file) return RunFile(*arguments.file);
  if (arguments.shrink) {
    arguments.world.seed = *arguments.shrink;
    return Shrink(arguments.world);
  }
  if (arguments.single) {
    const auto violation = RunApart(arguments.world, MakeShared(), false);
    if (violation)
      Print(arguments.world, *violation);
    else
      std::printf("seed %llu breaks no law\n",
                  static_cast<unsigned long long>(arguments.world.seed));
    return violation ? 1 : 0;
  }
  if (arguments.seeds > 0) return RunMany(arguments);
  return Usage();
}

}  // namespace
}  // namespace livestore::sim

int main(int argc, char** argv) { return livestore::sim::Main(argc, argv); }
