#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "nn/random.h"
#include "tests/cli/process.h"
#include "tests/cli/samples.h"

// Training that is killed at random moments and resumed ends with the bits of training that is not.
// Checkpoints are saved after every update here, so that many kills come in the middle of a save.
// NNKERNELS_KILLS says how many kills (20), NNKERNELS_KILL_SEED which moments.
namespace nnkernels::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr int kMostKillsOfARun = 12;

/// What must come back from a checkpoint differs: an optimizer's state, the moving average, the
/// samples of an epoch, the best network, the log. Running moments and masks are in all of them.
const std::array<Words, 5>& settings() {
  static const std::array<Words, 5> kSettings = {
      Words{"--optimizer", "adam", "--validation", "0.2", "--ema", "0.9"},
      Words{"--optimizer", "momentum", "--schedule", "step", "--log-every", "7"},
      Words{"--optimizer", "rmsprop", "--sampling", "replacement", "--augment",
            "shift 2, noise 0.1"},
      Words{"--optimizer", "adamw", "--validation", "0.1", "--patience", "1", "--warmup", "1"},
      Words{"--optimizer", "adagrad", "--clip-norm", "1", "--steps", "25"}};
  return kSettings;
}

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Words train(const fs::path& data, const fs::path& run, const Words& more) {
  return with({"train", "--arch",
               "conv 4 3x3, batchnorm, relu, maxpool 2, flatten, dropout 0.2, affine classes",
               "--data", data.string(), "--epochs", "3", "--batch-size", "20", "--lr", "0.01",
               "--json", "--quiet", "--out", run.string(), "--checkpoint-every", "0"},
              more);
}

std::string without_times(const std::string& text) {
  static const std::regex kTimes(
      R"re("(train_seconds|images_per_second)": [^,]*, |"run": "[^"]*", |"threads": [0-9]*, |"epoch_seconds": \[[^\]]*\], )re");
  return std::regex_replace(text, kTimes, "");
}

/// All that must be the same.
struct End {
  std::string last;
  std::string best;
  std::string figures;  // metrics and result
};

End end_of(const fs::path& run, const test::Result& result) {
  return {.last = test::read_file(run / "last.safetensors"),
          .best = test::read_file(run / "best.safetensors"),
          .figures = without_times(test::read_file(run / "metrics.jsonl") + result.out)};
}

void expect_same(const End& found, const End& expected) {
  EXPECT_FALSE(expected.last.empty());
  EXPECT_TRUE(found.last == expected.last) << "last.safetensors";
  EXPECT_TRUE(found.best == expected.best) << "best.safetensors";
  EXPECT_EQ(found.figures, expected.figures);
}

std::int64_t number_from(const char* variable, std::int64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

bool has_checkpoint(const fs::path& run) {
  return fs::exists(run / "checkpoint.safetensors") ||
         fs::exists(run / "checkpoint.previous.safetensors");
}

bool has_leftovers(const fs::path& run) {
  std::error_code error;
  const fs::directory_iterator files(run, error);
  return !error && std::any_of(begin(files), end(files), [](const fs::directory_entry& file) {
    return file.path().filename().string().find(".tmp-") != std::string::npos;
  });
}

class KillResume : public testing::Test {
 protected:
  /// Trains with these settings and kills that up to `most` times. Returns how often.
  int kill_and_compare(std::size_t which, int most) {
    const Words& more = settings().at(which);
    const fs::path whole = dir_ / ("whole-" + std::to_string(which));
    const fs::path broken = dir_ / "broken";
    fs::remove_all(broken);
    if (expected_.at(which).last.empty()) {
      const Clock::time_point start = Clock::now();
      const test::Result result = test::nncli(train(data_, whole, more));
      EXPECT_EQ(result.code, 0) << result.err;
      duration_ = Clock::now() - start;
      expected_.at(which) = end_of(whole, result);
    }
    for (int kills = 0;; ++kills) {
      if (!has_checkpoint(broken)) fs::remove_all(broken);
      test::Process process(has_checkpoint(broken)
                                ? Words{"train", "--resume", broken.string(), "--json", "--quiet",
                                        "--checkpoint-every", "0", "--threads",
                                        kills % 2 == 0 ? "1" : "2"}
                                : train(data_, broken, more));
      if (kills < most) {
        const double share = random_.uniform(0, moment_++);
        std::this_thread::sleep_for(share * duration_ / 2);
        process.send(SIGKILL);
      }
      const test::Result result = process.wait();
      if (result.code == -SIGKILL) {
        if (has_leftovers(broken)) ++in_saves_;
        continue;
      }
      EXPECT_EQ(result.code, 0) << result.err;
      // Killed behind its last checkpoint, but before its result, it has nothing more to say.
      SCOPED_TRACE("settings " + std::to_string(which) + ", kills " + std::to_string(kills));
      if (result.out.empty()) {
        EXPECT_NE(result.err.find("is finished"), std::string::npos) << result.err;
        expect_same(end_of(broken, {}), end_of(whole, {}));
      } else {
        expect_same(end_of(broken, result), expected_.at(which));
      }
      return kills;
    }
  }

  test::TempDir dir_;
  const fs::path data_ = dir_ / "data";
  const nn::Random random_{static_cast<std::uint64_t>(number_from("NNKERNELS_KILL_SEED", 1)),
                           nn::Purpose::test};
  std::uint64_t moment_ = 0;
  std::array<End, 5> expected_;
  Clock::duration duration_ = {};  // of a run that is not killed
  int in_saves_ = 0;
};

TEST_F(KillResume, EndsWithTheBitsOfTheUnbrokenRun) {
  test::write_shapes(data_);
  const auto wanted = static_cast<int>(number_from("NNKERNELS_KILLS", 20));
  int kills = 0;
  int runs = 0;
  for (; kills < wanted && !HasFailure(); ++runs) {
    const int most = std::min(wanted - kills, wanted <= 20 ? 4 : kMostKillsOfARun);
    kills += kill_and_compare(static_cast<std::size_t>(runs) % settings().size(), most);
  }
  std::cout << kills << " kills of " << runs << " runs, " << in_saves_
            << " of them in the middle of a save\n";
}

}  // namespace
}  // namespace nnkernels::cli
