// Data sets as folders of image files, one folder a class.
#ifndef NNKERNELS_NN_DATA_IMAGE_FOLDER_H_
#define NNKERNELS_NN_DATA_IMAGE_FOLDER_H_

#include <functional>
#include <string>

#include "nn/data/dataset.h"

namespace nnkernels::nn {

/// Reads DIR/train/CLASS/*.png and DIR/test/CLASS/*.png, or, without a test set, DIR/CLASS/*.png
/// or DIR/train alone. Files are what read_picture() reads and end in .png, .pgm or .ppm; all are
/// of one size, and all grey or all in colour. Names that begin with a dot are not looked at.
///
/// Folders named by whole numbers below kMaxClasses are labels. Any other names are sorted byte by
/// byte, and become class_names; the classes of train and test are those of both together. The
/// samples are ordered by file name, then class.
///
/// The files are read by all threads (kernels/parallel.h). Memory: the images, at most
/// kMaxDataBytes, and one file a thread. Throws FileError naming the file or folder: whatever
/// read_picture() refuses, an image of another size or kind than the first, another file among the
/// images, a class name with control characters, more than kMaxClasses classes, no image at all.
TrainMaybeTest read_image_folder(const std::string& dir);

/// Whether read_picture() may be asked to read a file of that name: it ends in .png, .pgm or .ppm,
/// in letters of either case.
bool is_image_name(const std::string& path);

/// True if `dir` looks like one: it holds a folder that holds an image or, below train or test, a
/// folder.
bool is_image_folder(const std::string& dir);

/// Writes DIR/train/CLASS/NNNNN.png and DIR/test/CLASS/NNNNN.png, numbered in the order of the
/// samples, so that read_image_folder() gives the data set back, a full of 255 provided: other
/// levels are scaled to 0..255, for people look at pictures. CLASS is class_name(); an empty test
/// set has no folder.
///
/// DIR must not exist, or be empty. The files are written to a folder beside it that is renamed to
/// DIR at the end: what bears the name DIR is whole. Throws std::invalid_argument if the data set
/// holds floats, has another number of channels than 1 or 3, or a class name that is no file name;
/// WriteError if DIR holds anything or cannot be written (then nothing is left).
///
/// `stop`, if given, is asked before each file, by all threads; when it says true, nothing is left
/// and the result is false.
bool write_image_folder(const TrainTest& sets, const std::string& dir,
                        const std::function<bool()>& stop = {});

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_IMAGE_FOLDER_H_
