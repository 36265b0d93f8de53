// Parallel loops over pieces of work that the shape of the problem fixes. The only door to oneTBB.
#ifndef NNKERNELS_KERNELS_PARALLEL_H_
#define NNKERNELS_KERNELS_PARALLEL_H_

#include <cstdint>
#include <type_traits>

namespace nnkernels {

/// How many threads the kernels use, the calling one included. At first the number of CPUs that
/// this process may run on.
int threads();

/// Sets threads(). More than there are CPUs is allowed (and slower). Not to be called while a
/// kernel runs. Throws std::invalid_argument unless 1 <= count <= 1024.
void set_threads(int count);

/// Binds the calling thread to the first CPU that this process may run on, and each worker to one
/// of the others; off at first, and on until it is switched off. For programs that have the machine
/// to themselves: schedulers often put two threads on one core, and pinning then gains up to a
/// factor of two at small sizes. To be called, like set_threads(), by the thread that will start
/// the loops. A thread which that thread starts later inherits the binding from it. Without effect
/// while threads() exceeds the number of CPUs.
void set_pinning(bool on);

namespace detail {

using LoopBody = void (*)(void* context, std::int64_t piece, int slot);
void parallel_for(std::int64_t pieces, double microseconds, LoopBody body, void* context);

/// Work that is estimated below this many microseconds is not shared; returns the value before.
/// For tests, which want small problems to run on several threads, and for measuring the value.
double set_worth_sharing(double microseconds);

}  // namespace detail

/// Calls body(piece, slot) once for every piece in [0, pieces), on several threads where that pays.
///
/// `slot` is in [0, threads()) and no two calls that run at the same time share one: use it to
/// index scratch memory. `microseconds` estimates what all the pieces together take on one thread;
/// below a measured threshold the caller does all the work itself, as slot 0. So it does when it is
/// itself inside a piece of another loop (loops nest without harm, but only the outermost one is
/// parallel) and when another application thread is using the workers: calls from many threads
/// are safe and never wait for each other.
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
      [](void* context, std::int64_t piece, int slot) {
        (*static_cast<Plain*>(context))(piece, slot);
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// What one thread of a current CPU does in a microsecond when the data comes from its caches:
/// the scale for the estimates above. Within a factor of two or so is good enough.
inline constexpr double kFlopsPerMicrosecond = 8e4;
inline constexpr double kBytesPerMicrosecond = 2e4;

}  // namespace nnkernels

#endif  // NNKERNELS_KERNELS_PARALLEL_H_
