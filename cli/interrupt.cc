#include "cli/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "cli/exit_code.h"

namespace nnkernels::cli {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

// A signal handler reaches nothing but globals. Lock-free, hence safe in a handler and, other than
// volatile sig_atomic_t, also when the kernel delivers the signal to a worker thread.
std::atomic<int> noted_signal = 0;
std::atomic<int> quit_signal = 0;  // came while undisturbed() ran
std::atomic<bool> hung_up = false;
std::atomic<bool> undisturbed_now = false;
std::atomic<bool> on_terminal = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

std::array<struct sigaction, kSignals.size()> previous_actions;

/// Only what a signal handler may call.
void announce(int number) {
  const int error = errno;
  // A terminal's cursor stands behind the progress line and the echo of Ctrl-C.
  const std::string_view text =
      number != SIGINT
          ? "\nnncli: stopping after this batch and saving\n"
          : "\nnncli: stopping after this batch and saving; Ctrl-C again to quit at once\n";
  const std::string_view shown = on_terminal ? text : text.substr(1);
  // Where nobody reads standard error any more, there is nobody to tell.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, shown.data(), shown.size());
  errno = error;
}

extern "C" void note_signal(int number) {
  if (number == SIGHUP) {
    hung_up = true;
    return;
  }
  int none = 0;
  if (noted_signal.compare_exchange_strong(none, number)) {
    announce(number);
    return;
  }
  if (undisturbed_now && quit_signal.exchange(number) == 0) return;
  _exit(kSignalBase + number);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  noted_signal = 0;
  quit_signal = 0;
  hung_up = false;
  on_terminal = isatty(STDERR_FILENO) == 1;
  struct sigaction action = {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  // Also where SIGINT was ignored, as shells do for jobs in the background: stopping loses nothing,
  // and `kill -INT` is how a script asks for it.
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &previous_actions[i]);
    if (kSignals[i] == SIGHUP && previous_actions[i].sa_handler == SIG_IGN) {
      sigaction(SIGHUP, &previous_actions[i], nullptr);
    }
  }
}

InterruptGuard::~InterruptGuard() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &previous_actions[i], nullptr);
  }
}

int InterruptGuard::signal() const { return noted_signal; }

bool InterruptGuard::take_hangup() const { return hung_up.exchange(false); }

void InterruptGuard::undisturbed(const std::function<void()>& work) const {
  struct Scope {
    Scope() { undisturbed_now = true; }
    ~Scope() {
      undisturbed_now = false;
      if (quit_signal != 0) _exit(kSignalBase + quit_signal);
    }
  };
  const Scope scope;
  work();
}

void turn_write_signals_into_errors() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace nnkernels::cli
