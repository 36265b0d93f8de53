#include "cli/run_folder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "cli/exit_code.h"
#include "cli/numbers.h"
#include "nn/data/file.h"
#include "nn/data/run_record.h"
#include "nn/file_error.h"
#include "nn/weight_file.h"

namespace nnkernels::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kMetrics = "metrics.jsonl";
constexpr std::string_view kLast = "last.safetensors";
constexpr std::string_view kBest = "best.safetensors";
constexpr std::string_view kReport = "report.html";
constexpr std::string_view kCheckpoint = "checkpoint.safetensors";
constexpr std::string_view kPrevious = "checkpoint.previous.safetensors";
constexpr const char* kAnotherPlace = "choose another --out";
/// All that a run may hold, apart from what a save that was killed has left (is_ours).
constexpr std::array kFiles = {kConfig, kMetrics, kLast, kBest, kReport, kCheckpoint, kPrevious};

/// Whether write_file_atomically() made the file for one of ours and was killed.
bool is_leftover(std::string_view name) {
  return std::any_of(kFiles.begin(), kFiles.end(), [name](std::string_view file) {
    return name.starts_with(std::string(file) + ".tmp-");
  });
}

bool is_ours(std::string_view name) {
  return std::find(kFiles.begin(), kFiles.end(), name) != kFiles.end() || is_leftover(name);
}

void remove_if(const fs::path& folder, bool (*condition)(std::string_view)) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (condition(entry->path().filename().string())) found.push_back(entry->path());
  }
  for (const fs::path& path : found) fs::remove(path, error);
}

/// Makes whatever is missing above `path` and notes in `made` what it made.
std::error_code make_parents(const fs::path& path, std::vector<fs::path>& made) {
  std::error_code error;
  const fs::path parent = path.parent_path();
  if (parent.empty() || fs::exists(parent, error)) return {};
  error = make_parents(parent, made);
  if (!error && fs::create_directory(parent, error)) made.push_back(parent);
  return error;
}

/// Makes one folder and whatever is missing above it, which it notes in `made`; false if the folder
/// exists.
bool make_folder(const fs::path& path, std::vector<fs::path>& made) {
  std::error_code error = make_parents(path, made);
  const bool is_new = !error && fs::create_directory(path, error);
  // Something that is no folder counts as an error there, but here as a name that is taken.
  std::error_code ignored;
  if (error && !fs::exists(fs::symlink_status(path, ignored))) {
    throw nn::WriteError(path.string(), error.message());
  }
  return is_new;
}

/// Makes a folder called `wanted`, or with "-2", "-3"... behind that if it is taken.
fs::path make_numbered_folder(const fs::path& wanted, std::vector<fs::path>& made) {
  fs::path path = wanted;
  for (int copy = 2; !make_folder(path, made); ++copy) {
    path = wanted;
    path += "-" + std::to_string(copy);
  }
  return path;
}

fs::path telling_name(std::string_view model) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y-%m-%d-%H%M%S", &local);
  return fs::path("runs") / (std::string(model) + "-" + stamp);
}

/// Throws nn::FileError if that cannot be told: a folder above may be somebody else's.
bool is_there(const fs::path& path) {
  std::error_code error;
  const bool there = fs::exists(path, error);
  if (error) throw nn::FileError(path.string(), error.message());
  return there;
}

bool is_run(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / kConfig, ignored);
}

/// Whether the folder is a run that holds no files but nncli's.
bool is_run_alone(const fs::path& folder) {
  if (!is_run(folder)) return false;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!is_ours(entry->path().filename().string())) return false;
  }
  return !error;
}

/// The name under which the old run is kept: RUN~, or the first of RUN~2, RUN~3... that may be
/// used. A run that had the name is removed.
fs::path make_room_beside(const fs::path& run) {
  for (int copy = 1;; ++copy) {
    fs::path path = run;
    path += copy == 1 ? "~" : "~" + std::to_string(copy);
    std::error_code error;
    if (is_run_alone(path)) fs::remove_all(path, error);
    if (!fs::exists(fs::symlink_status(path, error))) return path;
  }
}

/// The name by which a folder can be renamed: not "." or a link to it.
fs::path own_name(const fs::path& folder) {
  const bool other = folder.filename() == "." || folder.filename() == ".." ||
                     fs::is_symlink(fs::symlink_status(folder));
  return other ? fs::canonical(folder) : folder;
}

/// Whether training gives the name to a file of the folder, which is `run` or another run.
bool is_run_file(const fs::path& path, const fs::path& run, Output what) {
  const std::string name = path.filename().string();
  if (what == Output::page && name == kReport) return false;
  if (std::find(kFiles.begin(), kFiles.end(), name) == kFiles.end()) return false;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code ignored;
  return is_run(folder) || fs::equivalent(folder, run, ignored);
}

/// "runs/a/" means "runs/a".
fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

/// Whether `nncli convert` can read it, and it is no model that has been damaged.
bool is_weight_file(const std::string& path) {
  try {
    return !nn::read_weight_file(path).texts.contains("nnkernels.format");
  } catch (const nn::FileError&) {
    return false;
  }
}

}  // namespace

RunFolder::RunFolder(const fs::path& out, std::string_view model, bool replace) {
  try {
    if (out.empty()) {
      place_ = make_numbered_folder(telling_name(model), made_);
    } else {
      place_ = without_trailing_slash(out);
      if (!make_folder(place_, made_)) {
        use_existing(replace);
        return;
      }
    }
    lock_made();
  } catch (...) {
    remove_made();
    throw;
  }
}

RunFolder::RunFolder(const fs::path& run)
    : place_(without_trailing_slash(run)), saved_(true), reopened_(true) {
  if (!is_there(place_)) {
    throw nn::FileError(run.string(), "no such run; give a folder that `nncli train` made");
  }
  if (!is_there(place_ / kConfig) || !is_run(place_)) {
    throw nn::FileError(run.string(), "is no run; give a folder that `nncli train` made");
  }
  locks_.emplace_back(place_, "wait until that is done, or stop it");
  remove_if(place_, is_leftover);
}

void RunFolder::use_existing(bool replace) {
  std::error_code ignored;
  if (fs::is_directory(place_, ignored)) {
    locks_.emplace_back(place_, kAnotherPlace);
    if (fs::is_empty(place_, ignored)) return;
  }
  if (!is_run(place_)) {
    throw std::runtime_error(place_.string() +
                             " exists and is no run that --force could replace; choose another "
                             "--out");
  }
  if (!replace) {
    throw std::runtime_error(place_.string() +
                             " exists; choose another --out, or replace it with --force");
  }
  replaced_ = own_name(place_);
  fs::path beside = replaced_;
  beside += ".new-" + std::to_string(getpid());
  place_ = make_numbered_folder(beside, made_);
  lock_made();
}

void RunFolder::lock_made() {
  locks_.emplace_back(place_, kAnotherPlace);
  // Not before it is locked: then nobody else has begun to use it.
  made_.push_back(place_);
}

RunFolder::~RunFolder() {
  if (saved_) return;
  remove_if(place_, is_ours);
  remove_made();
}

void RunFolder::remove_made() {
  std::error_code ignored;
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, ignored);
}

void RunFolder::write_config() {
  if (!config_.empty()) nn::write_file_atomically((place_ / kConfig).string(), config_);
  config_.clear();
}

void RunFolder::write_metrics() {
  if (metrics_.empty()) return;
  nn::append_line((place_ / kMetrics).string(), metrics_);
  metrics_.clear();
}

void RunFolder::append_metrics(std::string_view json_line) {
  metrics_ += (metrics_.empty() ? "" : "\n") + std::string(json_line);
  write_metrics();
}

void RunFolder::keep_metrics_before(std::int64_t epoch) {
  const std::string path = (place_ / kMetrics).string();
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;
  const std::vector<std::uint8_t> bytes = nn::read_file(path, nn::kMaxRecordFile);
  const std::string text(bytes.begin(), bytes.end());
  std::string kept;
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string_view line = std::string_view(text).substr(at, end - at);
    // As metrics_json() begins it.
    constexpr std::string_view kStart = "{\"epoch\": ";
    if (!line.starts_with(kStart)) continue;
    const std::string_view rest = line.substr(kStart.size());
    const auto number = parse_number<std::int64_t>(rest.substr(0, rest.find(',')));
    if (number && *number < epoch) kept += std::string(line) + "\n";
  }
  if (kept != text) nn::write_file_atomically(path, kept);
}

std::vector<double> RunFolder::epoch_seconds() const {
  const std::string path = (place_ / kMetrics).string();
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  std::vector<double> seconds;
  for (const nn::EpochRecord& epoch : nn::read_metrics(path)) {
    seconds.push_back(epoch.train_seconds.value_or(0));
  }
  return seconds;
}

void RunFolder::save_checkpoint(nn::Trainer<float>& trainer,
                                const std::map<std::string, std::string>& metadata) {
  write_config();
  write_metrics();
  std::error_code ignored;
  const std::string metrics = (place_ / kMetrics).string();
  if (fs::exists(metrics, ignored)) nn::sync_file(metrics);
  nn::save_checkpoint((place_ / kCheckpoint).string(), (place_ / kPrevious).string(), trainer,
                      metadata);
  saved_ = true;
}

nn::Checkpoint RunFolder::load_checkpoint(std::string& problem) {
  const fs::path newest = place_ / kCheckpoint;
  const fs::path previous = place_ / kPrevious;
  std::error_code ignored;
  const bool has_previous = fs::exists(previous, ignored);
  if (!has_previous && !fs::exists(newest, ignored)) {
    throw nn::FileError(place_.string(),
                        "holds no checkpoint to resume from: its training was not saved yet, or a "
                        "version of nncli before checkpoints made it");
  }
  try {
    return nn::Checkpoint(newest.string());
  } catch (const nn::FileError& error) {
    if (!has_previous) throw;
    problem = error.what();
  }
  try {
    nn::Checkpoint checkpoint(previous.string());
    // The next save must not push the good one out by the damaged one.
    fs::rename(previous, newest);
    return checkpoint;
  } catch (const nn::FileError& error) {
    throw nn::FileError(place_.string(), "neither checkpoint can be used: " + problem + "; " +
                                             std::string(error.what()));
  }
}

void RunFolder::save(const nn::Sequential<float>& net, const nn::ModelInfo& info) {
  write_config();
  nn::save_model((place_ / kLast).string(), net, info);
  saved_ = true;
}

void RunFolder::save_best(const nn::Sequential<float>& net, const nn::ModelInfo& info) {
  nn::save_model((place_ / kBest).string(), net, info);
}

fs::path RunFolder::finish() {
  if (replaced_.empty()) return {};
  fs::path kept = make_room_beside(replaced_);
  std::error_code error;
  fs::rename(replaced_, kept, error);
  if (error == std::errc::no_such_file_or_directory) {  // somebody has removed the old run
    kept.clear();
    error.clear();
  }
  if (!error) {
    fs::rename(place_, replaced_, error);
    std::error_code ignored;
    if (error && !kept.empty()) fs::rename(kept, replaced_, ignored);
  }
  if (error) {
    throw std::runtime_error("cannot replace " + replaced_.string() + ": " + error.message() +
                             "; the new run is in " + place_.string());
  }
  place_ = std::exchange(replaced_, {});
  return kept;
}

fs::path model_file_of(const fs::path& run) {
  if (!is_there(run)) {
    throw nn::FileError(
        run.string(),
        "no such run; give a folder that `nncli train` made, or its " + std::string(kLast));
  }
  std::error_code error;
  if (!fs::is_directory(run, error)) return run;
  for (const std::string_view name : {kBest, kLast}) {
    if (is_there(run / name)) return run / name;
  }
  throw nn::FileError(run.string(), is_run(run) || fs::is_empty(run, error)
                                        ? "holds no model: its training did not finish"
                                        : "is no run; give a folder that `nncli train` made");
}

nn::Model load_model_of(const fs::path& run) {
  const std::string path = model_file_of(run).string();
  try {
    return nn::load_model(path);
  } catch (const nn::FileError&) {
    if (!is_weight_file(path)) throw;
  }
  throw nn::FileError(path, "is a file of weights; `nncli convert` makes a model of it");
}

void refuse_input(std::string_view option, const fs::path& input, const fs::path& out) {
  std::error_code ignored;
  if (!fs::equivalent(input, out, ignored)) return;
  throw UsageError(std::string(option) + ": " + out.string() +
                   " is the file that is read; choose another");
}

void refuse_run_files(std::string_view option, const fs::path& run, const fs::path& out,
                      Output what) {
  for (const fs::path& model : {run, run / kBest, run / kLast}) refuse_input(option, model, out);
  std::error_code ignored;
  if (!is_run_file(out, run, what) && !is_run_file(fs::weakly_canonical(out, ignored), run, what)) {
    return;
  }
  throw UsageError(std::string(option) + ": " + out.string() +
                   " is a file of the run itself; choose another");
}

}  // namespace nnkernels::cli
