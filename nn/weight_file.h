// Named arrays of weights and texts about them, as safetensors or as NPZ.
#ifndef NNKERNELS_NN_WEIGHT_FILE_H_
#define NNKERNELS_NN_WEIGHT_FILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// Dense and row-major.
struct WeightArray {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

struct WeightFile {
  std::map<std::string, std::string> texts;
  std::vector<WeightArray> arrays;
};

/// "[2, 3]", of any rank.
std::string dims_text(const std::vector<std::int64_t>& dims);

/// Reads all arrays of a file in their order there: an NPZ archive if it begins like one, otherwise
/// safetensors. float64 is rounded to float32. Whole numbers are no weights and refused, but for
/// PyTorch's counters "...num_batches_tracked", which are left out. Texts are the metadata of a
/// safetensors file; in an archive byte strings of shape (), and numbers of shape () whose names
/// begin with "nnkernels.".
///
/// Throws FileError for whatever parse_safetensors(), ZipArchive and read_npy() refuse (Python
/// objects, for one), for a file of torch.save(), and, naming the array, for other types and for a
/// value that is no finite float32. Needs memory for the file and twice its values.
WeightFile read_weight_file(const std::string& path);

/// Writes such a file by write_file_atomically(): NPZ if `path` ends in ".npz" (deflated; a text
/// becomes a byte string, or int64 or float64 if it is a number and its name begins with
/// "nnkernels."), safetensors if it ends in ".safetensors". numpy.load() and Python's safetensors
/// read them. The same content gives the same bytes.
///
/// Throws WriteError; std::invalid_argument for another ending, for two arrays or texts of one
/// name, for a value that is not finite, for an array "...num_batches_tracked", and for what the
/// format cannot hold or read_weight_file() refuses: 4 GiB or more in NPZ, texts of more than
/// 10,000 bytes or with a zero byte there, names that lead out of a folder ("../x"), more than
/// kMaxZipEntries of them; strings that are no UTF-8 in safetensors, a header above its limit.
void write_weight_file(const std::string& path, const WeightFile& file);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_WEIGHT_FILE_H_
