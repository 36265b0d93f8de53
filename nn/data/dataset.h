// Labelled images in memory, and where they come from.
#ifndef NNKERNELS_NN_DATA_DATASET_H_
#define NNKERNELS_NN_DATA_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// n images of h x w pixels and c channels, one byte each, and their labels in [0, classes).
struct Dataset {
  std::string name;
  std::int64_t n = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t c = 0;
  std::vector<std::uint8_t> pixels;  // [n][h][w][c]
  std::vector<std::int32_t> labels;  // [n]
  std::int32_t classes = 0;
};

/// What a network sees of a pixel: x = scale * byte + shift. The default maps bytes to [0, 1].
struct Preprocessing {
  double scale = 1.0 / 255;
  double shift = 0;
};

struct TrainTest {
  Dataset train;
  Dataset test;
};

/// Reads a data set in MNIST's form (MNIST itself, Fashion-MNIST, KMNIST...) from a folder of four
/// IDX files:
///
///     train-images-idx3-ubyte   train-labels-idx1-ubyte   t10k-images-idx3-ubyte
///     t10k-labels-idx1-ubyte
///
/// each with or without ".gz", each also in the spelling "train-images.idx3-ubyte". Where several
/// are there, the first of plain, plain with a dot, .gz, .gz with a dot is taken. c = 1 and
/// classes = 10. The files are read by up to four threads at a time.
///
/// Throws FileError: a missing folder or file (naming what was looked for), whatever read_idx()
/// refuses, different numbers of images and labels, images of other sizes in train and test, a
/// label above 9 (with its offset).
TrainTest load_mnist(const std::string& dir);

/// The test set alone: reads the two t10k files and needs no others. Throws as load_mnist() does.
Dataset load_mnist_test(const std::string& dir);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_DATASET_H_
