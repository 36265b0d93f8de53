#include "cli/dataset.h"

#include <system_error>
#include <utility>

#include "nn/file_error.h"

namespace nnkernels::cli {

namespace fs = std::filesystem;

namespace {

fs::path or_bundled(const fs::path& folder) { return folder.empty() ? bundled_data() : folder; }

void require_images(const fs::path& folder, const nn::Dataset& set) {
  if (set.n == 0 || set.pixels.empty()) {
    throw nn::FileError(folder.string(), "the " + set.name + " set has no images");
  }
}

NamedData named(const fs::path& folder, nn::TrainTest sets) {
  require_images(folder, sets.test);
  const fs::path canonical = fs::canonical(folder);
  return {.name = canonical.filename().string(), .folder = canonical, .sets = std::move(sets)};
}

}  // namespace

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
  const fs::path given = or_bundled(folder);
  nn::TrainTest sets = nn::load_mnist(given.string());
  require_images(given, sets.train);
  return named(given, std::move(sets));
}

NamedData load_test_data(const fs::path& folder) {
  const fs::path given = or_bundled(folder);
  return named(given, {.train = {}, .test = nn::load_mnist_test(given.string())});
}

}  // namespace nnkernels::cli
