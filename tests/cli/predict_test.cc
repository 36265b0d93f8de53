#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tests/cli/process.h"
#include "tests/cli/samples.h"

namespace nnkernels::cli {
namespace {

using nlohmann::json;
using test::nncli;
using test::Result;

struct Picture {
  int w = 0;
  int h = 0;
  std::vector<std::uint8_t> pixels;
};

/// A class's shape, `scale` times as large, somewhere on a wider page.
Picture picture(int label, int scale, bool dark_on_light) {
  const std::vector<std::uint8_t> shape = test::shape_image(label);
  const int w = 40 * scale;
  const int h = 36 * scale;
  Picture page{.w = w,
               .h = h,
               .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(w) *
                                                   static_cast<std::size_t>(h))};
  for (int y = 0; y < 28 * scale; ++y) {
    for (int x = 0; x < 28 * scale; ++x) {
      page.pixels[static_cast<std::size_t>((y + 2 * scale) * w + x + 9 * scale)] =
          shape[static_cast<std::size_t>(y / scale * 28 + x / scale)];
    }
  }
  if (dark_on_light) {
    for (std::uint8_t& pixel : page.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
  }
  return page;
}

class Predict : public testing::Test {
 protected:
  void SetUp() override {
    test::write_shapes(dir_ / "data");
    ASSERT_EQ(nncli(test::train_shapes(dir_ / "data", dir_ / "run")).code, 0);
  }

  std::string write_pgm(const std::string& name, const Picture& p) const {
    test::write_file(dir_ / name, test::pgm(p.w, p.h, p.pixels));
    return (dir_ / name).string();
  }
  Result predict(std::vector<std::string> images, bool as_json = true) const {
    images.insert(images.begin(), {"predict", (dir_ / "run").string()});
    if (as_json) images.push_back("--json");
    return nncli(images);
  }

  test::TempDir dir_;
};

const std::vector<int> kClasses = {1, 3, 4, 5, 9};

TEST_F(Predict, AnySizeAndEitherPolarity) {
  std::vector<std::string> files;
  for (const int label : kClasses) {
    for (const bool dark : {false, true}) {
      const std::string name = std::to_string(label) + (dark ? "dark.pgm" : "light.pgm");
      files.push_back(write_pgm(name, picture(label, dark ? 3 : 1, dark)));
    }
  }
  const Result result = predict(files);
  ASSERT_EQ(result.code, 0) << result.err;
  const json predictions = json::parse(result.out)["predictions"];
  ASSERT_EQ(predictions.size(), files.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(predictions[i]["file"], files[i]);
    EXPECT_EQ(predictions[i]["class"], kClasses[i / 2]) << files[i];
    const auto probabilities = predictions[i]["probabilities"].get<std::vector<double>>();
    EXPECT_EQ(probabilities.size(), 10u);
    EXPECT_NEAR(std::accumulate(probabilities.begin(), probabilities.end(), 0.0), 1, 1e-5);
    EXPECT_EQ(predictions[i]["probability"],
              *std::max_element(probabilities.begin(), probabilities.end()));
  }
}

TEST_F(Predict, Png) {
  if (!NNKERNELS_HAVE_PNG) GTEST_SKIP() << "built without libpng";
  const Picture p = picture(4, 2, true);
  test::write_file(dir_ / "x.png", test::png(p.w, p.h, p.pixels));
  const Result result = predict({(dir_ / "x.png").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out)["predictions"][0]["class"], 4);
}

TEST_F(Predict, PrintsATable) {
  const std::string file = write_pgm("plus.pgm", picture(3, 1, false));
  const Result result = predict({file}, false);
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(result.out.starts_with("file ")) << result.out;
  EXPECT_NE(result.out.find("\n" + file + "      3"), std::string::npos) << result.out;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2);
  const std::size_t rest = result.out.find('\n') - file.size();
  EXPECT_LE(std::string("digit.png").size() + rest, 79u) << result.out;
}

TEST_F(Predict, GoesOnAfterABadImage) {
  const std::string good = write_pgm("good.pgm", picture(5, 1, false));
  test::write_file(dir_ / "bad.png", "no image");
  const std::string blank =
      write_pgm("blank.pgm", {.w = 9, .h = 9, .pixels = std::vector<std::uint8_t>(81, 255)});
  const Result result =
      predict({(dir_ / "bad.png").string(), (dir_ / "missing.pgm").string(), blank, good});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 3) << result.err;
  for (const char* name : {"bad.png: ", "missing.pgm: ", "blank.pgm: "}) {
    EXPECT_NE(result.err.find("nncli: " + (dir_ / name).string()), std::string::npos) << result.err;
  }
  const json predictions = json::parse(result.out)["predictions"];
  ASSERT_EQ(predictions.size(), 1u);
  EXPECT_EQ(predictions[0]["class"], 5);
}

TEST_F(Predict, AnUnevenBackgroundIsRefusedWithWhatIsNeeded) {
  Picture ramp{.w = 20, .h = 20, .pixels = {}};
  for (int i = 0; i < 400; ++i) ramp.pixels.push_back(static_cast<std::uint8_t>(100 + i % 20));
  const Result result = predict({write_pgm("ramp.pgm", ramp)});
  EXPECT_EQ(result.code, 3);
  EXPECT_NE(result.err.find("ramp.pgm: no digit found: the background must be even, and the digit "
                            "at least 24 grey levels darker or lighter\n"),
            std::string::npos)
      << result.err;
}

TEST_F(Predict, OnlyBadImages) {
  const Result result = predict({(dir_ / "missing.pgm").string()}, false);
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "");
}

std::string ppm(int w, int h, const std::array<std::uint8_t, 3>& colour) {
  std::string file = "P6 " + std::to_string(w) + " " + std::to_string(h) + " 255\n";
  for (int i = 0; i < w * h; ++i) file.append(colour.begin(), colour.end());
  return file;
}

// Not 28 x 28, not grey, not digits, and classes with names.
TEST(PredictColours, AnySizeByTheNamesOfTheClasses) {
  struct Colour {
    const char* name;
    std::array<std::uint8_t, 3> rgb;
  };
  const std::array kColours = {Colour{"blue", {20, 10, 240}}, Colour{"green", {10, 230, 30}},
                               Colour{"red", {250, 20, 10}}};
  const test::TempDir dir;
  for (const Colour& colour : kColours) {
    const std::filesystem::path folder = dir / "data" / colour.name;
    std::filesystem::create_directories(folder);
    for (int i = 0; i < 8; ++i) {
      std::array<std::uint8_t, 3> rgb = colour.rgb;
      rgb[static_cast<std::size_t>(i % 3)] =
          static_cast<std::uint8_t>(rgb[static_cast<std::size_t>(i % 3)] ^ 7);
      test::write_file(folder / (std::to_string(i) + ".ppm"), ppm(6, 5, rgb));
    }
  }
  const Result training =
      nncli({"train", "--data", (dir / "data").string(), "--arch", "flatten, affine 3", "--epochs",
             "60", "--batch-size", "6", "--lr", "0.02", "--out", (dir / "run").string()});
  ASSERT_EQ(training.code, 0) << training.err;
  std::vector<std::string> arguments = {"predict", (dir / "run").string()};
  for (const Colour& colour : kColours) {
    arguments.push_back((dir / (std::string(colour.name) + ".ppm")).string());
    test::write_file(arguments.back(), ppm(17, 31, colour.rgb));
  }
  const Result table = nncli(arguments);
  ASSERT_EQ(table.code, 0) << table.err;
  for (const Colour& colour : kColours) {
    EXPECT_NE(table.out.find(std::string(colour.name) + ".ppm"), std::string::npos) << table.out;
  }
  // A grey picture is one of three equal channels.
  test::write_file(dir / "grey.pgm", test::pgm(3, 2, {90, 90, 90, 90, 90, 90}));
  arguments.push_back((dir / "grey.pgm").string());
  arguments.push_back("--json");
  const Result result = nncli(arguments);
  ASSERT_EQ(result.code, 0) << result.err;
  const json predictions = json::parse(result.out)["predictions"];
  ASSERT_EQ(predictions.size(), kColours.size() + 1);
  for (std::size_t i = 0; i < kColours.size(); ++i) {
    EXPECT_EQ(predictions[i]["class_name"], kColours[i].name);
    EXPECT_EQ(predictions[i]["class"], i);
    EXPECT_EQ(predictions[i]["probabilities"].size(), 3u);
  }
}

}  // namespace
}  // namespace nnkernels::cli
