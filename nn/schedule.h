// What Sequential decides before it runs: which layers run together, and whose memory each
// activation and gradient lies in. A pure function of the properties of the layers that run: those
// whose work other layers do, and those that do nothing (Flatten), are no part of it.
#ifndef NNKERNELS_NN_SCHEDULE_H_
#define NNKERNELS_NN_SCHEDULE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nnkernels::nn {

/// What the schedule depends on; the names are those of Layer.
struct LayerTraits {
  std::int64_t x_size = 0;  // numbers in one sample of x
  std::int64_t y_size = 0;  // numbers in one sample of y
  double work = 0;          // multiply-adds a sample
  bool fused = false;       // forward is done by the layer before
  bool sample_wise = false;
  bool in_place = false;
  bool reads_y = true;     // backward() reads y
  bool trainable = false;  // has parameters
};

/// The memory that the numbers of one boundary between layers (one sample after the other) lie in.
struct Place {
  enum class Kind {
    caller_x,   // x for activations, dx for gradients: the caller's
    caller_dy,  // the caller's gradient by the output; read only
    whole,      // a buffer for the whole batch
    scratch     // a buffer of each thread's, for one block
  };
  Kind kind = Kind::caller_x;
  int index = 0;  // which buffer of its kind

  bool operator==(const Place&) const = default;
};

/// Layers that run together.
struct Stage {
  std::vector<int> layers;   // ascending
  bool depth_first = false;  // block by block; otherwise one layer, given the whole batch
  std::int64_t block = 1;    // samples of one block that fit the cache
  double work = 0;           // multiply-adds a sample, forward
};

/// How n samples are cut into `count` blocks that differ by at most one sample. Depends on n and
/// the stage only.
struct Blocks {
  std::int64_t n;
  std::int64_t count;
  std::int64_t first(std::int64_t block) const { return block * n / count; }
};

struct Schedule {
  // Boundary i lies before layer i; the last one is the output.
  std::vector<Place> activations;
  std::vector<Place> gradients;
  std::vector<std::int64_t> activation_sizes;    // of each whole buffer, numbers a sample
  std::array<std::int64_t, 2> gradient_sizes{};  // the same for gradients between stages
  std::array<std::int64_t, 2> scratch_sizes{};   // the same for what stays inside a stage
  std::vector<Stage> stages;
  int first_trainable = 0;  // the first layer with parameters; the number of layers if none has
};

/// Decides everything. `element_size` is sizeof(T).
///
/// In training every activation has a buffer for the whole batch, since backward passes read them;
/// gradients inside a stage live in scratch memory. Without backward passes (`inference`) there are
/// no gradients, and activations live as these do: two buffers in turn, inside a stage and between.
Schedule make_schedule(std::span<const LayerTraits> layers, std::size_t element_size,
                       bool inference = false);

/// The blocks of n samples of a depth-first stage.
Blocks make_blocks(const Stage& stage, std::int64_t n);

/// The number of blocks, and of samples in one, that no batch of up to n samples exceeds.
std::int64_t most_blocks(const Stage& stage, std::int64_t n);
std::int64_t largest_block(const Stage& stage, std::int64_t n);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_SCHEDULE_H_
