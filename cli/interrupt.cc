#include "cli/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

#include "cli/exit_code.h"

namespace nnkernels::cli {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};

// A signal handler reaches nothing but globals. Lock-free, hence safe in a handler and, other than
// volatile sig_atomic_t, also when the kernel delivers the signal to a worker thread.
std::atomic<int> noted_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free);

std::array<struct sigaction, kSignals.size()> previous_actions;

extern "C" void note_signal(int number) {
  if (noted_signal.exchange(number) != 0) _exit(kSignalBase + number);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  noted_signal = 0;
  struct sigaction action = {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  // Also where SIGINT was ignored, as shells do for jobs in the background: stopping loses nothing,
  // and `kill -INT` is how a script asks for it.
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &previous_actions[i]);
  }
}

InterruptGuard::~InterruptGuard() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &previous_actions[i], nullptr);
  }
}

int InterruptGuard::signal() const { return noted_signal; }

void turn_write_signals_into_errors() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace nnkernels::cli
