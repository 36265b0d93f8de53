// Random cases with what our kernels and layers make of them, for PyTorch to judge
// (torch_judge.py).
#ifndef NNKERNELS_TESTS_ORACLE_TORCH_CASES_H_
#define NNKERNELS_TESTS_ORACLE_TORCH_CASES_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/data/npy.h"
#include "nn/data/zip.h"
#include "nn/tensor.h"
#include "tests/support/values.h"

namespace nnkernels::oracle {

using Dims = std::vector<std::int64_t>;

/// The arrays of one case, which get the names "NUMBER.KIND.NAME" in an archive for numpy.load().
class CaseArrays {
 public:
  CaseArrays(nn::ZipWriter& archive, std::string prefix)
      : archive_(archive), prefix_(std::move(prefix)) {}

  /// Numbers of type float, double, int32 or int64.
  template <class T>
  void add(const std::string& name, const Dims& dims, const T* values) {
    std::int64_t size = sizeof(T);
    for (const std::int64_t dim : dims) size *= dim;
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(values);
    const nn::NpyArray array{.kind = std::is_integral_v<T> ? 'i' : 'f',
                             .item = sizeof(T),
                             .shape = dims,
                             .bytes = {begin, begin + size}};
    archive_.add(prefix_ + name + ".npy", nn::npy_file(array));
  }
  template <class T>
  void add(const std::string& name, const Dims& dims, const std::vector<T>& values) {
    add(name, dims, values.data());
  }
  template <class T>
  void add(const std::string& name, const nn::Tensor<T>& tensor) {
    Dims dims;
    for (int i = 0; i < tensor.shape().rank(); ++i) dims.push_back(tensor.shape()[i]);
    add(name, dims, tensor.data());
  }
  /// What the case was called with.
  void settings(const std::vector<double>& numbers) {
    add("settings", {static_cast<std::int64_t>(numbers.size())}, numbers);
  }

 private:
  nn::ZipWriter& archive_;
  std::string prefix_;
};

/// A kind of case, for both types.
struct Kind {
  const char* name;
  void (*in_float)(Values& values, CaseArrays& out);
  void (*in_double)(Values& values, CaseArrays& out);
};

std::span<const Kind> kernel_kinds();
std::span<const Kind> layer_kinds();
std::span<const Kind> loss_kinds();

}  // namespace nnkernels::oracle

#endif  // NNKERNELS_TESTS_ORACLE_TORCH_CASES_H_
