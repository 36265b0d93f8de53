// Shape, Tensor and TensorView: dense row-major arrays of float or double.
#ifndef NNKERNELS_NN_TENSOR_H_
#define NNKERNELS_NN_TENSOR_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "kernels/matrix_view.h"

namespace nnkernels::nn {

/// Up to 8 dimensions, outermost first. A batch of images is {n, h, w, c}, of vectors {n,
/// features}.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  /// Throws std::invalid_argument for more than 8 dimensions, a negative one, or a product that
  /// does not fit into 63 bits.
  Shape(std::initializer_list<std::int64_t> dims);
  static Shape of(const std::int64_t* dims, int rank);

  int rank() const { return rank_; }
  /// Dimension i; i < 0 counts from the end, so [-1] is the innermost one.
  std::int64_t operator[](int i) const;
  /// All dimensions, the outermost first.
  std::vector<std::int64_t> dims() const { return {dims_.begin(), dims_.begin() + rank_}; }
  /// The product of all dimensions; 1 for rank 0.
  std::int64_t size() const { return size_; }
  /// This shape with n in front: from one sample to a batch.
  Shape batch(std::int64_t n) const;
  /// This shape without its first dimension: from a batch to one sample.
  Shape sample() const;
  /// "[100, 28, 28, 1]"
  std::string str() const;
  bool operator==(const Shape& other) const;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
  std::int64_t size_ = 1;
};

/// A tensor that somebody else owns. Copying copies the pointer.
template <class T>
struct TensorView {
  T* data = nullptr;
  Shape shape;

  TensorView() = default;
  TensorView(T* data_, const Shape& shape_) : data(data_), shape(shape_) {}
  template <class U>
  // As with pointers. NOLINTNEXTLINE(google-explicit-constructor)
  requires std::is_same_v<const U, T> TensorView(const TensorView<U>& other)
      : data(other.data), shape(other.shape) {}

  std::int64_t size() const { return shape.size(); }
  bool empty() const { return data == nullptr; }
  /// Samples [first, first + count) of a batch.
  TensorView samples(std::int64_t first, std::int64_t count) const {
    const Shape one = shape.sample();
    return {data + first * one.size(), one.batch(count)};
  }
  /// A batch as a matrix: the first dimension by all others.
  MatrixView<T> matrix() const { return {data, shape[0], shape.sample().size()}; }
};

/// An owning tensor: cache-line aligned, move-only (copies are written clone()).
template <class T>
class Tensor {
 public:
  Tensor() = default;
  /// All elements zero.
  explicit Tensor(const Shape& shape);
  /// The two change places, so that shape and memory always belong together.
  Tensor(Tensor&& other) noexcept { *this = std::move(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(shape_, other.shape_);
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  ~Tensor() = default;

  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return shape_.size(); }
  T* data() { return buffer_.data(); }
  const T* data() const { return buffer_.data(); }
  T* begin() { return data(); }
  T* end() { return data() + size(); }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size(); }
  T& operator[](std::int64_t i) { return data()[i]; }
  const T& operator[](std::int64_t i) const { return data()[i]; }

  TensorView<T> view() { return {data(), shape_}; }
  TensorView<const T> view() const { return {data(), shape_}; }
  Tensor clone() const;

 private:
  Shape shape_ = {0};
  AlignedBuffer<T> buffer_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_TENSOR_H_
