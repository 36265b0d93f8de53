#include "cli/run_folder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kMetrics = "metrics.jsonl";
constexpr std::string_view kLast = "last.safetensors";
constexpr std::string_view kBest = "best.safetensors";
constexpr std::string_view kReport = "report.html";
/// All that a run may hold.
constexpr std::array kFiles = {kConfig, kMetrics, kLast, kBest, kReport};

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
    const fs::path name = entry->path().filename();
    if (std::find(kFiles.begin(), kFiles.end(), name.string()) == kFiles.end()) return false;
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

/// "runs/a/" means "runs/a".
fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
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

void RunFolder::use_existing(bool replace) {
  std::error_code ignored;
  if (fs::is_directory(place_, ignored)) {
    locks_.emplace_back(place_);
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
  locks_.emplace_back(place_);
  // Not before it is locked: then nobody else has begun to use it.
  made_.push_back(place_);
}

RunFolder::~RunFolder() {
  if (saved_) return;
  std::error_code ignored;
  for (const std::string_view name : kFiles) fs::remove(place_ / name, ignored);
  remove_made();
}

void RunFolder::remove_made() {
  std::error_code ignored;
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, ignored);
}

void RunFolder::append_metrics(std::string_view json_line) {
  nn::append_line((place_ / kMetrics).string(), json_line);
}

void RunFolder::save(const nn::Sequential<float>& net, const nn::ModelInfo& info) {
  if (!config_.empty()) nn::write_file_atomically((place_ / kConfig).string(), config_);
  config_.clear();
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
  std::error_code error;
  if (!fs::exists(run, error)) {
    throw nn::FileError(
        run.string(),
        "no such run; give a folder that `nncli train` made, or its " + std::string(kLast));
  }
  if (!fs::is_directory(run, error)) return run;
  for (const std::string_view name : {kBest, kLast}) {
    if (fs::exists(run / name, error)) return run / name;
  }
  throw nn::FileError(run.string(), is_run(run) || fs::is_empty(run, error)
                                        ? "holds no model: its training did not finish"
                                        : "is no run; give a folder that `nncli train` made");
}

}  // namespace nnkernels::cli
