// A steady training step allocates nothing.
#include <gtest/gtest.h>
#include <malloc.h>

#include "nn/metrics.h"
#include "nn/trainer.h"
#include "tests/nn/counting_new.h"
#include "tests/nn/fixtures.h"
#include "tests/support/each_simd.h"

namespace nnkernels::nn {
namespace {

/// Bytes that malloc has given out, by whomever it was called (a sanitizer's malloc says 0).
std::size_t allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// In how many of `epochs` epochs after the first something was allocated.
int allocating_epochs(const char* architecture, int epochs) {
  const Dataset data = blobs(70, 28, 10);
  auto net = build<float>(model_input(), architecture);
  initialize(net, Initialization::he, 1);
  const auto adam = make_optimizer<float>("adam", 0.001);
  Trainer<float> trainer(net, *adam, data, {.epochs = 1 + epochs, .batch_size = 32});
  std::int64_t count = 0;
  std::size_t bytes = 0;
  int allocating = 0;
  trainer.on_epoch = [&](const EpochResult& result) {
    const bool same = allocation_count() == count && allocated_bytes() == bytes;
    if (result.epoch > 1 && !same) ++allocating;
    count = allocation_count();
    bytes = allocated_bytes();
    return true;
  };
  trainer.run();
  EXPECT_GT(count, 0);  // the counter works
  return allocating;
}

class Allocation : public testing::TestWithParam<const char*> {};

TEST_P(Allocation, StopsAfterTheFirstEpoch) {
  const ForceThreads force(1);
  EXPECT_EQ(allocating_epochs(GetParam(), 2), 0);
}

// A worker gets its scratch memory with its first piece of work, which the scheduler may give it in
// any epoch. That happens a few times a thread; an allocation in every step would show in all.
TEST_P(Allocation, StopsOnceEveryThreadHasWorked) {
  const ForceThreads force(3);
  EXPECT_LE(allocating_epochs(GetParam(), 30), 10);
}

INSTANTIATE_TEST_SUITE_P(
    Models, Allocation,
    testing::Values(
        "flatten, affine 128, relu, affine 64, relu, affine 10",
        "conv 30 5x5, relu, maxpool 2, flatten, affine 100, relu, affine 10",
        "conv 8 3x3 stride 2 pad 1, sigmoid, conv 8 3x3 dilation 2, tanh, avgpool 2, "
        "flatten, affine 10",
        "conv 8 3x3 nobias, batchnorm, relu, maxpool 2, dropout 0.3, conv 8 3x3, leakyrelu, "
        "globalavgpool, batchnorm, affine 10 nobias, softmax"));

TEST(Allocation, StopsInInferenceToo) {
  const ForceThreads force(1);
  auto net = random_net<float>(model_input(), model_architecture("cnn"));
  const auto x = random_tensor<float>(model_input().batch(64), 1);
  const TensorView<const float> view = x.view();
  net.plan(64);
  for (const std::int64_t n : {64, 1}) net.forward(view.samples(0, n));
  const std::int64_t count = allocation_count();
  for (const std::int64_t n : {1, 64, 17, 1, 20, 50, 64}) net.forward(view.samples(0, n));
  EXPECT_EQ(allocation_count(), count);
}

}  // namespace
}  // namespace nnkernels::nn
