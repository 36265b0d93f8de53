#include "nn/data/new_folder.h"

#include <unistd.h>

#include <system_error>

#include "nn/file_error.h"

namespace nnkernels::nn {

namespace fs = std::filesystem;

namespace {

/// Has a folder beside `target` filled, then `publish` move it or what it holds; what is left of it
/// in the end is removed.
void by_way_of_another(const fs::path& target, const FillFolder& fill, const FillFolder& publish) {
  fs::path made = target;
  made += ".tmp-" + std::to_string(::getpid());
  std::error_code ignored;
  if (!fs::create_directory(made, ignored)) {
    throw WriteError(target.string(),
                     ignored ? ignored.message() : made.string() + " is in the way");
  }
  try {
    fill(made);
    publish(made);
  } catch (const fs::filesystem_error& failure) {
    fs::remove_all(made, ignored);
    throw WriteError(target.string(), failure.code().message());
  } catch (...) {
    fs::remove_all(made, ignored);
    throw;
  }
  fs::remove_all(made, ignored);
}

void refuse_existing(const std::vector<std::string>& files) {
  std::error_code error;
  for (const std::string& file : files) {
    if (fs::exists(fs::symlink_status(file, error))) {
      throw WriteError(file, "it is there already");
    }
  }
}

}  // namespace

void write_new_folder(const std::string& dir, const FillFolder& fill) {
  // Without a slash at the end, which would put the folder for the meantime into DIR.
  const fs::path target =
      fs::path(dir).has_filename() ? fs::path(dir) : fs::path(dir).parent_path();
  std::error_code error;
  if (fs::exists(target, error) &&
      (!fs::is_directory(target, error) || !fs::is_empty(target, error))) {
    throw WriteError(dir, "it is there already, and not an empty folder");
  }
  if (target.has_parent_path()) fs::create_directories(target.parent_path(), error);
  by_way_of_another(target, fill, [&](const fs::path& made) {
    fs::rename(made, target, error);
    if (!error) return;
    // "." and a link to an empty folder cannot be replaced, only filled.
    for (const fs::directory_entry& entry : fs::directory_iterator(made)) {
      fs::rename(entry.path(), target / entry.path().filename());
    }
  });
}

void write_new_files(const std::vector<std::string>& files, const FillFolder& fill) {
  refuse_existing(files);
  by_way_of_another(files.front(), fill, [&](const fs::path& made) {
    refuse_existing(files);  // writing may have taken minutes
    std::vector<fs::path> moved;
    std::error_code error;
    for (const fs::path path : files) {
      const fs::path written = made / path.filename();
      if (!fs::exists(written, error)) continue;
      fs::rename(written, path, error);
      if (error) {
        std::error_code ignored;
        for (const fs::path& other : moved) fs::remove(other, ignored);
        throw WriteError(path.string(), error.message());
      }
      moved.push_back(path);
    }
  });
}

}  // namespace nnkernels::nn
