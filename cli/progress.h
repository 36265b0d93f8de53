// Training progress on standard error.
#ifndef NNKERNELS_CLI_PROGRESS_H_
#define NNKERNELS_CLI_PROGRESS_H_

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "nn/metrics.h"
#include "nn/trainer.h"

namespace nnkernels::cli {

/// "epoch 3/10  batch 250/600  loss 0.0312  46,210 images/s  12 s left", without the fields at the
/// end that do not fit into `columns`.
std::string live_line(const nn::BatchProgress& progress, double images_per_second,
                      double seconds_left, std::size_t columns);

/// "epoch 3/10  loss 0.0312  test accuracy 98.71 %  1.3 s  46,210 images/s", at most 79 characters:
/// without the fields at the end that do not fit. `set` is the set that was judged by: "test".
std::string epoch_line(const nn::EpochResult& result, const nn::Evaluation& judged,
                       std::string_view set);

/// Tells how training goes: on a terminal by one line that is drawn again at most ten times a
/// second, and everywhere by one line an epoch. `quiet` tells nothing.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void batch(const nn::BatchProgress& progress);
  void epoch(const nn::EpochResult& result, const nn::Evaluation& judged, std::string_view set);

  /// A line that stays.
  void note(const std::string& line);

  /// Takes the live line away, to be called before others write to the terminal; so does the
  /// destructor.
  void clear();

 private:
  bool quiet_;
  bool live_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_draw_;
  double seconds_before_ = 0;  // training time of the epochs that are done
  double images_before_ = 0;   // and how many images they had
};

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_PROGRESS_H_
