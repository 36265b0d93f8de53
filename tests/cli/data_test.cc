#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {

namespace fs = std::filesystem;

namespace {

using nlohmann::json;
using test::nncli;

TEST(Data, InfoTellsWhatIsThere) {
  const test::Result result = nncli({"data", "info", "digits", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json info = json::parse(result.out);
  EXPECT_EQ(info["train_images"], 1348);
  EXPECT_EQ(info["test_images"], 449);
  EXPECT_EQ(info["full"], 16);
  EXPECT_EQ(info["classes"], 10);
  const test::Result text = nncli({"data", "info", "digits"});
  EXPECT_NE(text.out.find("8 x 8 x 1"), std::string::npos);
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
}

TEST(Data, ATypoOfANameIsNoticed) {
  const test::Result result = nncli({"data", "info", "minst"});
  EXPECT_EQ(result.code, 3);
  EXPECT_NE(result.err.find("did you mean mnist?"), std::string::npos) << result.err;
}

TEST(Data, ConvertsAndTrainsOnTheResult) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  const std::string npz = (dir / "x.npz").string();
  ASSERT_EQ(nncli({"data", "convert", (dir / "data").string(), npz}).code, 0);
  const auto hash = [&](const std::string& data, const std::string& run) {
    const test::Result result = nncli(test::train_shapes(data, dir / run, {"--json"}));
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out)["weights_sha256"].get<std::string>();
  };
  EXPECT_EQ(hash(npz, "a"), hash((dir / "data").string(), "b"));
  EXPECT_EQ(nncli({"eval", (dir / "a").string()}).code, 0);
  EXPECT_EQ(nncli({"data", "convert", npz, (dir / "x.txt").string()}).code, 2);
}

TEST(Data, FashionMnistIsDebiansPackageOrTheAdviceToInstallIt) {
  const test::Result result = nncli({"data", "info", "fashion-mnist", "--json"});
  if (!fs::is_directory("/usr/share/datasets/fashion-mnist")) {
    EXPECT_EQ(result.code, 3);
    EXPECT_NE(result.err.find("apt-get install dataset-fashion-mnist"), std::string::npos);
    return;
  }
  ASSERT_EQ(result.code, 0) << result.err;
  const json info = json::parse(result.out);
  EXPECT_EQ(info["name"], "fashion-mnist");
  EXPECT_EQ(info["train_images"], 60000);
  EXPECT_EQ(info["test_images"], 10000);
  EXPECT_EQ(info["train_per_class"],
            json::array({6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000}));
}

TEST(Data, AFolderCalledLikeANameIsReadByItsPath) {
  const test::TempDir dir;
  test::write_shapes(dir / "fashion-mnist");
  const test::Result result =
      nncli({"data", "info", "./fashion-mnist", "--json"}, {.cwd = dir.path()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out)["train_images"], 200);
}

TEST(Data, ADecimalInCsvIsRefusedWithWhatHoldsDecimals) {
  const test::TempDir dir;
  test::write_file(dir / "x.csv", "1,0,255\n0,0.5,1\n");
  const test::Result result = nncli({"data", "info", (dir / "x.csv").string()});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.err, "nncli: " + (dir / "x.csv").string() +
                            ": line 2: column 2: expected a whole number from 0 to 255, found "
                            "\"0.5\" (NPZ files hold decimals)\n");
}

TEST(Data, CsvIsReadAsTheFlagsSay) {
  const test::TempDir dir;
  std::string rows;
  for (int i = 0; i < 8; ++i) rows += "0,50,100,150,200,250," + std::to_string(i % 2) + "\n";
  test::write_file(dir / "x.csv", rows);
  const auto info = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"data", "info", (dir / "x.csv").string(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return nncli(words);
  };
  const test::Result result = info({"--label", "last", "--image", "1x2x3", "--test-share", "0.5"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json told = json::parse(result.out);
  EXPECT_EQ(told["height"], 1);
  EXPECT_EQ(told["width"], 2);
  EXPECT_EQ(told["channels"], 3);
  EXPECT_EQ(told["classes"], 2);
  EXPECT_EQ(told["train_per_class"], json::array({2, 2}));
  EXPECT_EQ(told["test_per_class"], json::array({2, 2}));
  EXPECT_EQ(told["mean"], 125);
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--label", "middle"}, {"--image", "2x"}, {"--test-share", "1"}}) {
    const test::Result refused = info(wrong);
    EXPECT_EQ(refused.code, 2) << wrong[0];
    EXPECT_NE(refused.err.find(wrong[0]), std::string::npos) << refused.err;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
  }
}

TEST(Data, HowToReadFilesIsRefusedWhereNoneAreNamed) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"data", "info", "digits", "--image", "8x8"},
        {"train", "--model", "mlp", "--data", "mnist", "--label", "last"},
        {"train", "--model", "mlp", "--image", "28x28"},
        {"eval", "no-run", "--label", "last"}}) {
    const test::Result refused = nncli(words);
    EXPECT_EQ(refused.code, 2) << words[0];
    EXPECT_EQ(refused.err.find("nncli: --label and --image tell how to read"), 0) << refused.err;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
  }
}

TEST(Data, AShareToTestOnIsRefusedWhereNothingIsCut) {
  const test::TempDir dir;
  test::write_shapes(dir / "data");
  const std::string data = (dir / "data").string();
  const std::string run = (dir / "run").string();
  ASSERT_EQ(nncli(test::train_shapes(data, run)).code, 0);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"data", "info", data},
                                                {"eval", run},
                                                {"eval", run, "--data", data},
                                                {"report", run},
                                                test::train_shapes(data, dir / "second")}) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--test-share", "0.5"});
    const test::Result refused = nncli(all);
    EXPECT_EQ(refused.code, 2) << words[0];
    EXPECT_TRUE(refused.err.starts_with("nncli: --test-share")) << refused.err;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
  }
}

TEST(Data, HowAFileOfSettingsReadsItsDataMeansNothingForOthers) {
  const test::TempDir dir;
  test::write_file(dir / "mine.toml",
                   "recipe = \"mlp3\"\ndata = \"x.csv\"\nlabel = \"last\"\nimage = \"2x3\"\n");
  const auto settings = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"train", "--print-config", "--config",
                                      (dir / "mine.toml").string()};
    words.insert(words.end(), more.begin(), more.end());
    return nncli(words).out;
  };
  EXPECT_NE(settings({}).find("label = \"last\""), std::string::npos);
  EXPECT_NE(settings({"--data", "y.csv"}).find("label = \"last\""), std::string::npos);
  const std::string named = settings({"--data", "digits"});
  EXPECT_NE(named.find("data = \"digits\""), std::string::npos);
  EXPECT_EQ(named.find("label = \"last\""), std::string::npos);
  EXPECT_EQ(named.find("2x3"), std::string::npos);
}

TEST(Data, StatisticsOfDecimals) {
  const test::TempDir dir;
  for (const std::string part : {"train", "test"}) {
    test::write_file(
        dir / ("x_" + part + ".npy"),
        test::npy<float>("<f4", "(3, 2, 2)", {0, 0, 0, 0, 1, -1, 2, 2, 0, 0.5F, 1.5F, 0}));
    test::write_file(dir / ("y_" + part + ".npy"),
                     test::npy<std::int32_t>("<i4", "(3,)", {1, 0, 1}));
  }
  const test::Result result = nncli({"data", "info", dir.path().string(), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json told = json::parse(result.out);
  EXPECT_EQ(told["type"], "float32");
  EXPECT_EQ(told["least"], -1);
  EXPECT_EQ(told["most"], 2);
  EXPECT_DOUBLE_EQ(told["mean"], 0.5);
  EXPECT_DOUBLE_EQ(told["share_of_zeros"], 0.5);
  // The mean of the squares, 12.5 / 12, less the square of the mean.
  EXPECT_NEAR(told["deviation"], std::sqrt(12.5 / 12 - 0.25), 1e-12);
  const test::Result text = nncli({"data", "info", dir.path().string()});
  EXPECT_NE(text.out.find("mean 0.5000"), std::string::npos) << text.out;
}

// Malformed files of every kind: one line, and the code of a bad file.
TEST(Data, MalformedFilesEndInOneLineAndTheirCode) {
  const test::TempDir dir;
  test::write_shapes(dir / "idx");
  test::write_file(dir / "idx/t10k-labels-idx1-ubyte",
                   std::string("\0\0\x08\x01\xff\xff\xff\xff", 8));
  test::write_file(dir / "x.npz", "PK\x05\x06" + std::string(17, '\xff'));
  test::write_file(dir / "x.csv", "1,2\n\x1b[2J\n");
  test::write_file(dir / "x.csv.gz", "\x1f\x8b\x08 damaged");
  fs::create_directories(dir / "images/a");
  test::write_file(dir / "images/a/1.png", "\x89PNG\r\n\x1a\n damaged");
  for (const char* name : {"idx", "x.npz", "x.csv", "x.csv.gz", "images"}) {
    const test::Result result = nncli({"data", "info", (dir / name).string()});
    EXPECT_EQ(result.code, 3) << name;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find((dir / name).string()), std::string::npos) << result.err;
    EXPECT_EQ(result.err.find('\x1b'), std::string::npos) << name;
    EXPECT_EQ(result.out, "") << name;
  }
}

TEST(Data, ConvertReplacesNothing) {
  const test::TempDir dir;
  const std::string rows = "0,1,2\n1,2,3\n0,3,4\n1,4,5\n0,5,6\n1,6,7\n0,7,8\n1,8,9\n";
  test::write_file(dir / "x_train.csv", rows);
  test::write_file(dir / "test.csv", "mine");
  for (const char* to : {"x_train.csv", "train.csv"}) {
    const test::Result result =
        nncli({"data", "convert", (dir / "x_train.csv").string(), (dir / to).string()});
    EXPECT_EQ(result.code, 1);
    EXPECT_NE(result.err.find(": it is there already; choose another place\n"), std::string::npos)
        << result.err;
    EXPECT_EQ(test::read_file(dir / "x_train.csv"), rows);
    EXPECT_EQ(test::read_file(dir / "test.csv"), "mine");
    EXPECT_FALSE(fs::exists(dir / "train.csv"));
  }
}

// The images to train on are written, those to test on are too large.
TEST(Data, AConversionThatFailsLeavesNothing) {
  const test::TempDir dir;
  std::string train;
  std::string test;
  for (int i = 0; i < 200; ++i) {
    std::string row = std::to_string(i % 2);
    for (int j = 0; j < 400; ++j) row += "," + std::to_string((i * 7919 + j * j * 31) % 251);
    (i < 4 ? train : test) += row + "\n";
  }
  fs::create_directory(dir / "in");
  fs::create_directory(dir / "out");
  test::write_file(dir / "in/train.csv", train);
  test::write_file(dir / "in/test.csv", test);
  for (const char* name : {"idx", "x.csv", "x.csv.gz", "x.npz"}) {
    const test::Result result =
        nncli({"data", "convert", (dir / "in").string(), (dir / "out" / name).string()},
              {.file_size_limit = 8000});
    EXPECT_EQ(result.code, 1) << name;
    EXPECT_NE(result.err.find("cannot write"), std::string::npos) << result.err;
    EXPECT_TRUE(fs::is_empty(dir / "out")) << name;
  }
}

// An export takes seconds; should this process sleep that long between the first file and the
// signal, it tries again.
void expect_nothing_is_left(std::vector<std::string> words, const std::string& out) {
  int code = 0;
  for (int attempt = 0; code == 0 && attempt < 20; ++attempt) {
    const test::TempDir dir;
    words.back() = (dir / out).string();
    test::Process process(words);
    for (int i = 0; i < 3000 && fs::is_empty(dir.path()); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    process.send(SIGINT);
    const test::Result result = process.wait();
    code = result.code;
    EXPECT_TRUE(code == 0 || fs::is_empty(dir.path())) << result.err;
    EXPECT_EQ(result.out.empty(), code != 0) << result.out;
  }
  EXPECT_EQ(code, 130);
}

TEST(Data, AnInterruptedExportLeavesNothing) {
  expect_nothing_is_left({"data", "export", "mnist", "--png", ""}, "png");
}

TEST(Data, AnInterruptedConversionLeavesNothing) {
  for (const char* out : {"x.csv.gz", "x.npz", "idx"}) {
    expect_nothing_is_left({"data", "convert", "mnist", ""}, out);
  }
}

}  // namespace
}  // namespace nnkernels::cli
