// A network cut into its stages and its layers, each of which can run on its own.
#ifndef NNKERNELS_BENCH_NETWORK_PARTS_H_
#define NNKERNELS_BENCH_NETWORK_PARTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/case.h"
#include "nn/sequential.h"

namespace nnkernels::bench {

/// Neighbouring layers of a network.
struct NetworkPart {
  std::string text;      // as nn::build() reads it
  nn::Shape input;       // of one sample
  bool wants_dx;         // whether something before it is trained
  std::int64_t count;    // layers, without those that only change the shape
  double multiply_adds;  // of one sample forward, of the layers with parameters
};

/// A stage, and the layers it is made of.
struct NetworkStage {
  NetworkPart whole;
  std::vector<NetworkPart> layers;  // those that compute something
};

/// What Sequential runs as one: neighbouring sample-wise layers, or another layer with the
/// activations that follow it (nn/sequential.h). Layers that only change the shape belong to the
/// stage before, or to the first.
std::vector<NetworkStage> stages_of(const nn::Sequential<float>& net);

/// Forward and backward passes of a part as a network of its own, on a batch of random numbers.
class PartRunner {
 public:
  PartRunner(const NetworkPart& part, std::int64_t batch_size);

  Work forward() const;
  Work backward() const;
  double forward_flops() const { return flops_; }
  /// Gradients by weights, and by data if they are wanted, each as much work as forward. What a
  /// sparse gradient saves is not deducted.
  double backward_flops() const { return wants_dx_ ? 2 * flops_ : flops_; }

 private:
  struct State;
  std::shared_ptr<State> state_;
  bool wants_dx_;
  double flops_;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_NETWORK_PARTS_H_
