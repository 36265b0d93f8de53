// The inside of Sequential: its layers, what nn/schedule.h decided about them, and their memory.
#ifndef NNKERNELS_NN_SEQUENTIAL_PLAN_H_
#define NNKERNELS_NN_SEQUENTIAL_PLAN_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "nn/schedule.h"
#include "nn/sequential.h"

namespace nnkernels::nn {

template <class T>
struct Sequential<T>::Plan {
  /// A layer, and who does its work if not itself.
  struct Node {
    std::unique_ptr<Layer<T>> layer;
    bool identity = false;        // y is x: there is no work
    bool fused = false;           // an activation: a layer before computes y
    bool fused_gradient = false;  // and a layer behind it its backward pass
    bool absorbed = false;        // a layer before does everything
    std::int64_t parameter = 0;   // its first one's place among all parameters

    bool runs() const { return !identity && !fused && !absorbed; }
  };

  /// What runs: a layer, with all that it was asked to do for its neighbours. A fused activation
  /// runs backward only.
  struct Unit {
    int node;
    Shape x, y;  // of one sample
    bool fused;
  };

  /// The sum of a stage's parameter gradients is taken over its blocks in order, whichever thread
  /// computed them.
  struct StageBuffers {
    std::int64_t parameter_size = 0;  // of all parameters of the stage together
    AlignedBuffer<T> gradients;       // [parameter][block][element]
  };

  /// What one thread needs to take a block backward, or, frozen, forward.
  struct Slot {
    std::array<AlignedBuffer<T>, 2> scratch;  // [largest block][...]
    std::vector<TensorView<T>> grads;         // of one layer
  };

  std::vector<Node> nodes;
  std::vector<Shape> shapes;  // of one sample, before each layer and after the last

  bool frozen = false;
  bool scheduled = false;
  std::vector<Unit> units;
  /// For each element of `shapes`, the boundary between units (0 lies before the first one) that
  /// holds such samples; -1 if nobody computes them.
  std::vector<int> boundaries;
  Schedule schedule;                          // of the units
  std::vector<Parameter<T>*> all_parameters;  // in layer order
  std::int64_t planned = 0;                   // samples that all buffers have room for
  std::vector<AlignedBuffer<T>> activations;  // [planned][...] each
  std::array<AlignedBuffer<T>, 2> gradients;  // [planned][...] each
  std::vector<StageBuffers> stage_buffers;
  std::vector<Slot> slots;

  // The batch in progress, and the caller's memory.
  std::int64_t n = -1;   // of the last forward(); -1 if there was none
  bool trained = false;  // whether that was a training pass
  const T* x = nullptr;
  const T* dy = nullptr;
  T* dx = nullptr;
  Updater<T>* updater = nullptr;

  const Unit& unit(int i) const { return units[static_cast<std::size_t>(i)]; }
  Layer<T>& layer(const Unit& u) const { return *nodes[static_cast<std::size_t>(u.node)].layer; }

  /// Decides who does the work of layer i, from itself and those before it.
  void join(std::size_t i);
  /// As Sequential::freeze() and thaw(). If it throws, the network has to be thawed.
  void set_frozen(bool on);
  void make_units();
  void make_schedule();
  void allocate(std::int64_t samples);
  void allocate_slots();
  /// Throws if a layer cannot go back through a pass that was not in training.
  void check_backward_of_inference() const;
  static void check_not_null(const char* function, const char* argument, TensorView<const T> batch);
  void check_batch(const char* argument, TensorView<const T> got, const Shape& expected) const;

  // Where sample `first`, of shape `one`, lies at a boundary between units.
  const T* activation(int boundary, std::int64_t first, const Shape& one, int slot);
  T* mutable_activation(int boundary, std::int64_t first, const Shape& one, int slot);
  const T* gradient(int boundary, std::int64_t first, const Shape& one, int slot);
  T* mutable_gradient(int boundary, std::int64_t first, const Shape& one, int slot);

  void run_forward(const Stage& stage, std::int64_t first, std::int64_t count, int slot);
  void forward_stage(const Stage& stage);
  /// Leaves the gradients of block `block` of `blocks` in the stage's buffer, or, if there is only
  /// one block, where they belong.
  void run_backward(std::size_t stage, int lowest, const Blocks& blocks, std::int64_t block,
                    int slot);
  void backward_stage(std::size_t stage, int lowest);
  void sum_gradients(std::size_t stage, std::int64_t blocks);
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_SEQUENTIAL_PLAN_H_
