#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <thread>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

// What nncli does when data, models, disks or numbers are bad: the exit code, one line that says
// what is wrong, and nothing half-made left behind.
namespace nnkernels::cli {
namespace {

namespace fs = std::filesystem;
using test::nncli;
using test::read_file;
using test::Result;
using test::write_file;

class Failure : public testing::Test {
 protected:
  void SetUp() override { test::write_shapes(data_); }

  Result train(const std::vector<std::string>& more = {},
               const test::Surroundings& surroundings = {}) const {
    std::vector<std::string> arguments = {"--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return nncli(test::train_shapes(data_, run_, arguments), surroundings);
  }

  /// Training fails with `code` and one line that has all of `words`; no run folder is left.
  void expect_failure(int code, const std::vector<std::string>& words,
                      const std::vector<std::string>& more = {},
                      const test::Surroundings& surroundings = {}) const {
    const Result result = train(more, surroundings);
    EXPECT_EQ(result.code, code) << result.err;
    expect_one_line(result, words);
    EXPECT_FALSE(fs::exists(run_));
  }

  static void expect_one_line(const Result& result, const std::vector<std::string>& words) {
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("nncli: ")) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    for (const std::string& word : words) {
      EXPECT_NE(result.err.find(word), std::string::npos) << word << " in " << result.err;
    }
  }

  test::TempDir dir_;
  const fs::path data_ = dir_ / "data";
  const fs::path run_ = dir_ / "run";
};

TEST_F(Failure, MissingFolder) {
  fs::remove_all(data_);
  expect_failure(3, {data_.string(), "no such file or folder", "--data"});
}

TEST_F(Failure, AFileInsteadOfTheFolder) {
  const fs::path labels = data_ / "train-labels-idx1-ubyte";
  const Result result = nncli(test::train_shapes(labels, run_));
  EXPECT_EQ(result.code, 3);
  expect_one_line(result,
                  {labels.string() + ": is one file of a data set in IDX; give the folder"});
}

TEST_F(Failure, MissingFile) {
  fs::remove(data_ / "t10k-labels-idx1-ubyte");
  expect_failure(3, {data_.string(), "t10k-labels-idx1-ubyte"});
}

TEST_F(Failure, TruncatedGzip) {
  const fs::path images = data_ / "train-images-idx3-ubyte.gz";
  fs::resize_file(images, fs::file_size(images) / 2);
  expect_failure(3, {images.string()});
}

TEST_F(Failure, WrongMagicNumber) {
  const fs::path images = data_ / "t10k-images-idx3-ubyte";
  write_file(images, "GIF89a" + read_file(images));
  expect_failure(3, {images.string(), "at byte 0"});
}

TEST_F(Failure, ImagesAndLabelsSwapped) {
  fs::copy_file(data_ / "t10k-labels-idx1-ubyte", data_ / "t10k-images-idx3-ubyte",
                fs::copy_options::overwrite_existing);
  expect_failure(3, {"t10k-images-idx3-ubyte"});
}

TEST_F(Failure, FewerLabelsThanImages) {
  write_file(data_ / "train-labels-idx1-ubyte", test::idx({2}, {0, 1}));
  expect_failure(3, {"expected 200 labels", "found 2"});
}

TEST_F(Failure, NoImages) {
  write_file(data_ / "t10k-images-idx3-ubyte", test::idx({0, 28, 28}, {}));
  write_file(data_ / "t10k-labels-idx1-ubyte", test::idx({0}, {}));
  expect_failure(3, {"test"});
}

TEST_F(Failure, ImagesTooSmallForTheModel) {
  fs::remove(data_ / "train-images-idx3-ubyte.gz");
  for (const char* half : {"train", "t10k"}) {
    write_file(data_ / (std::string(half) + "-images-idx3-ubyte"),
               test::idx({1, 2, 2}, {1, 2, 3, 4}));
    write_file(data_ / (std::string(half) + "-labels-idx1-ubyte"), test::idx({1}, {0}));
  }
  expect_failure(2, {"does not fit images of 2x2x1", "layer 1: Conv2d 1->30 5x5"},
                 {"--model", "cnn"});
}

TEST_F(Failure, DivergingLearningRate) {
  expect_failure(5, {"diverged: the loss is not a number", "learning rate lower than 1e+30"},
                 {"--optimizer", "sgd", "--lr", "1e30"});
}

TEST_F(Failure, FileSizeLimit) {
  expect_failure(1,
                 {"cannot write " + (run_ / "last.safetensors").string(),
                  "File too large; free some space or choose another place"},
                 {}, {.file_size_limit = 16384});
}

TEST_F(Failure, FullDisk) {
  const fs::path disk = dir_ / "disk";
  fs::create_directories(disk);
  const Result result =
      nncli(test::train_shapes(data_, disk / "run", {"--quiet"}), {.full_disk = disk});
  if (result.code == test::kCannotPrepare) GTEST_SKIP() << "no file systems may be mounted here";
  EXPECT_EQ(result.code, 1) << result.err;
  expect_one_line(result, {"cannot write " + (disk / "run/last.safetensors").string(),
                           "No space left on device; free some space or choose another place"});
}

TEST_F(Failure, OneStepThatSpoilsTheNetwork) {
  expect_failure(5, {"diverged: the loss is not a number"},
                 {"--optimizer", "sgd", "--lr", "1e30", "--batch-size", "200", "--epochs", "1"});
}

// A batch is normalised by moments that are still finite, for a while.
TEST_F(Failure, RunningMomentsThatOverflow) {
  std::string csv;
  for (int i = 0; i < 40; ++i) csv += i % 2 == 0 ? "0,0,0,0,0\n" : "1,255,255,255,255\n";
  write_file(dir_ / "extremes.csv", csv);
  expect_failure(5, {"diverged"},
                 {"--arch", "flatten, batchnorm, affine classes", "--data",
                  (dir_ / "extremes.csv").string(), "--pixels", "0..2.2e19", "--epochs", "2"});
}

/// Trains until an epoch is over; last.safetensors can then not be replaced any more.
class LaterSave : public Failure {
 protected:
  void block(const std::string& epochs) {
    process_.emplace(test::train_shapes(data_, run_, {"--epochs", epochs}));
    ASSERT_TRUE(process_->wait_for("epoch "));
    std::error_code error;
    do {  // until no new model comes between
      fs::remove(model_, error);
    } while (!fs::create_directory(model_, error));
    ASSERT_TRUE(process_->wait_for("training goes on and tries again")) << process_->err();
  }
  static std::ptrdiff_t count(const std::string& text, const std::string& word) {
    std::ptrdiff_t found = 0;
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++found;
    return found;
  }

  const fs::path model_ = run_ / "last.safetensors";
  std::optional<test::Process> process_;
};

TEST_F(LaterSave, FailsOnceAndTrainingGoesOn) {
  block("1000000");
  fs::remove(model_);
  while (!fs::is_regular_file(model_)) std::this_thread::yield();
  process_->send(SIGINT);
  const Result result = process_->wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_EQ(count(result.err, "cannot write " + model_.string()), 1) << result.err;
  EXPECT_EQ(nncli({"eval", run_.string()}).code, 0);
}

TEST_F(LaterSave, FailsForGoodAndTheExitCodeTells) {
  block("1000000");
  process_->send(SIGINT);
  const Result result = process_->wait();
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_EQ(count(result.err, "cannot write " + model_.string()), 2) << result.err;
  EXPECT_NE(result.err.find("what was saved before is in " + run_.string()), std::string::npos)
      << result.err;
  EXPECT_TRUE(fs::exists(run_ / "checkpoint.safetensors"));
  fs::remove(model_);
  // The checkpoint is whole, so not even that is lost.
  test::Process resumed({"train", "--resume", run_.string()});
  ASSERT_TRUE(resumed.wait_for("epoch "));
  resumed.send(SIGTERM);
  EXPECT_EQ(resumed.wait().code, 143);
  EXPECT_EQ(nncli({"eval", run_.string()}).code, 0);
}

TEST_F(Failure, StandardOutputLostAfterTraining) {
  const Result result = train({}, {.stdout_path = "/dev/full"});
  EXPECT_EQ(result.code, 1);
  expect_one_line(result, {"cannot write to standard output: No space left on device; the network "
                           "is saved in " +
                           run_.string()});
  EXPECT_EQ(nncli({"eval", run_.string()}).code, 0);  // the work is not lost
  EXPECT_TRUE(fs::exists(run_ / "report.html"));
}

class DamagedModel : public Failure {
 protected:
  void SetUp() override {
    Failure::SetUp();
    ASSERT_EQ(train().code, 0);
    bytes_ = read_file(model_);
    write_file(image_, test::pgm(28, 28, test::shape_image(3)));
  }

  /// eval and predict both refuse the model.
  void expect_refusal(const std::vector<std::string>& words) const {
    for (const auto& command : std::vector<std::vector<std::string>>{
             {"eval", run_.string()}, {"predict", run_.string(), image_.string()}}) {
      const Result result = nncli(command);
      EXPECT_EQ(result.code, 3);
      expect_one_line(result, words);
    }
  }

  const fs::path model_ = run_ / "last.safetensors";
  const fs::path image_ = dir_ / "image.pgm";
  std::string bytes_;
};

TEST_F(DamagedModel, CutInHalf) {
  write_file(model_, bytes_.substr(0, bytes_.size() / 2));
  expect_refusal({model_.string()});
}

TEST_F(DamagedModel, OneBitFlipped) {
  bytes_[bytes_.size() - 1000] ^= 4;
  write_file(model_, bytes_);
  expect_refusal({model_.string(), "checksum"});
}

TEST_F(DamagedModel, Empty) {
  write_file(model_, "");
  expect_refusal({model_.string()});
}

TEST_F(DamagedModel, Missing) {
  fs::remove(model_);
  expect_refusal({run_.string() + ": holds no model: its training did not finish"});
  fs::remove(run_ / "config.json");
  expect_refusal({run_.string() + ": is no run; give a folder that `nncli train` made"});
  fs::remove_all(run_);
  expect_refusal({run_.string() + ": no such run; give a folder that `nncli train` made, or its "
                                  "last.safetensors"});
}

TEST_F(DamagedModel, SomethingElse) {
  for (const char* bytes : {"short", "# Any text that is long enough", "\x89PNG\r\n\x1a\n"}) {
    write_file(model_, bytes);
    expect_refusal({model_.string(), "is no model file (safetensors)"});
  }
}

TEST_F(DamagedModel, DataOfAnotherSize) {
  fs::remove(data_ / "train-images-idx3-ubyte.gz");
  for (const char* half : {"train", "t10k"}) {
    write_file(data_ / (std::string(half) + "-images-idx3-ubyte"),
               test::idx({1, 2, 2}, {1, 2, 3, 4}));
    write_file(data_ / (std::string(half) + "-labels-idx1-ubyte"), test::idx({1}, {0}));
  }
  const Result result = nncli({"eval", run_.string()});
  EXPECT_EQ(result.code, 3);
  expect_one_line(result, {"[2, 2, 1]", "[28, 28, 1]", "--data"});
}

}  // namespace
}  // namespace nnkernels::cli
