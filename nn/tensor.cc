#include "nn/tensor.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace nnkernels::nn {

Shape::Shape(std::initializer_list<std::int64_t> dims)
    : Shape(of(dims.begin(), static_cast<int>(dims.size()))) {}

Shape Shape::of(const std::int64_t* dims, int rank) {
  if (rank < 0 || rank > kMaxRank) {
    throw std::invalid_argument("Shape: expected 0 to " + std::to_string(kMaxRank) +
                                " dimensions, got " + std::to_string(rank));
  }
  Shape shape;
  shape.rank_ = rank;
  std::copy_n(dims, rank, shape.dims_.begin());
  // Zeros are left out of the test: [0, 2^40, 2^40] would overflow as soon as a batch is not empty.
  std::int64_t product = 1;
  for (int i = 0; i < rank; ++i) {
    if (dims[i] < 0) throw std::invalid_argument("Shape: negative dimension in " + shape.str());
    if (dims[i] == 0) continue;
    if (product > std::numeric_limits<std::int64_t>::max() / dims[i]) {
      throw std::invalid_argument("Shape: more than 2^63 - 1 elements in " + shape.str());
    }
    product *= dims[i];
  }
  const bool none = std::find(dims, dims + rank, 0) != dims + rank;
  shape.size_ = none ? 0 : product;
  return shape;
}

std::int64_t Shape::operator[](int i) const {
  const int place = i < 0 ? rank_ + i : i;
  if (place < 0 || place >= rank_) {
    throw std::invalid_argument("Shape: no dimension " + std::to_string(i) + " in " + str());
  }
  return dims_[static_cast<std::size_t>(place)];
}

Shape Shape::batch(std::int64_t n) const {
  std::array<std::int64_t, kMaxRank + 1> dims{n};
  std::copy_n(dims_.begin(), rank_, dims.begin() + 1);
  return of(dims.data(), rank_ + 1);
}

Shape Shape::sample() const {
  if (rank_ == 0) throw std::invalid_argument("Shape: a batch has at least one dimension, got []");
  return of(dims_.data() + 1, rank_ - 1);
}

std::string Shape::str() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(dims_[static_cast<std::size_t>(i)]);
  }
  return text + "]";
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ &&
         std::equal(dims_.begin(), dims_.begin() + rank_, other.dims_.begin());
}

template <class T>
Tensor<T>::Tensor(const Shape& shape) : shape_(shape), buffer_(shape.size()) {
  std::fill(begin(), end(), T(0));
}

template <class T>
Tensor<T> Tensor<T>::clone() const {
  Tensor copy;
  copy.shape_ = shape_;
  copy.buffer_ = AlignedBuffer<T>(size());
  std::copy(begin(), end(), copy.begin());
  return copy;
}

template class Tensor<float>;
template class Tensor<double>;

}  // namespace nnkernels::nn
