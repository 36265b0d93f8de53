#include "kernels/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tbb/global_control.h"
#include "tbb/info.h"
#include "tbb/parallel_for.h"
#include "tbb/task_arena.h"
#include "tbb/task_scheduler_observer.h"

namespace nnkernels {
namespace {

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

void bind_this_thread(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/// Whether this thread has been bound as the caller of a loop: it stays so, since binding it anew
/// would cost a system call a loop.
thread_local bool caller_is_bound = false;

/// Binds each thread to the CPU of its place in the arena for as long as it is in the arena.
class Pinning : public tbb::task_scheduler_observer {
 public:
  Pinning(tbb::task_arena& arena, const std::vector<int>& cpus)
      : tbb::task_scheduler_observer(arena), cpus_(cpus) {
    observe(true);
  }
  ~Pinning() override { observe(false); }
  Pinning(const Pinning&) = delete;
  Pinning& operator=(const Pinning&) = delete;

  void on_scheduler_entry(bool is_worker) override {
    if (!is_worker && std::exchange(caller_is_bound, true)) return;
    const auto place = static_cast<std::size_t>(tbb::this_task_arena::current_thread_index());
    bind_this_thread({cpus_[place % cpus_.size()]});
  }
  void on_scheduler_exit(bool is_worker) override {
    if (is_worker) bind_this_thread(cpus_);
  }

 private:
  const std::vector<int>& cpus_;
};

/// The workers. An arena with a place for the caller and one for each other thread; TBB would
/// otherwise not start more threads than there are CPUs.
struct Pool {
  Pool(int count, bool pin, const std::vector<int>& cpus)
      : limit(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(count)),
        arena(count) {
    if (pin && static_cast<std::size_t>(count) <= cpus.size()) {
      arena.initialize();
      pinning = std::make_unique<Pinning>(arena, cpus);
    }
  }
  tbb::global_control limit;
  tbb::task_arena arena;
  std::unique_ptr<Pinning> pinning;
};

/// Never destroyed: worker threads may outlive every static object.
struct State {
  /// Of the process at the start: a pinned thread is allowed one CPU only.
  const std::vector<int> cpus = allowed_cpus();
  std::atomic<int> threads = std::max(1, static_cast<int>(cpus.size()));
  /// Sharing a loop costs about 1 us when the workers are awake and 5 us when they must be woken.
  std::atomic<double> worth_sharing = 10.0;
  bool pin = false;
  std::unique_ptr<Pool> pool;  // made when first needed
  // Held while a loop uses the pool, or a setter replaces it.
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
};

State& state() {
  static State* instance = new State;
  return *instance;
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
}

void set_pinning(bool on) {
  const Exclusive exclusive;
  if (on != state().pin) state().pool.reset();
  state().pin = on;
  if (!on && std::exchange(caller_is_bound, false)) bind_this_thread(state().cpus);
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
  if (!s.pool) s.pool = std::make_unique<Pool>(s.threads, s.pin, s.cpus);

  // One task a thread, which takes pieces until none is left. A worker that wakes up late finds
  // nothing to do, and the caller never waits for one that has not begun.
  std::atomic<std::int64_t> next{0};
  const auto take_pieces = [&](int slot) {
    const InsidePiece mark;
    try {
      for (std::int64_t piece; (piece = next.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
        body(context, piece, slot);
      }
    } catch (...) {
      next = pieces;
      throw;
    }
  };
  s.pool->arena.execute(
      [&] { tbb::parallel_for(0, count, take_pieces, tbb::static_partitioner{}); });
}

}  // namespace detail
}  // namespace nnkernels
