#include "nn/data/safetensors.h"

#include <map>
#include <stdexcept>

#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

Bytes file_of(const std::string& json, std::size_t data_bytes) {
  Bytes file;
  for (int i = 0; i < 8; ++i) {
    file.push_back(static_cast<std::uint8_t>(json.size() >> (8 * i) & 255));
  }
  file.insert(file.end(), json.begin(), json.end());
  file.resize(file.size() + data_bytes);
  return file;
}

std::string parse_error(const Bytes& file) {
  return file_error("x", [&] { parse_safetensors("x", file); });
}
std::string parse_error(const std::string& json, std::size_t data_bytes) {
  return parse_error(file_of(json, data_bytes));
}

TEST(ParseSafetensors, ReadsWhatOthersWrite) {
  // Not in order of offsets, with spaces, an empty tensor and a scalar.
  const SafetensorsHeader header = parse_safetensors(
      "x", file_of(R"({"b": {"shape": [2, 3], "dtype": "F32", "data_offsets": [8, 32]},)"
                   R"("e": {"dtype": "I64", "shape": [0, 7], "data_offsets": [8, 8]},)"
                   R"("__metadata__": {"k\n": "v\u00e9"},)"
                   R"("a": {"dtype": "F64", "shape": [], "data_offsets": [0, 8]}}   )",
                   32));
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].shape, std::vector<std::int64_t>{});
  EXPECT_EQ(header.tensors[1].name, "e");
  EXPECT_EQ(header.tensors[2].name, "b");
  EXPECT_EQ(header.tensors[2].dtype, "F32");
  EXPECT_EQ(header.tensors[2].shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[2].begin, 8);
  EXPECT_EQ(header.tensors[2].end, 32);
  EXPECT_EQ(header.metadata.at("k\n"), "v\xc3\xa9");
  EXPECT_TRUE(parse_safetensors("x", file_of("{}", 0)).tensors.empty());
}

TEST(ParseSafetensors, ReadsWhatItWrites) {
  const std::vector<SafetensorsEntry> entries = {{"0.w", "F32", {5, 1}, 0, 20},
                                                 {"0.\"b\"", "F32", {1}, 20, 24}};
  const std::map<std::string, std::string> metadata = {{"a", "1\\\"\n"}, {"\xc3\xa9", ""}};
  const std::string text = safetensors_header(metadata, entries);
  EXPECT_EQ(text.size() % 8, 0u);
  Bytes file(text.begin(), text.end());
  file.resize(file.size() + 24);
  const SafetensorsHeader header = parse_safetensors("x", file);
  EXPECT_EQ(header.metadata, metadata);
  EXPECT_EQ(header.data_start, static_cast<std::int64_t>(text.size()));
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[1].name, "0.\"b\"");
  EXPECT_EQ(header.tensors[1].begin, 20);
  EXPECT_THROW(safetensors_header({{"k", "\xff"}}, {}), std::invalid_argument);
  const SafetensorsEntry bad = {"0.\xff", "F32", {1}, 0, 4};
  try {
    safetensors_header({{"k", "v"}}, {&bad, 1});
    ADD_FAILURE() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "safetensors_header: the tensor name \"0.\\xff\" is no UTF-8");
  }
}

TEST(ParseSafetensors, RefusesBadLengths) {
  EXPECT_TRUE(contains(parse_error(Bytes{}), "at byte 0"));
  EXPECT_TRUE(contains(parse_error(Bytes(7)), "at byte 7"));
  EXPECT_TRUE(contains(parse_error(Bytes(8)), "begins with {"));
  EXPECT_TRUE(
      contains(parse_error(Bytes(16, 0xff)), "at most 16777216, found 18446744073709551615"));
  Bytes cut = file_of("{}        ", 0);
  cut.pop_back();
  EXPECT_TRUE(contains(parse_error(cut), "the file is cut"));
}

TEST(ParseSafetensors, RefusesWhatIsNoHeader) {
  EXPECT_TRUE(contains(parse_error(" {}", 0), "begins with {"));
  EXPECT_TRUE(contains(parse_error("[]", 0), "begins with {"));
  EXPECT_TRUE(contains(parse_error("\xef\xbb\xbf{}", 0), "begins with {"));
  EXPECT_TRUE(contains(parse_error("{} x", 0), "no valid JSON"));
  EXPECT_TRUE(contains(parse_error("{}\n{}", 0), "no valid JSON"));
  EXPECT_TRUE(contains(parse_error("{", 0), "no valid JSON"));
  EXPECT_TRUE(contains(parse_error(R"({"__metadata__": {"k": ")"
                                   "\xff"
                                   R"("}})",
                                   0),
                       "no valid"));
}

TEST(ParseSafetensors, RefusesDuplicateKeys) {
  const std::string tensor = R"({"dtype": "U8", "shape": [0], "data_offsets": [0, 0]})";
  EXPECT_TRUE(contains(parse_error(R"({"a": )" + tensor + R"(, "a": )" + tensor + "}", 0),
                       "\"a\" occurs twice"));
  EXPECT_TRUE(contains(parse_error(R"({"a": )" + tensor + R"(, "\u0061": )" + tensor + "}", 0),
                       "\"a\" occurs twice"));
  EXPECT_TRUE(contains(parse_error(R"({"__metadata__": {"k": "", "k": ""}})", 0), "\"k\" occurs"));
  EXPECT_TRUE(contains(parse_error(R"({"__metadata__": {}, "__metadata__": {}})", 0), "occurs"));
  EXPECT_TRUE(contains(
      parse_error(R"({"a": {"dtype": "U8", "dtype": "U8", "shape": [0], "data_offsets": [0, 0]}})",
                  0),
      "dtype occurs twice"));
}

TEST(ParseSafetensors, RefusesOtherStructures) {
  const char* const kHeaders[] = {
      R"({"a": 1})",
      R"({"a": null})",
      R"({"a": []})",
      R"({"a": "x"})",
      R"({"__metadata__": "x"})",
      R"({"__metadata__": {"k": 1}})",
      R"({"__metadata__": {"k": true}})",
      R"({"__metadata__": {"k": null}})",
      R"({"__metadata__": {"k": {}}})",
      R"({"__metadata__": {"k": []}})",
      R"({"a": {}})",
      R"({"a": {"dtype": "U8", "shape": [0]}})",
      R"({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0], "x": 1}})",
      R"({"a": {"dtype": 1, "shape": [0], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": ["U8"], "shape": [0], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U9", "shape": [0], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": "0", "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": 0, "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": [[0]], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": [{}], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": ["0"], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": [0.0], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0]}})",
      R"({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": [0, 1, 1, 1, 1, 1, 1, 1, 1], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": [18446744073709551615], "data_offsets": [0, 0]}})",
      R"({"a": {"dtype": "U8", "shape": [99999999999999999999], "data_offsets": [0, 0]}})"};
  for (const char* const json : kHeaders) {
    SCOPED_TRACE(json);
    EXPECT_TRUE(contains(parse_error(json, 0), "at byte 8: header: "));
  }
  // As deep as the size allows: refused at the first level that has no place.
  EXPECT_TRUE(contains(parse_error(R"({"a": )" + std::string(1'000'000, '['), 0), "a list"));
}

TEST(ParseSafetensors, RefusesOffsetsThatDoNotTile) {
  const auto two = [](const char* shape_a, const char* a, const char* b) {
    return std::string(R"({"a": {"dtype": "F32", "shape": )") + shape_a + R"(, "data_offsets": )" +
           a + R"(}, "b": {"dtype": "U8", "shape": [4], "data_offsets": )" + b + "}}";
  };
  EXPECT_EQ(parse_safetensors("x", file_of(two("[2]", "[0, 8]", "[8, 12]"), 12)).tensors.size(),
            2u);
  EXPECT_TRUE(contains(parse_error(two("[2]", "[0, 8]", "[9, 13]"), 13), "begin at offset 8"));
  EXPECT_TRUE(contains(parse_error(two("[2]", "[0, 8]", "[4, 8]"), 8), "begin at offset 8"));
  EXPECT_TRUE(contains(parse_error(two("[2]", "[4, 12]", "[12, 16]"), 16), "begin at offset 0"));
  EXPECT_TRUE(contains(parse_error(two("[2]", "[0, 8]", "[8, 12]"), 11), "the file is cut"));
  EXPECT_TRUE(contains(parse_error(two("[2]", "[0, 8]", "[8, 12]"), 13), "found 1 bytes more"));
  EXPECT_TRUE(contains(parse_error(two("[2]", "[0, 4]", "[4, 8]"), 8), "give 8 bytes"));
  EXPECT_TRUE(contains(parse_error(two("[2]", "[8, 0]", "[8, 12]"), 12), "give 8 bytes"));
  EXPECT_TRUE(
      contains(parse_error(two("[4611686018427387905]", "[0, 4]", "[4, 8]"), 8), "63 bits"));
  EXPECT_TRUE(contains(
      parse_error(two("[9223372036854775807, 9223372036854775807]", "[0, 8]", "[8, 12]"), 12),
      "63 bits"));
}

}  // namespace
}  // namespace nnkernels::nn
