#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "nn/data/npz.h"
#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

namespace fs = std::filesystem;
using test::nncli;
using test::Result;

/// What is wrong with the tags of `page`; empty if each one is closed in its turn.
std::string tag_fault(std::string_view page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at)) {
    const std::size_t end = page.find('>', at);
    if (end == std::string_view::npos) return "a tag without end";
    const std::string tag(page.substr(at + 1, end - at - 1));
    at = end;
    if (tag.find('<') != std::string::npos) return "a tag within <" + tag;
    const std::string name = tag.substr(0, tag.find(' '));
    if (tag.starts_with("!") || tag.ends_with("/")) continue;
    if (!tag.starts_with("/")) {
      open.push_back(name);
    } else if (open.empty() || open.back() != tag.substr(1)) {
      return "unexpected <" + tag + ">";
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is left open";
}

class Report : public testing::Test {
 protected:
  void SetUp() override {
    test::write_shapes(data_);
    const Result result =
        nncli(test::train_shapes(data_, dir_ / "run", {"--epochs", "2", "--lr", "1e-4"}));
    ASSERT_EQ(result.code, 0) << result.err;
  }

  test::TempDir dir_;
  fs::path data_ = dir_ / "<b>&\"'digits";  // a name that would break out of any tag
};

TEST_F(Report, IsOneWellFormedPageWithAllSections) {
  const Result result = nncli({"report", (dir_ / "run").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, (dir_ / "run/report.html").string() + "\n");
  const std::string page = test::read_file(dir_ / "run/report.html");
  EXPECT_EQ(tag_fault(page), "");
  for (const char* absent : {"http", "<script", "<b>&", "\"'digits", "url(", "@import"}) {
    EXPECT_EQ(page.find(absent), std::string::npos) << absent;
  }
  for (const char* words :
       {"<title>mlp on &lt;b&gt;&amp;&quot;&#39;digits: ", "<h2>Learning curves</h2>",
        "<h2>Confusion matrix</h2>", "<h2>Classes</h2>", "<h3>Most confused</h3>",
        "<h2>Worst mistakes</h2>", "<h2>First-layer filters</h2>", "The first 64 of 128",
        "<h2>Architecture</h2>", "<h2>Timings</h2>", "<h2>Configuration</h2>",
        "src=\"data:image/png;base64,iVBORw0KGgo", "taken for", "alt=\"Filter 63\"",
        "<svg class=\"chart\"", "role=\"img\"", "scope=\"row\"", "prefers-color-scheme: dark"}) {
    EXPECT_NE(page.find(words), std::string::npos) << words;
  }
}

// SetUp() trains without --report: the page is in the run folder.
TEST_F(Report, TrainingWritesThePageOfTheReportCommand) {
  const std::string written = test::read_file(dir_ / "run/report.html");
  EXPECT_EQ(tag_fault(written), "");
  ASSERT_EQ(nncli({"report", (dir_ / "run").string()}).code, 0);
  EXPECT_TRUE(test::read_file(dir_ / "run/report.html") == written);
}

TEST_F(Report, TrainingWritesThePageWhereItIsTold) {
  const std::string page = (dir_ / "page.html").string();
  const Result result = nncli(test::train_shapes(data_, dir_ / "second", {"--report", page}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(test::read_file(page).find("second"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir_ / "second/report.html"));
}

TEST_F(Report, OfATrainingThatCannotBeWrittenLeavesTheNetwork) {
  const Result result = nncli(test::train_shapes(
      data_, dir_ / "second", {"--quiet", "--report", (dir_ / "no/page.html").string()}));
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("the network is saved"), std::string::npos) << result.err;
  EXPECT_EQ(nncli({"eval", (dir_ / "second").string()}).code, 0);
}

TEST_F(Report, IsAboutOneRun) {
  const Result result =
      nncli(test::train_shapes(data_, dir_ / "second", {"--repeat", "2", "--report", "page.html"}));
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("--repeat"), std::string::npos) << result.err;
}

TEST_F(Report, EvalWritesTheSamePage) {
  const std::string run = (dir_ / "run").string();
  const std::string file = (dir_ / "page.html").string();
  ASSERT_EQ(nncli({"report", run}).code, 0);
  const Result result = nncli({"eval", run, "--report", file});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(test::read_file(file), test::read_file(dir_ / "run/report.html"));
  EXPECT_EQ(result.out, nncli({"eval", run}).out);
}

TEST_F(Report, ShowsMistakesOfDataThatAreNoBytes) {
  nn::Dataset half{.n = 12, .h = 2, .w = 3, .c = 1, .pixels = {}, .labels = {}, .classes = 3};
  for (int i = 0; i < 12 * 6; ++i) half.values.push_back(0.37F * static_cast<float>(i % 7 - 3));
  for (int i = 0; i < 12; ++i) half.labels.push_back(i % 3);
  const std::vector<std::uint8_t> npz = nn::npz_file({.train = half, .test = half});
  test::write_file(dir_ / "x.npz", std::string(npz.begin(), npz.end()));
  const Result result = nncli(test::train_shapes(
      dir_ / "x.npz", dir_ / "floats", {"--epochs", "1", "--batch-size", "4", "--lr", "1e-6"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(test::read_file(dir_ / "floats/report.html").find("class=\"mistakes\""),
            std::string::npos);
}

TEST_F(Report, OfAModelFileHasNoHistory) {
  const std::string model = (dir_ / "run/last.safetensors").string();
  EXPECT_EQ(nncli({"report", model}).code, 2);
  const std::string file = (dir_ / "page.html").string();
  ASSERT_EQ(nncli({"report", model, "--out", file}).code, 0);
  const std::string page = test::read_file(file);
  EXPECT_EQ(tag_fault(page), "");
  EXPECT_EQ(page.find("<h2>Learning curves"), std::string::npos);
  EXPECT_NE(page.find("<h2>Worst mistakes"), std::string::npos);
}

TEST_F(Report, NamesTheLineOfADamagedRecord) {
  fs::remove(dir_ / "run/report.html");
  test::write_file(dir_ / "run/metrics.jsonl", "{\"epoch\": 1}\n{\"epoch\":\n");
  const Result result = nncli({"report", (dir_ / "run").string()});
  EXPECT_EQ(result.code, 3);
  EXPECT_NE(result.err.find("metrics.jsonl: line 2: "), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(dir_ / "run/report.html"));
}

TEST_F(Report, SaysWhatCannotBeWritten) {
  const Result result =
      nncli({"eval", (dir_ / "run").string(), "--report", (dir_ / "no/page.html").string()});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("; choose another --report FILE\n"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace nnkernels::cli
