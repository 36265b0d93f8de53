#include "nn/data/run_record.h"

#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

class RunRecord : public testing::Test {
 protected:
  std::string put(const std::string& text) { return folder_.put("record", bytes_of_text(text)); }

  /// What read_metrics() says about a file of this text; empty if it accepts it.
  std::string complaint(const std::string& text) {
    const std::string path = put(text);
    try {
      read_metrics(path);
    } catch (const FileError& error) {
      EXPECT_EQ(error.path(), path);
      return std::string(error.what()).substr(path.size());
    }
    return {};
  }

  TempFolder folder_;
};

TEST_F(RunRecord, ReadsFiguresThatAreThere) {
  const auto records = read_metrics(
      put("{\"epoch\": 1, \"train_loss\": 0.5, \"test_accuracy\": 1, \"colour\": \"red\"}\n"
          "\r\n"
          "{\"epoch\": 2, \"train_loss\": null, \"val_loss\": 1e-3, \"learning_rate\": 0.01,"
          " \"val_accuracy\": 0.75, \"test_loss\": 2, \"train_seconds\": 3,"
          " \"images_per_second\": 40000}"));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].epoch, 1);
  EXPECT_EQ(records[0].train_loss, 0.5);
  EXPECT_EQ(records[0].test_accuracy, 1.0);
  EXPECT_FALSE(records[0].val_loss);
  EXPECT_EQ(records[1].epoch, 2);
  EXPECT_FALSE(records[1].train_loss);
  EXPECT_EQ(records[1].val_loss, 1e-3);
  EXPECT_EQ(records[1].learning_rate, 0.01);
  EXPECT_EQ(records[1].val_accuracy, 0.75);
  EXPECT_EQ(records[1].test_loss, 2.0);
  EXPECT_EQ(records[1].train_seconds, 3.0);
  EXPECT_EQ(records[1].images_per_second, 40000.0);
  EXPECT_TRUE(read_metrics(put("")).empty());
}

TEST_F(RunRecord, NamesTheLineThatIsWrong) {
  const std::string good = "{\"epoch\": 1}\n";
  EXPECT_EQ(complaint(good), "");
  EXPECT_EQ(complaint(good + "{\"epoch\": 2"),
            ": line 2: expected a JSON object, found "
            "\"{\\x22epoch\\x22: 2\"");
  EXPECT_NE(complaint("\n\n[1]\n").find(": line 3: expected a JSON object"), std::string::npos);
  EXPECT_NE(complaint(good + good + "{}\n").find(": line 3: expected a whole number \"epoch\""),
            std::string::npos);
  EXPECT_NE(complaint("{\"epoch\": 1.5}").find(": line 1: "), std::string::npos);
  EXPECT_NE(complaint("{\"epoch\": 1, \"test_loss\": \"low\"}")
                .find("\"test_loss\": expected a number, found a string"),
            std::string::npos);
  EXPECT_NE(complaint("{\"epoch\": 1, \"train_loss\": 1e999}"), "");
  EXPECT_NE(complaint(std::string("\0\0", 2)), "");
  EXPECT_NE(complaint(std::string(1'000'000, '[')), "");
  EXPECT_THROW(read_metrics(folder_.file("missing")), FileError);
}

TEST_F(RunRecord, ReadsTheConfigurationInItsOrder) {
  const auto entries = read_config(
      put("{\"nncli\": \"1.2\", \"command_line\": [\"nncli\", \"train\"], \"lr\": 0.001,"
          " \"pin\": false, \"none\": [], \"mixed\": [1, \"a\"]}\n"));
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"nncli", "1.2"}, {"command_line", "nncli train"}, {"lr", "0.001"}, {"pin", "false"},
      {"none", "[]"},   {"mixed", "[1,\"a\"]"}};
  EXPECT_EQ(entries, expected);
  // Not even as deep as the stack is: it would be written out by recursion.
  const auto nested = [](std::size_t depth) {
    return "{\"a\": " + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(read_config(put(nested(7))).size(), 1u);
  EXPECT_THROW(read_config(put(nested(8))), FileError);
  EXPECT_THROW(read_config(put(nested(1'000'000))), FileError);
  for (const char* text : {"", "[]", "{\"a\": }", "{} {}"}) {
    EXPECT_THROW(read_config(put(text)), FileError) << text;
  }
}

}  // namespace
}  // namespace nnkernels::nn
