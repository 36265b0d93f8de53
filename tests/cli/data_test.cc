#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

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

// An export takes seconds; should this process sleep that long between the first file and the
// signal, it tries again.
TEST(Data, AnInterruptedExportLeavesNothing) {
  int code = 0;
  for (int attempt = 0; code == 0 && attempt < 20; ++attempt) {
    const test::TempDir dir;
    test::Process process({"data", "export", "mnist", "--png", (dir / "png").string()});
    for (int i = 0; i < 3000 && fs::is_empty(dir.path()); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    process.send(SIGINT);
    const test::Result result = process.wait();
    code = result.code;
    EXPECT_TRUE(code == 0 || fs::is_empty(dir.path())) << result.err;
  }
  EXPECT_EQ(code, 130);
}

}  // namespace
}  // namespace nnkernels::cli
