// Data sets as NumPy arrays of images and labels: archives as Keras's mnist.npz, and folders.
#ifndef NNKERNELS_NN_DATA_NPZ_H_
#define NNKERNELS_NN_DATA_NPZ_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nn/data/dataset.h"

namespace nnkernels::nn {

/// Reads an archive that numpy.savez() or numpy.savez_compressed() wrote, with the arrays x_train
/// and y_train, and x_test and y_test if there is a test set; or x and y. Others are not looked at,
/// but for class_names (byte strings).
///
/// x is (n, h, w, c), (n, h, w) or (n, numbers); `image`, or else shape_of_numbers(), gives the
/// shape of the latter (`image` also that of the others, if it has as many numbers). y is (n) or
/// (n, 1), whole numbers from 0 to kMaxClasses - 1, or (n, classes), one-hot.
///
/// Numbers of any type become bytes where these can hold all of them: whole numbers from 0 to 255,
/// or multiples of 1/255 from 0 to 1 (as floats round them), which are multiplied by 255.
/// Otherwise they become floats, and full is 1. NaN and infinity are refused.
///
/// Memory: the file, and what read_npy() takes for images and labels. Throws FileError, naming the
/// array, as ZipArchive and read_npy() do, and for arrays that are missing or do not fit together.
TrainMaybeTest read_npz(const std::string& path, const std::optional<ImageShape>& image = {});

/// The same of a file's bytes; `path` is for messages.
TrainMaybeTest parse_npz(const std::string& path, std::span<const std::uint8_t> file,
                         const std::optional<ImageShape>& image = {});

/// Whether a folder holds x_train.npy or x.npy.
bool is_npy_folder(const std::string& dir);

/// The same of a folder that holds these arrays as files: x_train.npy, y_train.npy...
TrainMaybeTest read_npy_folder(const std::string& dir, const std::optional<ImageShape>& image = {});

/// The bytes of such an archive, deflated: x_train and x_test as uint8, (n, h, w) if c = 1, (n,
/// h, w, c) otherwise, or as float32; y_train and y_test as uint8, or int64 from 257 classes on;
/// class_names if the classes have names. NumPy reads it. Throws std::invalid_argument beyond 4
/// GiB. `pause` as deflated() takes it.
std::vector<std::uint8_t> npz_file(const TrainTest& sets, const std::function<void()>& pause = {});

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_NPZ_H_
