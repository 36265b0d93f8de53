// Parallel loops over pieces of work that the shape of the problem fixes. The only door to oneTBB.
#ifndef NNKERNELS_KERNELS_PARALLEL_H_
#define NNKERNELS_KERNELS_PARALLEL_H_

#include <cstdint>
#include <optional>
#include <type_traits>

namespace nnkernels {

/// How many threads the kernels use, the calling one included. At first what the environment
/// variable NNKERNELS_THREADS says, else the number of CPUs that this process may run on, or of
/// those that its control groups' quota can keep busy if that is less (a quota of 1.5 CPUs: 2).
int threads();

/// Sets threads(). More than there are CPUs is allowed (and slower). Waits until loops that other
/// application threads share have ended; their next ones have the new number. Throws
/// std::invalid_argument unless 1 <= count <= 1024, and std::logic_error in a piece of a
/// parallel_for(), which would wait for itself.
void set_threads(int count);

/// Whether set_pinning() is on. At first what the environment variable NNKERNELS_PIN (0 or 1) says,
/// else off.
bool pinning();

/// Binds the calling thread to the first CPU that this process may run on, and each worker to one
/// of the others, one on each physical core as long as there are enough; on until it is switched
/// off, which lets workers go when they next take part in a loop. For programs that have the
/// machine to themselves: schedulers often put two threads on one core, and pinning then gains up
/// to a factor of two at small sizes. To be called, like set_threads(), by the thread that will
/// start the loops. A thread which that thread starts later inherits the binding from it. Without
/// effect while threads() exceeds the number of CPUs. NNKERNELS_PIN=1 is like a call by the first
/// thread that uses the library. Throws std::logic_error as set_threads() does.
void set_pinning(bool on);

/// Whether the process has the machine to itself, so that pinning can only help: it may run on
/// every CPU and has a thread for each, no quota limits it, and nobody else runs at the moment (one
/// of five looks, a millisecond apart; false if the system does not tell). What starts to run later
/// is not known: so who leaves CPUs free, perhaps for a second process, is not pinned, or both
/// would be bound to the same ones.
bool machine_is_free();

/// What NNKERNELS_THREADS (1 to 1024) and NNKERNELS_PIN (0 or 1) ask for; nothing if the variable
/// is unset or empty. The library reads them by itself and ignores values that it does not
/// understand. A program can call these to tell its user: they throw std::invalid_argument that
/// names the variable, what was expected, and its value.
std::optional<int> environment_threads();
std::optional<bool> environment_pinning();

namespace detail {

/// Does the pieces [first, end).
using LoopBody = void (*)(void* context, std::int64_t first, std::int64_t end, int slot);
void parallel_for(std::int64_t pieces, double microseconds, LoopBody body, void* context);

/// Work that is estimated below this many microseconds is not shared: `hot` holds while the workers
/// are awake because a shared loop has just ended, `cold` when they must be woken up.
struct WorthSharing {
  // An awake worker pays from 2 us on, a sleeping one from 120 us on; and estimates are rough.
  double hot = 8.0;
  double cold = 200.0;
};

/// Returns the limits before. For tests, which want small problems to run on several threads, and
/// for measuring the limits.
WorthSharing set_worth_sharing(const WorthSharing& limits);

}  // namespace detail

/// Calls body(piece, slot) once for every piece in [0, pieces), on several threads where that pays.
///
/// `slot` is in [0, threads()), if no other application thread sets them meanwhile, and no two
/// calls of this loop that run at the same time share one: use it to index scratch memory of the
/// loop (another loop may be inside a piece, or run on another application thread, with the same
/// slots). `microseconds` estimates what all the pieces together take on one thread (cost.h); below
/// a measured threshold, which is higher when the workers must be woken up first, the caller does
/// all the work itself, as slot 0. So it does when it is itself inside a piece of another loop
/// (loops nest without harm, but only the outermost one is parallel) and when another application
/// thread is using the workers: calls from many threads are safe and never wait for each other.
///
/// Which thread runs which piece, and in which order, is not defined. Results must therefore not
/// depend on it: write to disjoint memory, or to one buffer a piece and sum in piece order later.
/// An exception thrown by a piece is rethrown here, after the loop has stopped.
/// Allocates nothing once the workers run.
template <class Body>
void parallel_for(std::int64_t pieces, double microseconds, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::parallel_for(
      pieces, microseconds,
      [](void* context, std::int64_t first, std::int64_t end, int slot) {
        for (std::int64_t piece = first; piece < end; ++piece) {
          (*static_cast<Plain*>(context))(piece, slot);
        }
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// The same for work that is done best in one go: calls body(first, end, slot) for ranges of pieces
/// that together are [0, pieces). One thread alone is given all of them at once.
template <class Body>
void parallel_for_ranges(std::int64_t pieces, double microseconds, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::parallel_for(
      pieces, microseconds,
      [](void* context, std::int64_t first, std::int64_t end, int slot) {
        (*static_cast<Plain*>(context))(first, end, slot);
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_PARALLEL_H_
