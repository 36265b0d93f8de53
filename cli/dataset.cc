#include "cli/dataset.h"

#include <system_error>

#include "nn/file_error.h"

namespace nnkernels::cli {

namespace fs = std::filesystem;

std::vector<fs::path> bundled_data_places() {
  std::vector<fs::path> places;
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  if (!error) places.push_back(executable.parent_path().parent_path() / "share/nnkernels/mnist");
  places.emplace_back(NNKERNELS_DATA_DIR);
  places.emplace_back("data/mnist");
  return places;
}

fs::path bundled_data() {
  std::string looked_for;
  for (const fs::path& place : bundled_data_places()) {
    std::error_code error;
    if (fs::is_directory(place, error)) return place;
    looked_for += (looked_for.empty() ? "" : ", ") + place.string();
  }
  throw nn::FileError(
      "MNIST", "not found; looked for the folders " + looked_for + "; name yours with --data DIR");
}

NamedData load_data(const fs::path& folder) {
  NamedData data;
  const fs::path given = folder.empty() ? bundled_data() : folder;
  data.sets = nn::load_mnist(given.string());
  for (const nn::Dataset* set : {&data.sets.train, &data.sets.test}) {
    if (set->n == 0 || set->pixels.empty()) {
      throw nn::FileError(given.string(), "the " + set->name + " set has no images");
    }
  }
  data.folder = fs::canonical(given);
  data.name = data.folder.filename().string();
  return data;
}

}  // namespace nnkernels::cli
