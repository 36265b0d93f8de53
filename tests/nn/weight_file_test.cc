#include "nn/weight_file.h"

#include <limits>
#include <stdexcept>
#include <tuple>

#include "nn/data/npy.h"
#include "nn/data/safetensors.h"
#include "nn/data/zip.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

WeightFile sample() {
  return {.texts = {{"loss", "softmax"},
                    {"smoothing", "0.5"},
                    {"nnkernels.classes", "10"},
                    {"nnkernels.scale", "0.00392156862745098"},
                    {"empty", ""}},
          .arrays = {{"0.w", {2, 3}, {1, -2, 0.1F, 4e-45F, 5, -0.0F}},
                     {"0.b", {3}, {7, 8, 9}},
                     {"one", {}, {1.5F}}}};
}

std::string read_error(const std::string& path) {
  return file_error(path, [&] { read_weight_file(path); });
}

void expect_same(const WeightFile& a, const WeightFile& b) {
  EXPECT_EQ(a.texts, b.texts);
  ASSERT_EQ(a.arrays.size(), b.arrays.size());
  for (std::size_t i = 0; i < a.arrays.size(); ++i) {
    EXPECT_EQ(a.arrays[i].name, b.arrays[i].name);
    EXPECT_EQ(a.arrays[i].shape, b.arrays[i].shape);
    EXPECT_EQ(a.arrays[i].values, b.arrays[i].values);
  }
}

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(values.data());
  return {begin, begin + values.size() * sizeof(T)};
}

/// An archive of one array.
Bytes npz_of(const std::string& name, const NpyArray& array) {
  ZipWriter zip;
  zip.add(name + ".npy", npy_file(array));
  return zip.finish();
}

/// A safetensors file of one array.
Bytes safetensors_of(const std::string& name, const std::string& dtype, std::int64_t count,
                     const Bytes& data) {
  const SafetensorsEntry entry{name, dtype, {count}, 0, static_cast<std::int64_t>(data.size())};
  Bytes file = bytes_of_text(safetensors_header({}, {&entry, 1}));
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

TEST(WeightFile, ReadsWhatItWrote) {
  const TempFolder folder;
  for (const char* name : {"a.npz", "a.safetensors"}) {
    SCOPED_TRACE(name);
    write_weight_file(folder.file(name), sample());
    expect_same(read_weight_file(folder.file(name)), sample());
    const Bytes first = slurp(folder.file(name));
    write_weight_file(folder.file(name), sample());
    EXPECT_EQ(slurp(folder.file(name)), first);
  }
}

// NumPy shows numbers as numbers, where they are this project's own.
TEST(WeightFile, WritesNumbersAndTextsToNpz) {
  const TempFolder folder;
  write_weight_file(folder.file("a.npz"), sample());
  const Bytes bytes = slurp(folder.file("a.npz"));
  const ZipArchive archive("a", bytes);
  const auto kind = [&](const char* name) { return read_npy(archive, *archive.find(name)).kind; };
  EXPECT_EQ(kind("nnkernels.classes.npy"), 'i');
  EXPECT_EQ(kind("nnkernels.scale.npy"), 'f');
  EXPECT_EQ(kind("smoothing.npy"), 'S');
  EXPECT_EQ(kind("0.w.npy"), 'f');
}

TEST(WeightFile, RoundsDoublesAndLeavesOutCounters) {
  const TempFolder folder;
  const Bytes doubles = bytes_of(std::vector<double>{0.1, -2});
  const NpyArray array{.kind = 'f', .item = 8, .shape = {2}, .bytes = doubles};
  for (const std::string& path : {folder.put("a.npz", npz_of("w1", array)),
                                  folder.put("a", safetensors_of("w1", "F64", 2, doubles))}) {
    const WeightFile file = read_weight_file(path);
    ASSERT_EQ(file.arrays.size(), 1u);
    EXPECT_EQ(file.arrays[0].values, (std::vector<float>{0.1F, -2}));
  }
  const Bytes count = bytes_of(std::vector<std::int64_t>{40});
  const std::string counter = "1.num_batches_tracked";
  const NpyArray tracked{.kind = 'i', .item = 8, .shape = {}, .bytes = count};
  EXPECT_TRUE(read_weight_file(folder.put("b.npz", npz_of(counter, tracked))).arrays.empty());
  EXPECT_TRUE(
      read_weight_file(folder.put("b", safetensors_of(counter, "I64", 1, count))).arrays.empty());
}

TEST(WeightFile, RefusesWhatIsNoFiniteFloat) {
  const TempFolder folder;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const Bytes nan = bytes_of(std::vector<float>{1, kNan});
  const Bytes large = bytes_of(std::vector<double>{1, 1e39});
  const Bytes whole = bytes_of(std::vector<std::int32_t>{1, 2});
  const auto npz = [&](char kind, std::int64_t item, const Bytes& bytes) {
    const NpyArray array{.kind = kind, .item = item, .shape = {2}, .bytes = bytes};
    return read_error(folder.put("a.npz", npz_of("fc.weight", array)));
  };
  const auto safetensors = [&](const char* dtype, const Bytes& bytes) {
    return read_error(folder.put("a", safetensors_of("fc.weight", dtype, 2, bytes)));
  };
  const std::string where = "array \"fc.weight\": ";
  for (const std::string& error : {npz('f', 4, nan), safetensors("F32", nan)}) {
    EXPECT_TRUE(contains(error, where + "element 1: expected a finite float32, found nan"));
  }
  for (const std::string& error : {npz('f', 8, large), safetensors("F64", large)}) {
    EXPECT_TRUE(contains(error, where + "element 1: expected a finite float32, found 1e+39"));
  }
  EXPECT_TRUE(contains(npz('i', 4, whole), where + "expected weights of type float32 or float64"));
  EXPECT_TRUE(contains(npz('S', 4, whole), "found text"));
  EXPECT_TRUE(
      contains(safetensors("I32", whole), "expected weights of type F32 or F64, found I32"));
}

TEST(WeightFile, RefusesPythonObjects) {
  const std::string path = std::string(NNKERNELS_TEST_DATA_DIR) + "/objects.npz";
  EXPECT_TRUE(contains(read_error(path), "holds Python objects"));
  const TempFolder folder;
  ZipWriter torch;
  torch.add("archive/data.pkl", bytes_of_text("\x80\x02}q"));
  EXPECT_TRUE(contains(read_error(folder.put("net.pt", torch.finish())),
                       "holds a pickle (torch.save makes such files)"));
}

TEST(WeightFile, RefusesEveryTruncation) {
  const TempFolder folder;
  for (const char* name : {"a.npz", "a.safetensors"}) {
    write_weight_file(folder.file(name), sample());
    const Bytes good = slurp(folder.file(name));
    for (std::size_t size = 0; size < good.size(); ++size) {
      SCOPED_TRACE(size);
      read_error(
          folder.put("cut", {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}));
    }
  }
}

TEST(WeightFile, RefusesToWriteWhatItCannotHold) {
  const TempFolder folder;
  const auto error_of = [&](const char* name, const WeightFile& file) -> std::string {
    try {
      write_weight_file(folder.file(name), file);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_TRUE(contains(error_of("a.bin", sample()), "ending in .safetensors or .npz"));
  WeightFile twice = sample();
  twice.arrays[1].name = "0.w";
  EXPECT_TRUE(contains(error_of("a.npz", twice), "two arrays or texts have the name \"0.w\""));
  WeightFile both = sample();
  both.texts["0.w"] = "text";
  EXPECT_TRUE(contains(error_of("a.npz", both), "two arrays or texts have the name \"0.w\""));
  WeightFile infinite = sample();
  infinite.arrays[1].values[0] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(contains(error_of("a.safetensors", infinite), "\"0.b\" has a value that is not"));
  WeightFile counter = sample();
  counter.arrays[1].name = "1.num_batches_tracked";
  EXPECT_TRUE(contains(error_of("a.safetensors", counter), "counter of PyTorch's"));
  for (const auto& [key, text, message] :
       {std::tuple("../k", std::string("x"), "the name \"../k.npy\" is refused"),
        std::tuple("k", std::string("a\0b", 3), "\"k\" holds a zero byte"),
        std::tuple("num_batches_tracked", std::string("7"), "counter of PyTorch's")}) {
    WeightFile bad = sample();
    bad.texts[key] = text;
    EXPECT_TRUE(contains(error_of("a.npz", bad), message)) << error_of("a.npz", bad);
  }
  WeightFile many = sample();
  for (int i = 0; i < 1000; ++i) many.texts[std::to_string(i)] = "x";
  EXPECT_TRUE(contains(error_of("a.npz", many), "1000"));
  WeightFile endless = sample();
  endless.texts["note"] = std::string(10001, 'x');
  EXPECT_TRUE(contains(error_of("a.npz", endless), "10001 bytes"));
  EXPECT_EQ(error_of("a.safetensors", endless), "");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a.safetensors"});
}

}  // namespace
}  // namespace nnkernels::nn
