#include "cli/run_folder.h"

#include <ctime>
#include <stdexcept>
#include <system_error>

#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kMetrics = "metrics.jsonl";
constexpr std::string_view kModel = "model.safetensors";

/// Makes one folder and whatever is missing above it; false if it exists.
bool make_folder(const fs::path& path) {
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  const bool made = !error && fs::create_directory(path, error);
  // Something that is no folder counts as an error there, but here as a name that is taken.
  std::error_code ignored;
  if (error && !fs::exists(fs::symlink_status(path, ignored))) {
    throw nn::WriteError(path.string(), error.message());
  }
  return made;
}

fs::path make_named_folder(std::string_view model) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y-%m-%d-%H%M%S", &local);
  const std::string name = std::string(model) + "-" + stamp;
  fs::path path = fs::path("runs") / name;
  for (int copy = 2; !make_folder(path); ++copy) {
    path = fs::path("runs") / (name + "-" + std::to_string(copy));
  }
  return path;
}

/// "runs/a/" means "runs/a".
fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

RunFolder::RunFolder(const fs::path& out, std::string_view model, bool replace)
    : path_(without_trailing_slash(out)), replaces_(false) {
  if (out.empty()) {
    path_ = make_named_folder(model);
    return;
  }
  if (make_folder(path_)) return;
  std::error_code ignored;
  const bool is_run = fs::is_regular_file(path_ / kConfig, ignored);
  if (!replace || !is_run) {
    throw std::runtime_error(path_.string() + " exists" +
                             (is_run ? "; choose another --out, or replace it with --force"
                                     : " and is no run that --force could replace; choose another "
                                       "--out"));
  }
  replaces_ = true;
  fs::remove(pending(kMetrics), ignored);  // of a run that was killed
}

RunFolder::~RunFolder() {
  if (saved_) return;
  std::error_code ignored;
  fs::remove(pending(kConfig), ignored);
  fs::remove(pending(kMetrics), ignored);
  if (!replaces_) fs::remove(path_, ignored);
}

fs::path RunFolder::pending(std::string_view name) const {
  fs::path path = path_ / name;
  if (replaces_) path += ".new";
  return path;
}

void RunFolder::write_config(std::string_view json) {
  nn::write_file_atomically(pending(kConfig).string(), json);
}

void RunFolder::append_metrics(std::string_view json_line) {
  nn::append_line(pending(kMetrics).string(), json_line);
}

void RunFolder::save(const nn::Sequential<float>& net, const nn::ModelInfo& info) {
  nn::save_model((path_ / kModel).string(), net, info);
  saved_ = true;
  if (!replaces_) return;
  for (const std::string_view name : {kConfig, kMetrics}) {
    std::error_code error;
    if (fs::exists(pending(name))) {
      fs::rename(pending(name), path_ / name, error);
    } else {
      fs::remove(path_ / name, error);  // stopped in the first epoch: no metrics
    }
    if (error) throw nn::WriteError((path_ / name).string(), error.message());
  }
}

fs::path model_file_of(const fs::path& run) {
  std::error_code error;
  return fs::is_directory(run, error) ? run / kModel : run;
}

}  // namespace nnkernels::cli
