#include "cli/stop_signal.h"

#include <atomic>
#include <cstddef>
#include <iterator>

namespace nnkernels::cli {
namespace {

std::atomic<int> noted_signal = 0;  // a handler reaches nothing but globals
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void note_stop_signal(int number) { noted_signal = number; }

}  // namespace

StopSignal::StopSignal() {
  noted_signal = 0;
  struct sigaction action = {};
  action.sa_handler = note_stop_signal;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &previous_[i]);
    if (previous_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &action, nullptr);
  }
}

StopSignal::~StopSignal() {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &previous_[i], nullptr);
  }
}

int StopSignal::number() const { return noted_signal; }

}  // namespace nnkernels::cli
