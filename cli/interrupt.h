// Ctrl-C: finish what has been begun, save, go.
#ifndef NNKERNELS_CLI_INTERRUPT_H_
#define NNKERNELS_CLI_INTERRUPT_H_

namespace nnkernels::cli {

/// While an object of this class lives, the first SIGINT or SIGTERM only makes a note, which a long
/// loop looks at when it can stop; the second one ends the process at once, with the code that a
/// shell would report (128 + signal number). Not more than one object may live at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The number of the signal that came, 0 if none.
  int signal() const;
};

/// Makes writing to a closed pipe or beyond a file-size limit an error (EPIPE, EFBIG) that the code
/// which writes can report, instead of the silent end of the process.
void turn_write_signals_into_errors();

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_INTERRUPT_H_
