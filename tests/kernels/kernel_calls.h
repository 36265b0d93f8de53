// A call of every kernel, as data: for tests of what all kernels promise.
#ifndef NNKERNELS_TESTS_KERNELS_KERNEL_CALLS_H_
#define NNKERNELS_TESTS_KERNELS_KERNEL_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace nnkernels {

/// What an array holds before the call. Results start with numbers too: some are updated in place.
enum class Content { real, positive, index, byte };

struct Array {
  Content content = Content::real;
  std::int64_t size = 0;
  std::int64_t limit = 0;  // index and byte: numbers are below it
};

/// The memory of the arrays of a call, in their order.
class Pointers {
 public:
  explicit Pointers(std::vector<void*> pointers) : pointers_(std::move(pointers)) {}
  template <class T>
  T* as(std::size_t i) const {
    return static_cast<T*>(pointers_[i]);
  }
  std::int32_t* index(std::size_t i) const { return as<std::int32_t>(i); }
  std::uint8_t* byte(std::size_t i) const { return as<std::uint8_t>(i); }

 private:
  std::vector<void*> pointers_;
};

/// A kernel with its scalars and sizes; `run` may be called by several threads at once.
struct KernelCall {
  std::string name;
  std::vector<Array> arrays;
  std::function<void(const Pointers&)> run;
  std::size_t element_size = 0;  // of real and positive arrays
};

/// How many bytes an element of `array` takes.
std::size_t element_bytes(const KernelCall& call, const Array& array);

/// The bytes that the arrays of `call` hold before it, drawn from `seed`.
std::vector<std::vector<std::byte>> draw(const KernelCall& call, std::uint64_t seed);

/// Every kernel, float and double, at many sizes around the edges of vectors and tiles.
std::vector<KernelCall> small_calls();

/// Every kernel, float and double, at sizes that are cut into several pieces.
std::vector<KernelCall> shared_calls();

}  // namespace nnkernels

#endif  // NNKERNELS_TESTS_KERNELS_KERNEL_CALLS_H_
