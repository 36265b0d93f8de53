#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
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

}  // namespace
}  // namespace nnkernels::cli
