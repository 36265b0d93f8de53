// Networks as users name them: built in, as text, or saved.
#ifndef NNKERNELS_BENCH_NETWORK_SOURCE_H_
#define NNKERNELS_BENCH_NETWORK_SOURCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nn/data/dataset.h"
#include "nn/sequential.h"

namespace nnkernels::bench {

/// A network to be measured.
struct NetworkSource {
  std::string name;          // as it was asked for
  std::string architecture;  // as nn::build() reads it
  nn::Shape input = {};      // of one sample
  std::string file;          // that holds its weights; empty: they are random

  /// The network, anew at each call. Throws what nn::load_model() does.
  nn::Sequential<float> make() const;
};

/// What the flags that take a network say of it.
inline constexpr const char* kNetworkHelp =
    "mlp, cnn; layers such as \"conv 8 3x3, relu, flatten, affine classes\" for 28x28 images in 10 "
    "classes; or what nncli train saved, a run's folder or its last.safetensors";

/// The network that `text` names: a built-in model; a saved one if it is the path of a file or
/// folder, or looks like one ("/" or ".safetensors" in it), of a folder the model that nncli eval
/// takes; else layers, "classes" being 10. Throws std::invalid_argument unless the network exists
/// and gives one number a class of images, and nn::FileError for a file that is no model.
NetworkSource network_source(const std::string& text);

/// `words`, with --model in front of the first one unless that is a flag.
std::vector<std::string> with_model_flag(std::vector<std::string> words);

/// Images and labels that `net` takes: `count`, or as many as fit into 256 MB, but at least one
/// batch of `at_least`.
nn::Dataset random_images(std::int64_t count, std::int64_t at_least,
                          const nn::Sequential<float>& net);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_NETWORK_SOURCE_H_
