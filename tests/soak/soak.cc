// soak: a program that trains, evaluates, predicts, saves and loads over and over again must not
// grow.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "nn/architecture.h"
#include "nn/batch.h"
#include "nn/checkpoint.h"
#include "nn/data/file.h"
#include "nn/data/load.h"
#include "nn/file_error.h"
#include "nn/initialize.h"
#include "nn/metrics.h"
#include "nn/model_file.h"
#include "nn/trainer.h"

namespace nnkernels::nn {
namespace {

namespace fs = std::filesystem;

/// A layer of each kind that holds memory.
constexpr const char* kNet =
    "conv 8 3x3, batchnorm, relu, maxpool 2, dropout 0.2, conv 16 3x3 groups 2, tanh, "
    "globalavgpool, affine 32, relu, affine 10";

Sequential<float> initial_net(const Dataset& data) {
  auto net = build<float>(sample_shape(data), kNet);
  initialize(net, Initialization::he, 1);
  return net;
}

/// A network in training, as one process would hold it.
struct Training {
  explicit Training(const Dataset& data)
      : net(initial_net(data)),
        optimizer(make_optimizer<float>("adam", 0.002)),
        trainer(net, *optimizer, data,
                {.epochs = 2,
                 .batch_size = 50,
                 .preprocessing = default_preprocessing(data),
                 .augmentation = augmentation_from_text("shift 1"),
                 .average_decay = 0.99}) {}

  Sequential<float> net;
  std::unique_ptr<Optimizer<float>> optimizer;
  Trainer<float> trainer;
};

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

bool refused(const std::string& path, std::span<const std::uint8_t> bytes) {
  try {
    parse_model(path, bytes);
  } catch (const FileError&) {
    return true;
  }
  return false;
}

/// From the files of a data set to a network that was saved, loaded and used. Returns the SHA-256
/// of its weights.
std::string round(const std::string& data_path, const fs::path& folder) {
  const Dataset data = load_dataset(data_path, {.label = LabelColumn::last}).sets.train;
  const std::string checkpoint = folder / "checkpoint.safetensors";
  const std::string model = folder / "model.safetensors";

  // Half of the training here, half by another trainer that goes on from the file.
  Training first(data);
  first.trainer.on_epoch = [&](const EpochResult&) {
    save_checkpoint(checkpoint, folder / "kept.safetensors", first.trainer, {});
    return false;
  };
  first.trainer.run();
  Training second(data);
  Checkpoint(checkpoint).restore(second.trainer);
  second.trainer.run();
  first.trainer.on_epoch = nullptr;
  first.trainer.run();
  const std::string weights = weights_sha256(first.net);
  require(weights_sha256(second.net) == weights, "the resumed training ended elsewhere");

  save_model(model, first.net, {default_preprocessing(data), data.classes, {}});
  Model loaded = load_model(model);
  const Evaluation before = evaluate(first.net, data, default_preprocessing(data));
  const Evaluation after = evaluate(loaded.net, data, loaded.info.preprocessing);
  require(before.accuracy == after.accuracy && before.loss == after.loss,
          "the loaded network is another one");
  require(after.accuracy > 0.5, "the network has not learnt anything");

  // Single images, and what is asked about them.
  Tensor<float> x(sample_shape(data).batch(1));
  std::int32_t label = 0, predicted = 0;
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < data.n; ++i) {
    gather_batch<float>(data, loaded.info.preprocessing, {&i, 1}, x.view(), {&label, 1});
    predict_classes(loaded.net.forward(x.view()), {&predicted, 1});
    right += label == predicted ? 1 : 0;
  }
  require(right == after.confusion.correct(), "single images are predicted otherwise");
  worst_mistakes(loaded.net, data, loaded.info.preprocessing, 10);

  // The way out of a failure must not lose memory either.
  std::vector<std::uint8_t> bytes = read_file(model, kMaxModelFile);
  bytes[bytes.size() / 2] ^= 1;
  require(refused(model, bytes), "a damaged model was accepted");
  bytes.pop_back();
  require(refused(model, bytes), "a cut model was accepted");
  return weights;
}

/// What the process holds.
struct Usage {
  std::int64_t resident = 0;  // bytes of memory
  std::int64_t heap = 0;      // of these, what malloc() has given out
  std::int64_t files = 0;
  std::int64_t threads = 0;

  static Usage now() {
    // What malloc() keeps for later differs by megabytes from round to round; no leak is in that.
    ::malloc_trim(0);
    std::int64_t size = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> size >> pages;
    const struct mallinfo2 info = ::mallinfo2();
    return {pages * ::sysconf(_SC_PAGESIZE), static_cast<std::int64_t>(info.uordblks + info.hblkhd),
            std::distance(fs::directory_iterator("/proc/self/fd"), {}),
            std::distance(fs::directory_iterator("/proc/self/task"), {})};
  }
  void raise(const Usage& other) {
    resident = std::max(resident, other.resident);
    heap = std::max(heap, other.heap);
    files = std::max(files, other.files);
    threads = std::max(threads, other.threads);
  }
  void print(double seconds, std::int64_t rounds) const {
    std::printf(
        "%8.0f s %7lld rounds %9.2f MiB resident %8.3f MiB heap %4lld files %3lld threads\n",
        seconds, static_cast<long long>(rounds), static_cast<double>(resident) / 1048576,
        static_cast<double>(heap) / 1048576, static_cast<long long>(files),
        static_cast<long long>(threads));
    std::fflush(stdout);
  }
};

int run(double seconds, const std::string& data_path) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  std::string pattern = (fs::temp_directory_path() / "soak.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  struct Removed {
    fs::path path;
    ~Removed() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } const folder{pattern};

  // Worker threads, buffers and malloc's own lists come with the first rounds.
  const double warm_up = std::min(120.0, seconds / 3);
  constexpr std::int64_t kMinRounds = 5;
  std::printf("%.0f s, warm-up %.0f s, %d threads, %s; after each round:\n", seconds, warm_up,
              threads(), simd().c_str());
  std::string weights;
  Usage warm, last;
  std::int64_t rounds = 0, warm_rounds = 0;
  double next_line = 0;
  for (; rounds < warm_rounds + kMinRounds || elapsed() < seconds; ++rounds) {
    const std::string now = round(data_path, folder.path);
    require(weights.empty() || weights == now, "a later round ended with other weights");
    weights = now;
    last = Usage::now();
    if (rounds < kMinRounds || elapsed() < warm_up) {
      warm.raise(last);
      warm_rounds = rounds + 1;
    }
    if (elapsed() >= next_line) {
      last.print(elapsed(), rounds + 1);
      next_line = elapsed() + seconds / 30;
    }
  }
  std::printf("the most in the warm-up (%lld rounds), and at the end:\n",
              static_cast<long long>(warm_rounds));
  warm.print(warm_up, warm_rounds);
  last.print(elapsed(), rounds);
  const auto change = [&](std::int64_t Usage::*member) { return last.*member - warm.*member; };
  const auto resident = static_cast<double>(warm.resident);
  const double grown = static_cast<double>(change(&Usage::resident)) / resident;
  const double heap_grown = static_cast<double>(change(&Usage::heap)) / resident;
  const bool steady = grown < 0.01 && heap_grown < 0.01 && change(&Usage::files) <= 0 &&
                      change(&Usage::threads) <= 0;
  std::printf(
      "%s: resident %+.2f %%, heap %+lld bytes, files %+lld, threads %+lld; every round ended with "
      "the weights %.16s\n",
      steady ? "steady" : "GROWN", 100 * grown, static_cast<long long>(change(&Usage::heap)),
      static_cast<long long>(change(&Usage::files)),
      static_cast<long long>(change(&Usage::threads)), weights.c_str());
  return steady ? 0 : 1;
}

}  // namespace
}  // namespace nnkernels::nn

int main(int argc, char** argv) {
  double seconds = 0;
  const std::string_view text = argc == 3 ? argv[2] : "";
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc() || rest != text.data() + text.size() ||
      !(seconds > 0 && seconds < 1e9)) {
    std::fprintf(stderr,
                 "usage: soak DIGITS SECONDS\n"
                 "Exit status 1 if memory grows by 1 %% or more after the warm-up.\n");
    return 2;
  }
  try {
    return nnkernels::nn::run(seconds, argv[1]);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "soak: %s\n", failure.what());
    return 1;
  }
}
