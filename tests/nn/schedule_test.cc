#include "nn/schedule.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace nnkernels::nn {
namespace {

using PlaceKind = Place::Kind;

LayerTraits conv(std::int64_t x, std::int64_t y) {
  return {.x_size = x,
          .y_size = y,
          .work = 1e4,
          .sample_wise = true,
          .reads_y = false,
          .trainable = true};
}
LayerTraits affine(std::int64_t x, std::int64_t y) {
  return {.x_size = x, .y_size = y, .work = 1e4, .reads_y = false, .trainable = true};
}
LayerTraits activation(std::int64_t size, bool fused) {
  return {.x_size = size, .y_size = size, .fused = fused, .sample_wise = true, .in_place = true};
}
LayerTraits pool(std::int64_t x, std::int64_t y) {
  return {.x_size = x, .y_size = y, .sample_wise = true, .reads_y = false};
}
TEST(Schedule, RunsSampleWiseNeighboursTogether) {
  const std::vector<LayerTraits> layers{conv(784, 17280),      activation(17280, true),
                                        pool(17280, 4320),     affine(4320, 100),
                                        activation(100, true), affine(100, 10)};
  const Schedule s = make_schedule(layers, sizeof(float));
  ASSERT_EQ(s.stages.size(), 4U);
  EXPECT_EQ(s.stages[0].layers, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(s.stages[0].depth_first);
  EXPECT_EQ(s.stages[1].layers, (std::vector<int>{3}));
  EXPECT_FALSE(s.stages[1].depth_first);
  EXPECT_EQ(s.first_trainable, 0);

  // conv and ReLU share memory.
  EXPECT_EQ(s.activations[0].kind, PlaceKind::caller_x);
  EXPECT_EQ(s.activations[1], s.activations[2]);
  EXPECT_NE(s.activations[2], s.activations[3]);
  EXPECT_EQ(s.activation_sizes, (std::vector<std::int64_t>{17280, 4320, 100, 10}));

  // Inside the stage one block of scratch, between stages two buffers in turn.
  EXPECT_EQ(s.gradients[6].kind, PlaceKind::caller_dy);
  EXPECT_EQ(s.gradients[5].kind, PlaceKind::whole);
  EXPECT_EQ(s.gradients[4], s.gradients[5]);
  EXPECT_EQ(s.gradients[3].kind, PlaceKind::whole);
  EXPECT_NE(s.gradients[3], s.gradients[4]);
  EXPECT_EQ(s.gradients[2].kind, PlaceKind::scratch);
  EXPECT_EQ(s.gradients[1], s.gradients[2]);
  EXPECT_EQ(s.gradients[0].kind, PlaceKind::caller_x);
  EXPECT_EQ(s.scratch_sizes[0], 17280);
  EXPECT_EQ(s.scratch_sizes[1], 0);
}

TEST(Schedule, KeepsWhatABackwardPassReads) {
  // sigmoid, tanh: the first reads its y, so the second must not overwrite it. The pool does not.
  const std::vector<LayerTraits> layers{pool(40, 10), activation(10, false), activation(10, false)};
  const Schedule s = make_schedule(layers, sizeof(float));
  EXPECT_EQ(s.activations[1], s.activations[2]);
  EXPECT_NE(s.activations[2], s.activations[3]);
  // The caller's dy is read only: the last layer has to write elsewhere.
  EXPECT_EQ(s.gradients[3].kind, PlaceKind::caller_dy);
  EXPECT_EQ(s.gradients[2].kind, PlaceKind::scratch);
  EXPECT_EQ(s.gradients[1], s.gradients[2]);
  EXPECT_EQ(s.first_trainable, 3);
}

TEST(Schedule, NeverWritesIntoTheCallersX) {
  const std::vector<LayerTraits> layers{activation(10, false), affine(10, 5)};
  const Schedule s = make_schedule(layers, sizeof(float));
  EXPECT_EQ(s.activations[1].kind, PlaceKind::whole);
}

TEST(Schedule, LongStagesAlternateTheirScratch) {
  const std::vector<LayerTraits> layers{affine(9, 50), conv(50, 60), conv(60, 70), conv(70, 80),
                                        conv(80, 20)};
  const Schedule s = make_schedule(layers, sizeof(float));
  EXPECT_EQ(s.gradients[4].kind, PlaceKind::scratch);
  EXPECT_EQ(s.gradients[3].kind, PlaceKind::scratch);
  EXPECT_EQ(s.gradients[2].kind, PlaceKind::scratch);
  EXPECT_NE(s.gradients[4], s.gradients[3]);
  EXPECT_EQ(s.gradients[4], s.gradients[2]);
  EXPECT_EQ(s.gradients[1].kind, PlaceKind::whole);
}

TEST(Schedule, InferenceKeepsNothing) {
  const std::vector<LayerTraits> layers{
      conv(784, 17280),  activation(17280, false), pool(17280, 4320),      conv(4320, 2000),
      affine(2000, 100), activation(100, false),   activation(100, false), affine(100, 10)};
  const Schedule s = make_schedule(layers, sizeof(float), true);
  EXPECT_EQ(s.activations[0].kind, PlaceKind::caller_x);
  // Inside a stage: scratch memory in turn, or in place.
  EXPECT_EQ(s.activations[1].kind, PlaceKind::scratch);
  EXPECT_EQ(s.activations[2], s.activations[1]);
  EXPECT_EQ(s.activations[3].kind, PlaceKind::scratch);
  EXPECT_NE(s.activations[3], s.activations[2]);
  EXPECT_EQ(s.scratch_sizes, (std::array<std::int64_t, 2>{17280, 4320}));
  // Between stages two buffers in turn, or in place.
  EXPECT_EQ(s.activations[4].kind, PlaceKind::whole);
  EXPECT_EQ(s.activations[5].kind, PlaceKind::whole);
  EXPECT_NE(s.activations[5], s.activations[4]);
  EXPECT_EQ(s.activations[6], s.activations[5]);
  EXPECT_EQ(s.activations[7], s.activations[5]);
  EXPECT_EQ(s.activations[8], s.activations[4]);
  EXPECT_EQ(s.activation_sizes, (std::vector<std::int64_t>{2000, 100}));
  EXPECT_EQ(s.gradient_sizes, (std::array<std::int64_t, 2>{}));
}

TEST(Schedule, InferenceWritesBehindAStageWhatOthersReadThere) {
  // In place at a stage's end would leave y in one thread's scratch memory.
  const std::vector<LayerTraits> layers{pool(40, 10), activation(10, false)};
  const Schedule s = make_schedule(layers, sizeof(float), true);
  EXPECT_EQ(s.activations[1].kind, PlaceKind::scratch);
  EXPECT_EQ(s.activations[2].kind, PlaceKind::whole);
  const std::vector<LayerTraits> first{activation(10, false), affine(10, 5)};
  EXPECT_EQ(make_schedule(first, sizeof(float), true).activations[1].kind, PlaceKind::whole);
}

TEST(Schedule, BlocksFitTheCacheAndTheBounds) {
  const std::vector<LayerTraits> layers{conv(784, 17280), activation(17280, true),
                                        pool(17280, 4320)};
  const Stage stage = make_schedule(layers, sizeof(float)).stages[0];
  EXPECT_EQ(stage.block, 2);
  for (std::int64_t planned = 0; planned <= 700; planned += 7) {
    for (std::int64_t n = 0; n <= planned; ++n) {
      const Blocks blocks = make_blocks(stage, n);
      EXPECT_LE(blocks.count, most_blocks(stage, planned));
      EXPECT_LE(blocks.count, 64);
      std::int64_t samples = 0;
      for (std::int64_t b = 0; b < blocks.count; ++b) {
        const std::int64_t size = blocks.first(b + 1) - blocks.first(b);
        ASSERT_GE(size, 1);
        ASSERT_LE(size, largest_block(stage, planned));
        samples += size;
      }
      ASSERT_EQ(samples, n);
    }
  }
}

}  // namespace
}  // namespace nnkernels::nn
