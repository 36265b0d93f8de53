#include "nn/data/dataset.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "nn/batch.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

/// Three training and two test images of 2 x 2.
const Bytes kTrainImages = idx_bytes({3, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
const Bytes kTrainLabels = idx_bytes({3}, {9, 0, 5});
const Bytes kTestImages = idx_bytes({2, 2, 2}, {21, 22, 23, 24, 25, 26, 27, 28});
const Bytes kTestLabels = idx_bytes({2}, {1, 2});

void put_all(const TempFolder& folder) {
  folder.put("train-images-idx3-ubyte", kTrainImages);
  folder.put("train-labels-idx1-ubyte", kTrainLabels);
  folder.put("t10k-images-idx3-ubyte", kTestImages);
  folder.put("t10k-labels-idx1-ubyte", kTestLabels);
}

void expect_all(const TrainTest& data) {
  EXPECT_EQ(data.train.n, 3);
  EXPECT_EQ(data.train.h, 2);
  EXPECT_EQ(data.train.w, 2);
  EXPECT_EQ(data.train.c, 1);
  EXPECT_EQ(data.train.classes, 10);
  EXPECT_EQ(data.train.pixels, Bytes({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(data.train.labels, (std::vector<std::int32_t>{9, 0, 5}));
  EXPECT_EQ(data.test.n, 2);
  EXPECT_EQ(data.test.pixels, Bytes({21, 22, 23, 24, 25, 26, 27, 28}));
  EXPECT_EQ(data.test.labels, (std::vector<std::int32_t>{1, 2}));
}

TEST(LoadMnist, ReadsPlainFiles) {
  const TempFolder folder;
  put_all(folder);
  expect_all(load_mnist(folder.path()));
  expect_all(load_mnist(folder.path() + "/"));
}

TEST(LoadMnist, ReadsGzipAndDottedNames) {
  const TempFolder folder;
  folder.put("train-images.idx3-ubyte", kTrainImages);
  folder.put("train-labels-idx1-ubyte.gz", gzip_bytes(kTrainLabels));
  folder.put("t10k-images.idx3-ubyte.gz", gzip_bytes(kTestImages));
  folder.put("t10k-labels-idx1-ubyte.gz", kTestLabels);  // plain in spite of its name
  expect_all(load_mnist(folder.path()));
}

TEST(LoadMnist, NamesWhatIsMissing) {
  const TempFolder folder;
  put_all(folder);
  std::filesystem::remove(folder.file("t10k-labels-idx1-ubyte"));
  const std::string message = file_error(folder.path(), [&] { load_mnist(folder.path()); });
  EXPECT_TRUE(contains(message, "t10k-labels-idx1-ubyte (or t10k-labels-idx1-ubyte.gz)"));
  EXPECT_TRUE(contains(message, "--data DIR"));
  const std::string missing = folder.file("nowhere");
  EXPECT_TRUE(contains(file_error(missing, [&] { load_mnist_test(missing); }), "no such folder"));
  EXPECT_TRUE(contains(file_error(missing, [&] { load_mnist(missing); }), "no such folder"));
}

TEST(LoadMnist, CountsClassesFromTheLabelsOfBothSets) {
  const TempFolder folder;
  put_all(folder);
  folder.put("t10k-labels-idx1-ubyte", idx_bytes({2}, {1, 46}));
  const TrainTest data = load_mnist(folder.path());
  EXPECT_EQ(data.train.classes, 47);
  EXPECT_EQ(data.test.classes, 47);
  folder.put("train-labels-idx1-ubyte", idx_bytes({3}, {255, 0, 1}));
  EXPECT_EQ(load_mnist(folder.path()).test.classes, 256);
}

TEST(LoadMnist, ReadsColour) {
  const TempFolder folder;
  put_all(folder);
  std::filesystem::remove(folder.file("train-images-idx3-ubyte"));
  std::filesystem::remove(folder.file("t10k-images-idx3-ubyte"));
  folder.put("train-images-idx4-ubyte",
             idx_bytes({3, 1, 1, 3}, {21, 22, 23, 24, 25, 26, 27, 28, 29}));
  folder.put("t10k-images.idx4-ubyte.gz", gzip_bytes(idx_bytes({2, 1, 1, 3}, {1, 2, 3, 4, 5, 6})));
  const TrainTest data = load_mnist(folder.path());
  EXPECT_EQ(data.train.c, 3);
  EXPECT_EQ(data.train.pixels.size(), 9u);
  EXPECT_EQ(data.test.pixels, Bytes({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(data.test.full, 255);
}

TEST(LoadMnist, RefusesCountsThatDiffer) {
  const TempFolder folder;
  put_all(folder);
  const std::string path = folder.put("t10k-labels-idx1-ubyte", kTrainLabels);
  EXPECT_EQ(file_error(path, [&] { load_mnist(folder.path()); }),
            path + ": at byte 4: expected 2 labels, one for each image in " +
                folder.file("t10k-images-idx3-ubyte") + ", found 3");
}

TEST(LoadMnist, RefusesImageSizesThatDiffer) {
  const TempFolder folder;
  put_all(folder);
  const std::string path = folder.put("t10k-images-idx3-ubyte", idx_bytes({2, 1, 2}, {1, 2, 3, 4}));
  EXPECT_TRUE(contains(file_error(path, [&] { load_mnist(folder.path()); }),
                       "expected images of 2 x 2 as in"));
}

TEST(LoadMnist, RefusesImagesInPlaceOfLabels) {
  const TempFolder folder;
  put_all(folder);
  const std::string path = folder.put("train-labels-idx1-ubyte", kTrainImages);
  EXPECT_TRUE(
      contains(file_error(path, [&] { load_mnist(folder.path()); }), "found 0x00000803 (images)"));
}

TEST(LoadMnist, ReadsMnistItself) {
  const TrainTest data = load_mnist(NNKERNELS_DATA_DIR);
  EXPECT_EQ(data.train.n, 60000);
  EXPECT_EQ(data.test.n, 10000);
  EXPECT_EQ(data.train.pixels.size(), 60000u * 784);
  // The first labels and the frequencies of the digits are well known.
  EXPECT_EQ(data.train.labels[0], 5);
  EXPECT_EQ(data.test.labels[0], 7);
  std::array<int, 10> counts{};
  for (const std::int32_t label : data.train.labels) ++counts[static_cast<std::size_t>(label)];
  EXPECT_EQ(counts,
            (std::array<int, 10>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}));
  const double sum = std::accumulate(data.train.pixels.begin(), data.train.pixels.end(), 0.0);
  EXPECT_NEAR(sum / 255 / 784 / 60000, 0.1307, 0.00005);
}

TEST(GatherBatch, TakesBytesAndFloats) {
  Dataset data{.name = "three",
               .n = 3,
               .h = 1,
               .w = 2,
               .c = 1,
               .pixels = {1, 2, 3, 4, 5, 6},
               .labels = {7, 8, 9},
               .classes = 10};
  const std::vector<std::int64_t> indices = {2, 0};
  const auto gather = [&] {
    Tensor<double> x({2, 1, 2, 1});
    std::vector<std::int32_t> labels(2);
    gather_batch<double>(data, {.scale = 0.5, .shift = -1}, indices, x.view(), labels, indices);
    EXPECT_EQ(labels, (std::vector<std::int32_t>{9, 7}));
    return std::vector<double>(x.begin(), x.end());
  };
  EXPECT_EQ(gather(), (std::vector<double>{1.5, 2, -0.5, 0}));
  data.pixels.clear();
  data.values = {0.25F, -2, 0, 0, 100, 1};
  EXPECT_EQ(gather(), (std::vector<double>{49, -0.5, -0.875, -2}));
}

}  // namespace
}  // namespace nnkernels::nn
