// Data sets of every format that nn can read and write.
#ifndef NNKERNELS_NN_DATA_LOAD_H_
#define NNKERNELS_NN_DATA_LOAD_H_

#include <functional>
#include <string>
#include <vector>

#include "nn/data/csv.h"
#include "nn/data/dataset.h"

namespace nnkernels::nn {

enum class DataFormat { idx, csv, npz, npy, images };

/// "IDX", "CSV", "NPZ", "NPY", "folder of images".
std::string format_name(DataFormat format);

struct LoadedData {
  DataFormat format = DataFormat::idx;
  TrainMaybeTest sets;
};

/// Reads a data set from `path`; `options` are for formats that leave these things open:
///
/// - a folder with MNIST's four IDX files (load_mnist());
/// - a folder with one file *train.csv, plain or .csv.gz: that file, as below;
/// - a folder with x_train.npy or x.npy (read_npy_folder());
/// - a folder of images, one folder a class (read_image_folder());
/// - a file .npz (read_npz());
/// - any other file, which must be CSV, plain or gzip (read_csv()). If its name holds "train" and
///   a file beside it has the same name but for "test", that is the test set (mnist_train.csv and
///   mnist_test.csv).
///
/// Throws FileError as these do, if there is no such path, if a folder holds none of them, if the
/// file is one array or image, and if all labels of a CSV file are the same: the label is in the
/// other column, then.
LoadedData load_dataset(const std::string& path, const CsvOptions& options = {});

/// The same where only the test set is wanted: a folder of IDX needs the t10k files only. Other
/// formats are read as a whole, and sets.train is empty if there is a test set.
LoadedData load_test_set(const std::string& path, const CsvOptions& options = {});

/// Writes both sets (the test set may be empty, except in IDX) to `path`, in the format that its
/// end calls for, and returns the files:
///
/// - .npz: npz_file();
/// - .csv and .csv.gz: csv_text(), in two files that load_dataset() finds together. NAME.csv stands
///   for NAME_train.csv and NAME_test.csv, unless NAME holds "train" itself;
/// - none: a folder, new or empty, that gets MNIST's four IDX files, gzip.
///
/// The files are written to a folder beside `path` and get their names when all of them are whole.
/// Throws std::invalid_argument for another end, and where a format cannot hold the data (floats,
/// in all but NPZ; more than 256 classes, in IDX); WriteError, also if one of the files is there
/// already, or a NAME_test.csv that would become the test set. Nothing is left then.
///
/// `stop`, if given, is asked now and then (after each MiB that is compressed); when it says true,
/// nothing is left and the result is empty.
std::vector<std::string> save_dataset(const std::string& path, const TrainTest& sets,
                                      const std::function<bool()>& stop = {});

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_LOAD_H_
