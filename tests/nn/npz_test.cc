#include "nn/data/npz.h"

#include <cmath>
#include <limits>
#include <utility>

#include "nn/data/npy.h"
#include "nn/data/zip.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

/// A file that NumPy made; see make.py there.
std::string made_by_numpy(const std::string& name) { return NNKERNELS_TEST_DATA_DIR "/" + name; }

Bytes npy(const std::string& type, const std::vector<std::int64_t>& shape, const Bytes& bytes,
          const std::string& order = "False") {
  NpyArray plain{.shape = shape, .bytes = {}};
  std::string header = "{'descr': " + type + ", 'fortran_order': " + order +
                       ", 'shape': " + plain.shape_text() + ", }\n";
  Bytes file = bytes_of_text("\x93NUMPY");
  file.insert(file.end(), {1, 0, static_cast<std::uint8_t>(header.size()), 0});
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), bytes.begin(), bytes.end());
  return file;
}

template <class T>
Bytes raw(const std::vector<T>& numbers) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(numbers.data());
  return {begin, begin + numbers.size() * sizeof(T)};
}

Bytes zip(const std::vector<std::pair<std::string, Bytes>>& files) {
  ZipWriter writer;
  for (const auto& [name, bytes] : files) writer.add(name, bytes);
  return writer.finish();
}

Dataset read_x(const Bytes& x) {
  const TempFolder folder;
  const Bytes y = npy("'|u1'", {2}, {0, 1});
  return read_npz(folder.put("x.npz", zip({{"x.npy", x}, {"y.npy", y}}))).train;
}

std::string error_of(const std::vector<std::pair<std::string, Bytes>>& files) {
  const TempFolder folder;
  const std::string path = folder.put("x.npz", zip(files));
  return file_error(path, [&] { read_npz(path); }).substr(path.size() + 2);
}

TEST(ReadNpz, ReadsWhatNumPyWrites) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    SCOPED_TRACE(name);
    const TrainMaybeTest sets = read_npz(made_by_numpy(name));
    EXPECT_EQ(sets.train.n, 3);
    EXPECT_EQ(sets.train.h, 2);
    EXPECT_EQ(sets.train.w, 2);
    EXPECT_EQ(sets.train.c, 1);
    EXPECT_EQ(sets.train.classes, 3);
    EXPECT_EQ(sets.train.pixels, Bytes({20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}));
    EXPECT_EQ(sets.train.labels, (std::vector<std::int32_t>{2, 0, 1}));
    ASSERT_TRUE(sets.test);
    EXPECT_EQ(sets.test->pixels, Bytes({20, 21, 22, 23}));
    EXPECT_EQ(sets.test->classes, 3);
  }
}

TEST(ReadNpz, RefusesEveryTruncationAndSurvivesEveryFlip) {
  const TempFolder folder;
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const Bytes good = slurp(made_by_numpy(name));
    ASSERT_GT(good.size(), 500u);
    for (std::size_t length = 0; length < good.size(); ++length) {
      const std::string path =
          folder.put("cut", {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)});
      file_error(path, [&] { read_npz(path); });
    }
    for (std::size_t at = 0; at < good.size(); ++at) {
      Bytes bad = good;
      bad[at] ^= 0x41;
      const std::string path = folder.put("flipped", bad);
      try {
        // A flip in a field that nobody needs, such as a time, changes nothing.
        EXPECT_EQ(read_npz(path).train.pixels.size(), 12u) << at;
      } catch (const FileError& error) {
        EXPECT_EQ(error.path(), path);
      }
    }
  }
}

TEST(ReadNpz, RefusesObjects) {
  const std::string path = made_by_numpy("objects.npz");
  EXPECT_TRUE(contains(file_error(path, [&] { read_npz(path); }),
                       "x_train.npy: holds Python objects; these are never read"));
}

TEST(ReadNpz, NamesWhatIsMissing) {
  const Bytes x = npy("'|u1'", {1, 4}, {1, 2, 3, 4});
  EXPECT_EQ(error_of({{"x_train.npy", x}, {"weights.npy", x}}),
            "no array y_train; expected x_train, y_train, x_test and y_test, or x and y, found "
            "\"x_train.npy\", \"weights.npy\"");
  const Bytes y = npy("'|u1'", {1}, {1});
  EXPECT_TRUE(contains(error_of({{"x_train.npy", x}, {"y_train.npy", y}, {"x_test.npy", x}}),
                       "no array y_test"));
}

TEST(ReadNpz, RefusesABombAndALie) {
  // 65 MiB of zeros come to 65 KiB.
  const std::int64_t size = std::int64_t{65} << 20;
  const Bytes y = npy("'|u1'", {1}, {0});
  EXPECT_TRUE(
      contains(error_of({{"x.npy", npy("'|u1'", {1, size}, Bytes(static_cast<std::size_t>(size)))},
                         {"y.npy", y}}),
               "by more than the limit of 200 times"));
  EXPECT_TRUE(contains(error_of({{"x.npy", npy("'|u1'", {1, size}, {1, 2})}, {"y.npy", y}}),
                       "takes 68157440 bytes, found 2"));
  EXPECT_TRUE(
      contains(error_of({{"x.npy", npy("'<f8'", {1 << 30, 1 << 30, 1 << 30}, {})}, {"y.npy", y}}),
               "more than the limit of 4294967296 bytes"));
}

TEST(ReadNpz, TurnsNumbersIntoBytesWhereItCan) {
  const Bytes expected = {0, 1, 2, 255, 4, 5, 6, 7};
  const std::vector<std::int64_t> shape = {2, 2, 2};
  EXPECT_EQ(read_x(npy("'|u1'", shape, expected)).pixels, expected);
  EXPECT_EQ(read_x(npy("'<i8'", shape, raw<std::int64_t>({0, 1, 2, 255, 4, 5, 6, 7}))).pixels,
            expected);
  EXPECT_EQ(read_x(npy("'<f4'", shape, raw<float>({0, 1, 2, 255, 4, 5, 6, 7}))).pixels, expected);
  EXPECT_EQ(read_x(npy("'>i2'", shape, {0, 0, 0, 1, 0, 2, 0, 255, 0, 4, 0, 5, 0, 6, 0, 7})).pixels,
            expected);
  EXPECT_EQ(read_x(npy("'|u1'", shape, {0, 4, 2, 6, 1, 5, 255, 7}, "True")).pixels, expected);
  std::vector<float> scaled;
  for (const std::uint8_t pixel : expected) scaled.push_back(static_cast<float>(pixel) / 255);
  const Dataset unit = read_x(npy("'<f4'", shape, raw(scaled)));
  EXPECT_EQ(unit.pixels, expected);
  EXPECT_EQ(unit.full, 255);
  // What is small is no rounding error of 0.
  scaled[0] = 1e-7F;
  EXPECT_EQ(read_x(npy("'<f4'", shape, raw(scaled))).values, scaled);
  scaled[0] = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(read_x(npy("'<f4'", shape, raw(scaled))).values, scaled);
}

TEST(ReadNpz, KeepsOtherNumbersAsFloats) {
  const Dataset data = read_x(npy("'<f8'", {2, 3}, raw<double>({-1.5, 0, 1000, 0.25, 2, 3})));
  EXPECT_TRUE(data.pixels.empty());
  EXPECT_EQ(data.values, (std::vector<float>{-1.5F, 0, 1000, 0.25F, 2, 3}));
  EXPECT_EQ(data.full, 1);
  EXPECT_EQ(data.w, 3);
}

TEST(ReadNpz, ReadsOneHotLabels) {
  const TempFolder folder;
  const Bytes x = npy("'|u1'", {2, 1}, {7, 8});
  const auto read = [&](const Bytes& hot) {
    return read_npz(folder.put("x.npz", zip({{"x.npy", x}, {"y.npy", npy("'|b1'", {2, 3}, hot)}})));
  };
  EXPECT_EQ(read({0, 0, 1, 1, 0, 0}).train.labels, (std::vector<std::int32_t>{2, 0}));
  EXPECT_THROW(read({0, 0, 1, 1, 0, 1}), FileError);
  EXPECT_THROW(read({0, 0, 0, 1, 0, 0}), FileError);
}

TEST(ReadNpz, RefusesBadArrays) {
  const Bytes y = npy("'|u1'", {1}, {0});
  const auto x_error = [&](const Bytes& x) { return error_of({{"x.npy", x}, {"y.npy", y}}); };
  EXPECT_TRUE(contains(x_error(npy("[('a', '<f4')]", {1}, {})), "found a structure"));
  EXPECT_TRUE(contains(x_error(npy("'<c8'", {1, 1}, Bytes(8))), "found the type \"<c8\""));
  EXPECT_TRUE(contains(x_error(npy("'<f4'", {1, 1}, raw<float>({NAN}))), "is no finite number"));
  EXPECT_TRUE(contains(x_error(npy("'|u1'", {4}, {1, 2, 3, 4})), "expected images of shape"));
  EXPECT_TRUE(contains(x_error(bytes_of_text("\x93NUMPY\x01")), "the data ends"));
  const Bytes x = npy("'|u1'", {1, 1}, {0});
  EXPECT_TRUE(
      contains(error_of({{"x.npy", x}, {"y.npy", npy("'<i8'", {1}, raw<std::int64_t>({-1}))}}),
               "expected a label, a whole number from 0 to 999"));
  for (const Bytes& labels : {npy("'|u1'", {2}, {0, 1}), npy("'|u1'", {1, 1, 1}, {0}),
                              npy("'|u1'", {}, {0}), npy("'|u1'", {0}, {})}) {
    EXPECT_TRUE(contains(error_of({{"x.npy", x}, {"y.npy", labels}}),
                         "expected 1 labels, one for each image in x"));
  }
}

TEST(ReadNpz, RefusesImagesThatAreNotAsAskedFor) {
  const TempFolder folder;
  const Bytes x = npy("'|u1'", {1, 6}, {1, 2, 3, 4, 5, 6});
  const std::string path =
      folder.put("x.npz", zip({{"x.npy", x}, {"y.npy", npy("'|u1'", {1}, {0})}}));
  EXPECT_EQ(read_npz(path, ImageShape{.h = 2, .w = 3, .c = 1}).train.h, 2);
  const std::string error =
      file_error(path, [&] { read_npz(path, ImageShape{.h = 2, .w = 2, .c = 1}); });
  EXPECT_TRUE(contains(error, "expected images of 2x2x1, found (1, 6)")) << error;
}

TEST(ReadNpz, RefusesWhatIsInfiniteAsAFloat) {
  const Bytes y = npy("'|u1'", {2}, {0, 1});
  EXPECT_TRUE(
      contains(error_of({{"x.npy", npy("'<f8'", {2, 1}, raw<double>({0.5, 1e39}))}, {"y.npy", y}}),
               "x: element 1 is no finite number, or too large for float32"));
  EXPECT_EQ(read_x(npy("'<f8'", {2, 1}, raw<double>({0.5, -3e38}))).values[1], -3e38F);
}

std::string npy_error(const std::string& header, const Bytes& values = {}) {
  Bytes file = bytes_of_text("\x93NUMPY");
  file.insert(file.end(), {1, 0, static_cast<std::uint8_t>(header.size()), 0});
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), values.begin(), values.end());
  return file_error("x", [&] { parse_npy("x", file); });
}

TEST(ParseNpy, RefusesHeadersThatSayTwoThings) {
  const std::string start = "{'descr': '|u1', 'fortran_order': False, ";
  EXPECT_TRUE(contains(npy_error(start + "'shape': (2,), 'shape': (3,)}", Bytes(6)),
                       "\"shape\" occurs twice"));
  EXPECT_TRUE(contains(npy_error(start + "'shape': (2,)} {", Bytes(2)),
                       "expected the end of the header, found \"{\""));
  EXPECT_TRUE(contains(npy_error(start + "'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1)}", Bytes(1)),
                       "at most 8 dimensions"));
  EXPECT_TRUE(contains(npy_error(start + "'shape': (0, 4294967297)}"), "a dimension above"));
  EXPECT_TRUE(contains(npy_error(start + "}"), "expected the keys"));
  EXPECT_TRUE(contains(npy_error("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", {1, 2}),
                       "expected bytes of 0 and 1 for bool"));
}

TEST(ParseNpy, ReadsHeadersOfEveryVersionAndLength) {
  const std::string text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  for (const std::uint8_t version : {1, 2, 3}) {
    for (const std::size_t length :
         {text.size(), std::size_t{255}, std::size_t{256}, std::size_t{257}, std::size_t{1000}}) {
      Bytes file = bytes_of_text("\x93NUMPY");
      file.insert(file.end(), {version, 0, static_cast<std::uint8_t>(length & 255),
                               static_cast<std::uint8_t>(length >> 8)});
      if (version > 1) file.insert(file.end(), {0, 0});
      const std::string header = text + std::string(length - text.size(), ' ');
      file.insert(file.end(), header.begin(), header.end());
      file.insert(file.end(), {7, 8});
      EXPECT_EQ(parse_npy("x", file).bytes, (Bytes{7, 8}));
    }
  }
}

TEST(ParseNpy, AnEmptyArrayOfLargeDimensionsIsEmpty) {
  const Bytes file = npy("'<f4'", {1LL << 32, 1LL << 32, 0}, {}, "True");
  EXPECT_TRUE(parse_npy("x", file).bytes.empty());
}

TEST(NpzFile, ReadsBack) {
  const TempFolder folder;
  TrainTest sets{.train = {.name = "train",
                           .n = 2,
                           .h = 1,
                           .w = 1,
                           .c = 3,
                           .pixels = {1, 2, 3, 4, 5, 60},
                           .labels = {1, 0},
                           .classes = 2,
                           .class_names = {"cat", "otter"}},
                 .test = {}};
  sets.test = sets.train;
  const TrainMaybeTest back = read_npz(folder.put("x.npz", npz_file(sets)));
  EXPECT_EQ(back.train.pixels, sets.train.pixels);
  EXPECT_EQ(back.train.labels, sets.train.labels);
  EXPECT_EQ(back.train.c, 3);
  EXPECT_EQ(back.test->class_names, sets.train.class_names);
}

TEST(NpzFile, HoldsLabelsThatNeedMoreThanAByte) {
  const TempFolder folder;
  for (const std::int32_t classes : {256, 257, 300}) {
    TrainTest sets{.train = {.name = "train",
                             .n = 2,
                             .h = 1,
                             .w = 1,
                             .c = 1,
                             .pixels = {1, 2},
                             .labels = {0, classes - 1},
                             .classes = classes},
                   .test = {}};
    sets.test = sets.train;
    const TrainMaybeTest back = read_npz(folder.put("x.npz", npz_file(sets)));
    EXPECT_EQ(back.train.labels, sets.train.labels);
    EXPECT_EQ(back.train.classes, classes);
  }
}

}  // namespace
}  // namespace nnkernels::nn
