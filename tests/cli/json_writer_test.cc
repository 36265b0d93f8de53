#include "cli/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

namespace nnkernels::cli {
namespace {

template <class T>
std::string text_of(const T& value) {
  return JsonWriter().value(value).str();
}

TEST(JsonWriter, WritesOneLine) {
  JsonWriter json;
  json.begin_object()
      .member("a", 1)
      .member("b", std::vector<double>{0.5, 2})
      .key("c")
      .begin_object()
      .end_object()
      .member("d", true)
      .end_object();
  EXPECT_EQ(json.str(), R"({"a": 1, "b": [0.5, 2], "c": {}, "d": true})");
}

TEST(JsonWriter, IndentsObjects) {
  JsonWriter json(JsonWriter::Style::kIndented);
  json.begin_object()
      .member("a", 1)
      .member("b", std::vector<int>{1, 2})
      .key("c")
      .begin_object()
      .member("d", "x")
      .end_object()
      .end_object();
  EXPECT_EQ(json.str(), "{\n  \"a\": 1,\n  \"b\": [1, 2],\n  \"c\": {\n    \"d\": \"x\"\n  }\n}");
}

TEST(JsonWriter, NumbersReadBackAsTheyWere) {
  for (const double number : {0.1, 1.0 / 3, 1e300, 5e-324, -0.0, 123456789.125}) {
    EXPECT_EQ(nlohmann::json::parse(text_of(number)).get<double>(), number) << number;
  }
  EXPECT_EQ(text_of(0.1f), "0.1");  // not 0.10000000149
  EXPECT_EQ(text_of(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(text_of(std::nan("")), "null");
  EXPECT_EQ(text_of(std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonWriter, EscapesText) {
  EXPECT_EQ(text_of("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(text_of("\n\t\x01\x7f"), R"("\n\t\u0001\u007f")");
  EXPECT_EQ(text_of("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
            "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

TEST(JsonWriter, ReplacesBytesThatAreNoUtf8) {
  const std::vector<std::string> broken = {
      "\xff",              // never in UTF-8
      "\xc3",              // cut
      "\x80",              // a tail without a head
      "\xc0\xaf",          // overlong
      "\xe0\x80\xaf",      // overlong
      "\xed\xa0\x80",      // a surrogate
      "\xf4\x90\x80\x80",  // beyond U+10FFFF
      "\xf0\x80\x80\xaf",  // overlong
  };
  for (const std::string& bytes : broken) {
    EXPECT_FALSE(is_utf8("x" + bytes));
    const auto parsed = nlohmann::json::parse(text_of("x" + bytes + "y"));
    const std::string text = parsed.get<std::string>();
    EXPECT_TRUE(text.starts_with("x\xef\xbf\xbd") && text.ends_with("y"));
  }
  EXPECT_TRUE(is_utf8("\xed\x9f\xbf\xf4\x8f\xbf\xbf"));
}

}  // namespace
}  // namespace nnkernels::cli
