// Ctrl-C while files are written: stop, and leave nothing half-written.
#ifndef NNKERNELS_CLI_STOP_SIGNAL_H_
#define NNKERNELS_CLI_STOP_SIGNAL_H_

#include <csignal>

namespace nnkernels::cli {

/// While an object of this class lives, the first SIGINT, SIGTERM or SIGHUP only makes a note; the
/// same one again does what it did before. Signals that were ignored stay so. For work that
/// can stop at once; for training there is InterruptGuard (cli/interrupt.h). Not more than one
/// object of either kind may live at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The number of the signal that came last, 0 if none.
  int number() const;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction previous_[3];
};

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_STOP_SIGNAL_H_
