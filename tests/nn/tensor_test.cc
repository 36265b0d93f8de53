#include "nn/tensor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <type_traits>

namespace nnkernels::nn {
namespace {

TEST(Shape, KnowsItsDimensions) {
  const Shape shape{100, 28, 27, 3};
  EXPECT_EQ(shape.rank(), 4);
  EXPECT_EQ(shape.size(), 100 * 28 * 27 * 3);
  EXPECT_EQ(shape[1], 28);
  EXPECT_EQ(shape[-1], 3);
  EXPECT_EQ(shape.sample(), (Shape{28, 27, 3}));
  EXPECT_EQ(shape.sample().batch(100), shape);
  EXPECT_EQ(shape.str(), "[100, 28, 27, 3]");
  EXPECT_EQ(Shape().size(), 1);
  EXPECT_EQ(Shape{5}.sample(), Shape());
  EXPECT_EQ(Shape().batch(5), Shape{5});
  EXPECT_EQ((Shape{0, std::int64_t{1} << 40, 5}).size(), 0);
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
}

TEST(Shape, RefusesWhatIsNoShape) {
  EXPECT_THROW((Shape{2, -1}), std::invalid_argument);
  EXPECT_THROW((Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}), std::invalid_argument);
  EXPECT_THROW((Shape{std::int64_t{1} << 40, std::int64_t{1} << 40}), std::invalid_argument);
  EXPECT_THROW((Shape{0, std::int64_t{1} << 40, std::int64_t{1} << 40}), std::invalid_argument);
  EXPECT_THROW((Shape{2, 3}[2]), std::invalid_argument);
  EXPECT_THROW((Shape{2, 3}[-3]), std::invalid_argument);
  EXPECT_THROW(Shape().sample(), std::invalid_argument);
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1, 1}.batch(2)), std::invalid_argument);
}

TEST(Tensor, StartsAtZeroOnACacheLine) {
  const Tensor<float> tensor({3, 5});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % kAlignment, 0U);
  for (const float value : tensor) EXPECT_EQ(value, 0);
  EXPECT_EQ(Tensor<double>().size(), 0);
}

TEST(Tensor, IsMovedOrCloned) {
  static_assert(!std::is_copy_constructible_v<Tensor<float>>);
  Tensor<float> tensor({2, 2});
  tensor[3] = 7;
  const Tensor<float> copy = tensor.clone();
  tensor[3] = 8;
  EXPECT_EQ(copy[3], 7);
  const float* data = tensor.data();
  const Tensor<float> moved = std::move(tensor);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved[3], 8);
}

TEST(Tensor, ThatNoMemoryHoldsIsRefused) {
  EXPECT_THROW(Tensor<float>(Shape{std::int64_t{1} << 62}), std::bad_alloc);
  EXPECT_THROW(AlignedBuffer<double>(-1), std::bad_alloc);
}

TEST(TensorView, CutsBatchesAndSeesMatrices) {
  Tensor<float> tensor({4, 2, 3});
  for (std::int64_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<float>(i);
  const TensorView<const float> part = tensor.view().samples(1, 2);
  EXPECT_EQ(part.shape, (Shape{2, 2, 3}));
  EXPECT_EQ(part.data[0], 6);
  const auto matrix = tensor.view().matrix();
  EXPECT_EQ(matrix.rows, 4);
  EXPECT_EQ(matrix.cols, 6);
  EXPECT_EQ(matrix(3, 5), 23);
  EXPECT_TRUE(TensorView<float>().empty());
}

}  // namespace
}  // namespace nnkernels::nn
