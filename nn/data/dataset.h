// Labelled images in memory, and where they come from.
#ifndef NNKERNELS_NN_DATA_DATASET_H_
#define NNKERNELS_NN_DATA_DATASET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// The most classes that a data set may have. A larger label is a pixel in the wrong column, as a
/// rule.
inline constexpr std::int32_t kMaxClasses = 1000;

/// n images of h x w pixels and c channels, and their labels in [0, classes). Each number is a byte
/// in `pixels`, or, where bytes cannot hold the numbers, a float in `values`; the other one of the
/// two is empty. A vector of features is an image of 1 x features x 1.
struct Dataset {
  std::string name = {};
  std::int64_t n = 0;
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t c = 0;
  std::vector<std::uint8_t> pixels;  // [n][h][w][c]
  std::vector<std::int32_t> labels;  // [n]
  std::int32_t classes = 0;
  std::vector<float> values = {};  // [n][h][w][c]
  /// What stands for full ink or light: 255 in most data sets of bytes, 16 in UCI's digits, 1 in
  /// those of floats.
  double full = 255;
  std::vector<std::string> class_names = {};  // [classes], or empty: the numbers are their names

  /// How many numbers there are, of either kind.
  std::size_t size() const { return pixels.size() + values.size(); }
};

/// The name of a class: its own, or else its number.
std::string class_name(const Dataset& data, std::int32_t label);

struct ImageShape {
  std::int64_t h = 0;
  std::int64_t w = 0;
  std::int64_t c = 1;
};

/// The shape of an image of so many numbers, from files that do not tell: the one asked for, if it
/// has as many (else none); otherwise a square of one channel if there is one, otherwise a vector,
/// 1 x numbers x 1.
std::optional<ImageShape> shape_of_numbers(std::int64_t numbers,
                                           const std::optional<ImageShape>& asked);

/// What a network sees of a number: x = scale * number + shift. The default maps bytes to [0, 1].
struct Preprocessing {
  double scale = 1.0 / 255;
  double shift = 0;
};

/// What maps [0, full] to [0, 1].
Preprocessing default_preprocessing(const Dataset& data);

struct TrainTest {
  Dataset train;
  Dataset test;
};

/// What files hold: a training set and, in many, a test set.
struct TrainMaybeTest {
  Dataset train;
  std::optional<Dataset> test;
};

/// Gives both sets the number of classes that the labels of both call for, largest label + 1, and
/// the same `full`, unless they hold floats: 255, or the largest byte of both if that is at most
/// 16. That is how UCI's digits, with their levels from 0 to 16, or images of zeros and ones are
/// told from those of 8 bits.
void settle(Dataset& train, Dataset& test);

/// The same for one set, or for what there is.
void settle(Dataset& data);
void settle(TrainMaybeTest& sets);

/// Reads a data set in MNIST's form (MNIST itself, Fashion-MNIST, KMNIST...) from a folder of four
/// IDX files:
///
///     train-images-idx3-ubyte   train-labels-idx1-ubyte   t10k-images-idx3-ubyte
///     t10k-labels-idx1-ubyte
///
/// each with or without ".gz", each also in the spelling "train-images.idx3-ubyte". Where several
/// are there, the first of plain, plain with a dot, .gz, .gz with a dot is taken. Images with
/// channels are in files of four dimensions, {n, h, w, c}, "train-images-idx4-ubyte" and
/// "t10k-images-idx4-ubyte"; otherwise c = 1. The files are read by up to four threads at a time.
///
/// Throws FileError: a missing folder or file (naming what was looked for), whatever read_idx()
/// refuses, different numbers of images and labels, images of other sizes in train and test.
TrainTest load_mnist(const std::string& dir);

/// The test set alone: reads the two t10k files and needs no others. Its number of classes is that
/// of its own labels. Throws as load_mnist() does.
Dataset load_mnist_test(const std::string& dir);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_DATASET_H_
