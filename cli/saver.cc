#include "cli/saver.h"

#include <utility>

#include "cli/output.h"
#include "nn/file_error.h"
#include "nn/named_tensor.h"

namespace nnkernels::cli {

Saver::Saver(Saving saving, const InterruptGuard& interrupt, RunFolder& run, Progress& progress,
             nn::Trainer<float>& trainer, const nn::ModelInfo& info)
    : saving_(std::move(saving)),
      interrupt_(interrupt),
      run_(run),
      progress_(progress),
      trainer_(trainer),
      info_(info),
      last_checkpoint_(Clock::now()) {}

bool Saver::attempt(const std::function<void()>& save) {
  try {
    interrupt_.undisturbed(save);
    return true;
  } catch (const nn::WriteError& error) {
    if (!run_.saved()) throw;
    if (!warned_) {
      progress_.clear();
      report("nncli: " + one_line(error.what()) +
             "; training goes on and tries again, what was saved before is still there");
    }
    warned_ = true;
    return false;
  }
}

void Saver::save_last() {
  last_is_saved_ = attempt([this] { run_.save(trainer_.net(), info_); });
}

void Saver::save_best() {
  unsaved_best_.clear();
  if (attempt([this] { run_.save_best(trainer_.net(), info_); })) return;
  for (const auto& [name, value] : nn::named_tensors(trainer_.net())) {
    unsaved_best_.push_back(value->clone());
  }
}

void Saver::swap_unsaved_best() {
  const auto tensors = nn::named_tensors(trainer_.net());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::swap(*tensors[i].value, unsaved_best_[i]);
  }
}

void Saver::save_best_again() {
  if (unsaved_best_.empty()) return;
  swap_unsaved_best();
  const bool is_saved = attempt([this] { run_.save_best(trainer_.net(), info_); });
  swap_unsaved_best();
  if (is_saved) unsaved_best_.clear();
}

bool Saver::due_within_epoch() {
  hung_up_ = interrupt_.take_hangup();
  if (hung_up_) return true;
  const std::chrono::duration<double> since = Clock::now() - last_checkpoint_;
  return since.count() >= 60 * saving_.minutes;
}

bool Saver::due_after_epoch() const {
  const Clock::duration since = Clock::now() - last_checkpoint_;
  return saving_.minutes == 0 || cost_ == Clock::duration() || since >= 50 * cost_;
}

void Saver::save_checkpoint(const RunState& state) {
  const Clock::time_point start = Clock::now();
  save_best_again();
  // A checkpoint says which network is the best one, so that must be in its file.
  if (unsaved_best_.empty()) {
    std::map<std::string, std::string> metadata = saving_.metadata;
    write_state(state, metadata);
    const bool is_saved = attempt([&] { run_.save_checkpoint(trainer_, metadata); });
    if (is_saved && std::exchange(hung_up_, false)) {
      progress_.clear();
      report("nncli: hung up: saved a checkpoint, training goes on");
    }
  }
  last_checkpoint_ = Clock::now();
  cost_ = last_checkpoint_ - start;
}

void Saver::save_at_end(const RunState& state) {
  if (!last_is_saved_) {
    const nn::UseAverage averaged(trainer_.average());
    interrupt_.undisturbed([this] { run_.save(trainer_.net(), info_); });
  }
  save_checkpoint(state);
  if (unsaved_best_.empty()) return;
  swap_unsaved_best();
  interrupt_.undisturbed([this] { run_.save_best(trainer_.net(), info_); });
}

}  // namespace nnkernels::cli
