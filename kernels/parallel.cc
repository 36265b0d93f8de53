#include "kernels/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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
// that what happens before a loop is visible to its pieces, and what they do to the caller after
// it.
void visible_from_here([[maybe_unused]] void* loop) {
#ifdef NNKERNELS_TSAN
  __tsan_release(loop);
#endif
}
void see_what_is_visible([[maybe_unused]] void* loop) {
#ifdef NNKERNELS_TSAN
  __tsan_acquire(loop);
#endif
}

/// The CPUs that this process may run on.
std::vector<int> allowed_cpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  return cpus;
}

void bind_this_thread(std::span<const int> cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/// Whether bind_caller() has bound this thread.
thread_local bool caller_is_bound = false;

/// Binds each worker to the CPU of its place in the arena, or to all, while it is in the arena.
class Pinning : public tbb::task_scheduler_observer {
 public:
  Pinning(tbb::task_arena& arena, std::span<const int> cpus, bool pin)
      : tbb::task_scheduler_observer(arena), cpus_(cpus), pin_(pin) {
    observe(true);
  }
  ~Pinning() override { observe(false); }
  Pinning(const Pinning&) = delete;
  Pinning& operator=(const Pinning&) = delete;

  void on_scheduler_entry(bool is_worker) override {
    if (!is_worker) return;
    const auto place = static_cast<std::size_t>(tbb::this_task_arena::current_thread_index());
    bind_this_thread(pin_ ? cpus_.subspan(place % cpus_.size(), 1) : cpus_);
  }
  void on_scheduler_exit(bool is_worker) override {
    if (is_worker && pin_) bind_this_thread(cpus_);
  }

 private:
  std::span<const int> cpus_;
  bool pin_;
};

/// The workers: an arena with a place for the caller and one for each other thread.
struct Pool {
  Pool(int count, std::span<const int> cpus, bool pin, bool ever_pinned) : arena(count) {
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
};

/// Never destroyed: worker threads may outlive every static object.
struct State {
  /// Of the process at the start, for us and for TBB, which counts them when it is first asked: a
  /// pinned thread is allowed one CPU only.
  const std::vector<int> cpus = allowed_cpus();
  const int concurrency = tbb::info::default_concurrency();
  std::atomic<int> threads = std::max(1, static_cast<int>(cpus.size()));
  /// Sharing a loop costs about 1 us when the workers are awake and 5 us when they must be woken.
  std::atomic<double> worth_sharing = 10.0;
  bool pin = false;
  bool ever_pinned = false;
  std::unique_ptr<Pool> pool;  // made when first needed
  // Held while a loop uses the pool, or a setter replaces it.
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  const bool simd = detail::simd_environment_applied();

  /// Pinning means nothing with more threads than CPUs.
  bool pins() const { return pin && static_cast<std::size_t>(threads) <= cpus.size(); }
};

State& state() {
  static auto* instance = new State;
  return *instance;
}

/// The caller works at the first place, so the first CPU is its own.
void bind_caller() {
  const State& s = state();
  if (s.pins()) {
    bind_this_thread(std::span(s.cpus).first(1));
  } else if (caller_is_bound) {
    bind_this_thread(s.cpus);
  }
  caller_is_bound = s.pins();
}

thread_local bool inside_piece = false;

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
  Exclusive() {
    while (state().busy.test_and_set(std::memory_order_acquire)) sched_yield();
  }
  ~Exclusive() { state().busy.clear(std::memory_order_release); }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;
};

}  // namespace

int threads() { return state().threads; }

void set_threads(int count) {
  if (count < 1 || count > 1024) {
    throw std::invalid_argument("set_threads: expected 1 to 1024 threads, got " +
                                std::to_string(count));
  }
  const Exclusive exclusive;
  if (count != state().threads) state().pool.reset();
  state().threads = count;
  bind_caller();
}

void set_pinning(bool on) {
  const Exclusive exclusive;
  if (on != state().pin) state().pool.reset();
  state().pin = on;
  state().ever_pinned |= on;
  bind_caller();
}

namespace detail {

double set_worth_sharing(double microseconds) {
  return state().worth_sharing.exchange(microseconds);
}

void parallel_for(std::int64_t pieces, double microseconds, LoopBody body, void* context) {
  State& s = state();
  const int count = static_cast<int>(std::min<std::int64_t>(s.threads, pieces));
  if (count <= 1 || microseconds < s.worth_sharing || inside_piece ||
      s.busy.test_and_set(std::memory_order_acquire)) {
    const InsidePiece mark;
    for (std::int64_t piece = 0; piece < pieces; ++piece) body(context, piece, 0);
    return;
  }
  struct Release {
    std::atomic_flag& flag;
    ~Release() { flag.clear(std::memory_order_release); }
  } const release{s.busy};
  if (!s.pool) s.pool = std::make_unique<Pool>(s.threads, s.cpus, s.pins(), s.ever_pinned);

  // One task a thread, which takes pieces until none is left. A worker that wakes up late finds
  // nothing to do, and the caller never waits for one that has not begun.
  std::atomic<std::int64_t> next{0};
  const auto take_pieces = [&](int slot) {
    see_what_is_visible(&next);
    const InsidePiece mark;
    try {
      for (std::int64_t piece; (piece = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
        body(context, piece, slot);
      }
    } catch (...) {
      next = pieces;
      throw;
    }
    visible_from_here(&next);
  };
  visible_from_here(&next);
  s.pool->arena.execute(
      [&] { tbb::parallel_for(0, count, take_pieces, tbb::static_partitioner{}); });
  see_what_is_visible(&next);
}

}  // namespace detail
}  // namespace nnkernels
