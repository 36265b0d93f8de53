#include "nn/data/csv.h"

#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

Dataset read(const std::string& text, const CsvOptions& options = {}) {
  const TempFolder folder;
  return read_csv(folder.put("x.csv", bytes_of_text(text)), options);
}

/// What follows the path in the message.
std::string error_of(const std::string& text, const CsvOptions& options = {}) {
  const TempFolder folder;
  const std::string path = folder.put("x.csv", bytes_of_text(text));
  const std::string message = file_error(path, [&] { read_csv(path, options); });
  return message.substr(std::min(message.size(), path.size() + 2));
}

const std::string kText = "1,0,10,200,255\n0,1,2,3,4\n";

void expect_two_images(const Dataset& data) {
  EXPECT_EQ(data.n, 2);
  EXPECT_EQ(data.h, 2);
  EXPECT_EQ(data.w, 2);
  EXPECT_EQ(data.c, 1);
  EXPECT_EQ(data.classes, 2);
  EXPECT_EQ(data.full, 255);
  EXPECT_EQ(data.pixels, Bytes({0, 10, 200, 255, 1, 2, 3, 4}));
  EXPECT_EQ(data.labels, (std::vector<std::int32_t>{1, 0}));
}

TEST(ReadCsv, AcceptsWhatProgramsWrite) {
  expect_two_images(read(kText));
  expect_two_images(read("1,0,10,200,255\n0,1,2,3,4"));
  expect_two_images(read("1,0,10,200,255\r\n0,1,2,3,4\r\n"));
  expect_two_images(read("\xEF\xBB\xBF" + kText));
  expect_two_images(read("label,p0,p1,p2,p3\n" + kText));
  expect_two_images(read("\xEF\xBB\xBF\"label\",p0,p1,p2,p3\r\n" + kText));
  expect_two_images(read("\n 1, 0,\t10 ,200,0255\n\n0,1,2,3,4\n\r\n"));
  expect_two_images(read("0,10,200,255,1\n1,2,3,4,0\n", {.label = LabelColumn::last}));
}

TEST(ReadCsv, ReadsGzip) {
  const TempFolder folder;
  expect_two_images(read_csv(folder.put("x.csv.gz", gzip_bytes(bytes_of_text(kText)))));
}

TEST(ReadCsv, GivesImagesTheirShape) {
  const Dataset colour =
      read("0,1,2,3,4,5,6\n1,1,2,3,4,5,6\n", {.image = ImageShape{.h = 1, .w = 2, .c = 3}});
  EXPECT_EQ(colour.w, 2);
  EXPECT_EQ(colour.c, 3);
  EXPECT_EQ(colour.full, 6);
  const Dataset vectors = read("0,1,2,3\n1,1,2,3\n");
  EXPECT_EQ(vectors.h, 1);
  EXPECT_EQ(vectors.w, 3);
  EXPECT_EQ(error_of("0,1,2,3\n", {.image = ImageShape{.h = 2, .w = 2, .c = 1}}),
            "line 1: expected images of 2x2x1, found 3 numbers beside the label");
}

TEST(ReadCsv, SaysWhereAndWhatIsWrong) {
  const std::string good = "1,0,10,200,255\n";
  EXPECT_EQ(error_of(good + "0,1,2,3\n"), "line 2: expected 5 columns as before, found 4");
  EXPECT_EQ(error_of(good + "0,1,2,3,4,5\n"), "line 2: expected 5 columns as before, found 6");
  EXPECT_EQ(error_of(good + "0,1,abc,3,4\n"),
            "line 2: column 3: expected a whole number from 0 to 255, found \"abc\"");
  EXPECT_EQ(error_of(good + "0,1,2,3,256\n"),
            "line 2: column 5: expected a whole number from 0 to 255, found \"256\"");
  EXPECT_EQ(error_of(good + "0,1,-2,3,4\n"),
            "line 2: column 3: expected a whole number from 0 to 255, found \"-2\"");
  EXPECT_EQ(error_of(good + "0,1,,3,4\n"),
            "line 2: column 3: expected a whole number from 0 to 255, found nothing");
  EXPECT_EQ(error_of(good + "0,1,2.5,3,4\n"),
            "line 2: column 3: expected a whole number from 0 to 255, found \"2.5\" "
            "(NPZ files hold decimals)");
  EXPECT_EQ(error_of(good + "99999999999999999999,1,2,3,4\n"),
            "line 2: column 1: expected a label from 0 to 999, found \"99999999999999999999\"");
  EXPECT_EQ(error_of(good + "-1,1,2,3,4\n"),
            "line 2: column 1: expected a label from 0 to 999, found \"-1\"");
  EXPECT_EQ(error_of("label,p0\n" + good), "line 2: expected 2 columns as in the header, found 5");
  EXPECT_EQ(error_of(""), "expected lines of numbers, found none");
  EXPECT_EQ(error_of("label,p0\n"), "expected lines of numbers, found none");
  EXPECT_TRUE(contains(error_of("7\n8\n"), "line 1: expected a label and at least one number"));
}

// A first row that cannot be read is not taken for a header.
TEST(ReadCsv, AHeaderHoldsNoNumber) {
  const std::string rows = "0,1,2\n1,3,4\n";
  EXPECT_EQ(error_of("nan,1,2\n" + rows),
            "line 1: column 1: expected a label from 0 to 999, found \"nan\"");
  EXPECT_EQ(error_of("\"0\",\"1\",\"2\"\n" + rows),
            "line 1: column 1: expected a label from 0 to 999, found \"\\x220\\x22\"");
  EXPECT_EQ(error_of("cat,1,2\n" + rows),
            "line 1: expected names of columns or numbers, found both: \"cat\" and \"2\"");
  EXPECT_EQ(error_of("7, 1e3, dog\r\n" + rows),
            "line 1: expected names of columns or numbers, found both: \"dog\" and \"1e3\"");
  for (const char* row : {"-inf,1,2\n", "+1,1,2\n", "\" 0\",1,2\n", ",,\n", ".5,1,2\n"}) {
    EXPECT_TRUE(error_of(row + rows).starts_with("line 1: column 1: expected a label")) << row;
  }
  EXPECT_EQ(read(",1x1,1x2\n" + rows).n, 2);
  // Unless they count the columns, as pandas writes them.
  const std::string long_rows = "0,5,6,7\n1,8,9,10\n";
  EXPECT_EQ(read("label,0,1,2\n" + long_rows).n, 2);
  EXPECT_EQ(read("label,1,2,3\r\n" + long_rows).n, 2);
  for (const char* row : {"label,0,1,3\n", "label,2,3,4\n", "label,0,1,2.0\n"}) {
    EXPECT_TRUE(error_of(row + long_rows).starts_with("line 1: expected names")) << row;
  }
  EXPECT_EQ(read("-,a 1,\"b\"\n" + rows).n, 2);
}

TEST(ReadCsv, RefusesAnEndlessLine) {
  EXPECT_EQ(error_of(std::string(static_cast<std::size_t>(2 * kMaxCsvLine), '0')),
            "line 1: longer than the limit of 16777216 bytes");
}

TEST(ReadCsv, ReadsLinesAcrossItsBuffer) {
  std::string text;
  for (int i = 0; i < 100'000; ++i)
    text += std::to_string(i % 7) + "," + std::to_string(i % 256) + "\n";
  const Dataset data = read(text);
  ASSERT_EQ(data.n, 100'000);
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(data.labels[static_cast<std::size_t>(i)], i % 7);
    ASSERT_EQ(data.pixels[static_cast<std::size_t>(i)], i % 256);
  }
}

TEST(CsvText, ReadsBack) { EXPECT_EQ(csv_text(read(kText)), kText); }

TEST(CsvText, RefusesFloats) {
  Dataset data = read(kText);
  data.pixels.clear();
  data.values = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_THROW(csv_text(data), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
