#include "kernels/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "kernels/cpus.h"
#include "kernels/loop_record.h"
#include "kernels/sharing.h"
#include "kernels/simd.h"
#include "tbb/global_control.h"
#include "tbb/info.h"
#include "tbb/parallel_for.h"
#include "tbb/task_arena.h"
#include "tbb/task_scheduler_observer.h"

#if defined(__SANITIZE_THREAD__)
#define NNKERNELS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NNKERNELS_TSAN 1
#endif
#endif
#ifdef NNKERNELS_TSAN
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace nnkernels {
namespace {

// The distribution's oneTBB is not instrumented for ThreadSanitizer, which therefore must be told
// that what happens before a loop is visible to its pieces, what they do to the caller after it,
// and what an observer holds to the threads that it observes.
void visible_from_here([[maybe_unused]] void* place) {
#ifdef NNKERNELS_TSAN
  __tsan_release(place);
#endif
}
void see_what_is_visible([[maybe_unused]] void* place) {
#ifdef NNKERNELS_TSAN
  __tsan_acquire(place);
#endif
}

void bind_this_thread(std::span<const int> cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

constexpr int kMaxThreads = 1024;

/// Whether bind_caller() has bound this thread.
thread_local bool caller_is_bound = false;

constexpr int kAllCpus = -1;
/// The CPU that Pinning has bound this worker to.
thread_local int bound_to = -2;

/// Binds each worker that enters the arena to the CPU of its place, or to all. It stays so when it
/// goes to sleep: a scheduler that may choose often wakes it on the caller's CPU, where it
/// waits for the next tick (measured: 4 ms instead of 40 us, docs/threads.md).
class Pinning : public tbb::task_scheduler_observer {
 public:
  Pinning(tbb::task_arena& arena, std::span<const int> cpus, bool pin)
      : tbb::task_scheduler_observer(arena), cpus_(cpus), pin_(pin) {
    visible_from_here(this);
    observe(true);
  }
  ~Pinning() override {
    observe(false);  // waits for calls that are under way
    see_what_is_visible(this);
  }
  Pinning(const Pinning&) = delete;
  Pinning& operator=(const Pinning&) = delete;

  void on_scheduler_entry(bool is_worker) override {
    if (!is_worker) return;
    see_what_is_visible(this);
    const auto place = static_cast<std::size_t>(tbb::this_task_arena::current_thread_index());
    const std::size_t index = place % cpus_.size();
    const int cpu = pin_ ? cpus_[index] : kAllCpus;
    if (cpu != bound_to) bind_this_thread(pin_ ? cpus_.subspan(index, 1) : cpus_);
    bound_to = cpu;
    visible_from_here(this);
  }

 private:
  std::span<const int> cpus_;
  bool pin_;
};

/// The pieces that one thread begins with. On a cache line of its own, since all threads count.
struct alignas(64) PieceRange {
  std::atomic<std::int64_t> next = 0;
  std::int64_t end = 0;
};

/// The workers: an arena with a place for the caller and one for each other thread.
struct Pool {
  Pool(int count, std::span<const int> cpus, bool pin, bool ever_pinned)
      : arena(count), ranges(static_cast<std::size_t>(count)) {
    // TBB starts no more threads than there are CPUs unless it is told to.
    if (count > tbb::info::default_concurrency()) {
      limit.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(count));
    }
    arena.initialize();
    // Workers outlive a pool; those of a pinned one must be let go.
    if (ever_pinned) pinning.emplace(arena, cpus, pin);
  }
  std::optional<tbb::global_control> limit;
  tbb::task_arena arena;
  std::optional<Pinning> pinning;
  std::vector<PieceRange> ranges;
};

/// Never destroyed: worker threads may outlive every static object.
struct State {
  /// Of the process at the start, for us and for TBB, which counts them when it is first asked: a
  /// pinned thread is allowed one CPU only.
  const std::vector<int> cpus = detail::one_per_core_first(detail::allowed_cpus());
  const int concurrency = tbb::info::default_concurrency();
  const std::optional<double> quota = detail::cpu_quota();
  std::atomic<int> threads = detail::default_threads(static_cast<int>(cpus.size()), quota);
  std::atomic<bool> pin = false;
  bool ever_pinned = false;
  std::unique_ptr<Pool> pool;  // made when first needed
  detail::SharingRule sharing;
  // For whoever is not sure to need the rule: its lower limit.
  std::atomic<double> hot = detail::WorthSharing{}.hot;
  // Held while a loop uses the pool or the rule, or a setter replaces them.
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  const bool simd = detail::simd_environment_applied();

  /// Pinning means nothing with more threads than CPUs.
  bool pins() const { return pin && static_cast<std::size_t>(threads) <= cpus.size(); }
};

/// The caller works at the first place, so the first CPU is its own.
void bind_caller(const State& s) {
  if (s.pins()) {
    bind_this_thread(std::span(s.cpus).first(1));
  } else if (caller_is_bound) {
    bind_this_thread(s.cpus);
  }
  caller_is_bound = s.pins();
}

/// A number from `low` to `high`; nothing if the environment variable is unset or empty.
std::optional<int> variable(const char* name, int low, int high) {
  const char* value = std::getenv(name);
  const std::string_view text = value == nullptr ? "" : value;
  if (text.empty()) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < low || number > high) {
    throw std::invalid_argument(std::string(name) + ": expected a whole number from " +
                                std::to_string(low) + " to " + std::to_string(high) + ", got \"" +
                                std::string(text) + "\"");
  }
  return number;
}

/// What `read` returns, or nothing if it throws.
template <class Value>
std::optional<Value> ignoring_errors(std::optional<Value> (*read)()) {
  try {
    return read();
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

State* make_state() {
  auto* const s = new State;
  if (const auto count = ignoring_errors(environment_threads)) s->threads = *count;
  s->pin = s->ever_pinned = ignoring_errors(environment_pinning).value_or(false);
  bind_caller(*s);
  return s;
}

State& state() {
  static auto* const instance = make_state();
  return *instance;
}

double now_microseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::micro>(now).count();
}

thread_local bool inside_piece = false;

/// Where this thread's loops are recorded; null: nowhere.
thread_local std::vector<detail::LoopRecord>* loop_records = nullptr;

/// Marks this thread as working on a piece, so that loops inside it run serially.
class InsidePiece {
 public:
  InsidePiece() : before_(inside_piece) { inside_piece = true; }
  ~InsidePiece() { inside_piece = before_; }
  InsidePiece(const InsidePiece&) = delete;
  InsidePiece& operator=(const InsidePiece&) = delete;

 private:
  bool before_;
};

/// Waits until no loop uses the pool: only for setters.
class Exclusive {
 public:
  /// Throws std::logic_error, naming `function`, in a piece: its loop may hold the pool.
  explicit Exclusive(const char* function) {
    if (inside_piece) {
      throw std::logic_error(std::string(function) + ": called inside a piece of a loop");
    }
    while (state().busy.test_and_set(std::memory_order_acquire)) sched_yield();
  }
  ~Exclusive() { state().busy.clear(std::memory_order_release); }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;
};

}  // namespace

int threads() { return state().threads; }

void set_threads(int count) {
  if (count < 1 || count > kMaxThreads) {
    throw std::invalid_argument("set_threads: expected 1 to 1024 threads, got " +
                                std::to_string(count));
  }
  const Exclusive exclusive("set_threads");
  State& s = state();
  if (count != s.threads) s.pool.reset();
  s.threads = count;
  bind_caller(s);
}

bool pinning() { return state().pin; }

void set_pinning(bool on) {
  const Exclusive exclusive("set_pinning");
  State& s = state();
  if (on != s.pin) s.pool.reset();
  s.pin = on;
  s.ever_pinned |= on;
  bind_caller(s);
}

bool machine_is_free() {
  const State& s = state();
  const int cpus = static_cast<int>(s.cpus.size());
  if (s.quota || s.threads != cpus || cpus != detail::online_cpus()) return false;
  // What runs all the time is there at every look; what only flares up must not decide.
  constexpr int kLooks = 5;
  for (int look = 0; look < kLooks; ++look) {
    if (look > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const int running = detail::running_threads();
    if (running == 1) return true;  // this one
  }
  return false;
}

std::optional<int> environment_threads() { return variable("NNKERNELS_THREADS", 1, kMaxThreads); }

std::optional<bool> environment_pinning() {
  const std::optional<int> number = variable("NNKERNELS_PIN", 0, 1);
  return number ? std::optional<bool>(*number == 1) : std::nullopt;
}

namespace detail {

WorthSharing set_worth_sharing(const WorthSharing& limits) {
  const Exclusive exclusive("set_worth_sharing");
  State& s = state();
  const WorthSharing before = s.sharing.limits();
  s.sharing.set_limits(limits);
  s.hot = limits.hot;
  return before;
}

namespace {

void run_alone(std::int64_t pieces, LoopBody body, void* context) {
  const InsidePiece mark;
  if (pieces > 0) body(context, 0, pieces, 0);
}

/// One task a thread, which takes pieces until none is left: first those of its place in the arena,
/// which are the same ones in every loop of that many pieces, so that what they touch is still in
/// its cache; then those that others have not come to. A worker that wakes up late finds nothing to
/// do, and the caller never waits for one that has not begun.
void run_shared(State& s, int count, std::int64_t pieces, LoopBody body, void* context) {
  if (!s.pool) s.pool = std::make_unique<Pool>(s.threads, s.cpus, s.pins(), s.ever_pinned);
  const std::span<PieceRange> ranges =
      std::span(s.pool->ranges).first(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    ranges[static_cast<std::size_t>(i)].next = pieces * i / count;
    ranges[static_cast<std::size_t>(i)].end = pieces * (i + 1) / count;
  }
  const auto take_pieces = [&](int) {
    see_what_is_visible(&state());  // not &s, which has to be seen itself
    const InsidePiece mark;
    const int place = tbb::this_task_arena::current_thread_index();
    try {
      for (int i = 0; i < count; ++i) {
        PieceRange& range = ranges[static_cast<std::size_t>((place + i) % count)];
        for (std::int64_t piece;
             (piece = range.next.fetch_add(1, std::memory_order_relaxed)) < range.end;) {
          body(context, piece, piece + 1, place);
        }
      }
    } catch (...) {
      for (PieceRange& range : ranges) range.next = range.end;
      visible_from_here(&s);
      throw;
    }
    visible_from_here(&s);
  };
  /// Also after an exception.
  struct End {
    State& s;
    ~End() { see_what_is_visible(&s); }
  } const end{s};
  visible_from_here(&s);
  s.pool->arena.execute(
      [&] { tbb::parallel_for(0, count, take_pieces, tbb::static_partitioner{}); });
}

/// Returns whether the loop was shared.
bool run_loop(std::int64_t pieces, double microseconds, LoopBody body, void* context) {
  State& s = state();
  int count = static_cast<int>(std::min<std::int64_t>(s.threads, pieces));
  const double hot = s.hot;
  if (count <= 1 || microseconds < hot || inside_piece ||
      s.busy.test_and_set(std::memory_order_acquire)) {
    run_alone(pieces, body, context);
    return false;
  }
  // Another application thread may have called set_threads() before `busy` was taken.
  count = static_cast<int>(std::min<std::int64_t>(s.threads, pieces));
  if (count <= 1 || !s.sharing.shares(microseconds, now_microseconds())) {
    // Meanwhile another application thread may have work that is worth the workers.
    s.busy.clear(std::memory_order_release);
    run_alone(pieces, body, context);
    if (s.busy.test_and_set(std::memory_order_acquire)) return false;
    s.sharing.ended(false, now_microseconds());
    s.busy.clear(std::memory_order_release);
    return false;
  }
  /// Also after an exception.
  struct Release {
    State& s;
    ~Release() {
      s.sharing.ended(true, now_microseconds());
      s.busy.clear(std::memory_order_release);
    }
  } const release{s};
  // The work that is just worth a second thread is not worth a third.
  const double per_thread = hot / 2;
  if (microseconds < count * per_thread) count = static_cast<int>(microseconds / per_thread);
  run_shared(s, count, pieces, body, context);
  return true;
}

}  // namespace

void parallel_for(std::int64_t pieces, double microseconds, LoopBody body, void* context) {
  if (loop_records == nullptr || inside_piece) {
    run_loop(pieces, microseconds, body, context);
    return;
  }
  const double begin = now_microseconds();
  const bool shared = run_loop(pieces, microseconds, body, context);
  loop_records->push_back({.pieces = pieces,
                           .estimate = microseconds,
                           .microseconds = now_microseconds() - begin,
                           .shared = shared});
}

void record_loops(std::vector<LoopRecord>* records) { loop_records = records; }

}  // namespace detail
}  // namespace nnkernels
