// When a loop is worth sharing among threads. Internal to kernels/.
#ifndef NNKERNELS_KERNELS_SHARING_H_
#define NNKERNELS_KERNELS_SHARING_H_

#include "kernels/parallel.h"

namespace nnkernels::detail {

/// Decides from the estimated time of a loop and from whether the workers are awake. A worker that
/// finds nothing to do goes to sleep after 50 to 100 us. To wake it costs the caller 10 to 20 us,
/// and it comes 30 to 70 us after the call; an awake one costs the caller less than one (measured:
/// docs/threads.md). All times are in microseconds.
class SharingRule {
 public:
  /// Below limits().hot no loop is shared, and the rule need not be asked.
  const WorthSharing& limits() const { return limits_; }
  void set_limits(const WorthSharing& limits) { limits_ = limits; }

  /// Whether to share a loop that is estimated to take `estimate` on one thread and begins at
  /// `now`.
  bool shares(double estimate, double now) {
    if (now - last_shared_ < kAwake) return true;
    // The loops of a training step may each be too short to wake a worker for, and yet as a row
    // be worth it: wake one as soon as a row without pauses has taken as long as one long loop.
    row_ = now - last_ < kAwake ? row_ + estimate : estimate;
    return row_ >= limits_.cold;
  }

  /// A loop that the rule was asked about has ended at `now`.
  void ended(bool shared, double now) {
    last_ = now;
    if (shared) {
      last_shared_ = now;
      row_ = 0;
    }
  }

 private:
  /// For so long after a shared loop a worker is certainly awake.
  static constexpr double kAwake = 40.0;

  WorthSharing limits_;
  double row_ = 0;       // estimates of loops that followed each other, since the last sharing
  double last_ = -1e18;  // end of the last loop
  double last_shared_ = -1e18;
};

}  // namespace nnkernels::detail

#endif  // NNKERNELS_KERNELS_SHARING_H_
