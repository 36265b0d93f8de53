// All that decides what a training run computes: what recipes, files and flags set.
#ifndef NNKERNELS_CLI_TRAIN_CONFIG_H_
#define NNKERNELS_CLI_TRAIN_CONFIG_H_

#include <cstdint>
#include <string>

#include "cli/data_options.h"

namespace nnkernels::cli {

/// The values of the settings that cli/settings.h names and explains. A number that is 0 where 0
/// would mean nothing is off.
struct TrainConfig {
  std::string recipe = "custom";  // what it began with
  std::string arch;

  std::string data = "mnist";
  std::string label = "first";
  std::string image;
  double test_share = kTestShare;
  std::string augment = "none";
  double pixels_low = 0;
  double pixels_high = 1;
  double validation = 0;

  std::int64_t epochs = 10;
  std::int64_t steps = 0;
  std::int64_t batch_size = 100;
  std::string sampling = "shuffle";

  std::string loss = "softmax";
  double label_smoothing = 0;
  double target_low = 0;
  double target_high = 1;

  std::string optimizer = "adam";
  double lr = 0.001;
  double momentum = 0.9;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double alpha = 0.99;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double clip_norm = 0;

  std::string schedule = "cosine";
  double warmup = 0;
  std::int64_t decay_every = 10;
  double decay = 0.1;
  double rise = 0.3;
  double div_start = 25;
  double div_end = 1e4;

  std::string init = "he";
  double init_scale = 0.01;
  double ema = 0;

  std::int64_t patience = 0;
  double until = 0;
  std::int64_t log_every = 0;
  std::uint64_t seed = 1;
};

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_TRAIN_CONFIG_H_
