// Ctrl-C: finish what has been begun, save, go.
#ifndef NNKERNELS_CLI_INTERRUPT_H_
#define NNKERNELS_CLI_INTERRUPT_H_

#include <functional>

namespace nnkernels::cli {

/// While an object of this class lives, the first SIGINT or SIGTERM only makes a note, says so on
/// standard error, and a long loop looks at the note when it can stop. A later one ends the process
/// at once, with the code that a shell would report (128 + signal number). SIGHUP, which a terminal
/// sends when it closes, makes a note of its own: time to save, and go on. It stays ignored where
/// it was (nohup). Not more than one object may live at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The number of the first SIGINT or SIGTERM that came, 0 if none.
  int signal() const;
  /// Whether a SIGHUP has come since the last call.
  bool take_hangup() const;

  /// Runs `work`, which should be short. The signal that would end the process lets it finish, so
  /// that nothing half-written stays behind; the one after that does not.
  void undisturbed(const std::function<void()>& work) const;
};

/// Makes writing to a closed pipe or beyond a file-size limit an error (EPIPE, EFBIG) that the code
/// which writes can report, instead of the silent end of the process.
void turn_write_signals_into_errors();

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_INTERRUPT_H_
