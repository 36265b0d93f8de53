// Files of named tensors and metadata that notice every changed bit: what model files and
// checkpoints have in common.
#ifndef NNKERNELS_NN_TENSOR_FILE_H_
#define NNKERNELS_NN_TENSOR_FILE_H_

#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "nn/data/safetensors.h"
#include "nn/named_tensor.h"

namespace nnkernels::nn {

/// The place of the first element that is NaN or infinite, or -1.
std::int64_t first_not_finite(const Tensor<float>& tensor);

/// The SHA-256 of a tensor's values as they are in a file.
std::string tensor_sha256(const Tensor<float>& tensor);

/// Writes a safetensors file of these tensors in this order, as F32. To the metadata it adds
/// "nnkernels.format" and "nnkernels.checksum": the SHA-256 of the whole file with the checksum's
/// own 64 digits set to '0'. The same arguments give the same bytes.
///
/// Written by write_file_atomically(), straight from the tensors; `kept` as there. Throws
/// WriteError, and std::invalid_argument if metadata is no UTF-8.
void save_tensors(const std::string& path, std::string_view format,
                  std::map<std::string, std::string> metadata,
                  std::span<const NamedTensor<float>> tensors, const std::string& kept = {});

/// A file of save_tensors() that is being read. Refers to its bytes.
class TensorFile {
 public:
  /// Checks everything that does not depend on which tensors are expected. `path` is for messages.
  /// Throws FileError if the file is not of this format, differs from what was written in any bit
  /// or is cut anywhere, or breaks a rule of parse_safetensors().
  TensorFile(std::string path, std::span<const std::uint8_t> file, std::string_view format);

  /// Throws FileError about the header as a whole.
  [[noreturn]] void fail(const std::string& problem) const;

  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  /// One entry of the metadata. Throws FileError if there is none.
  const std::string& metadata(std::string_view key) const;
  /// One that is a finite number. Throws FileError if it is none.
  template <class Number>
  Number number(std::string_view key) const {
    const std::string& text = metadata(key);
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() ||
        !std::isfinite(static_cast<double>(value))) {
      fail_number(key);
    }
    return value;
  }

  /// The "28x28x1" of an entry. Throws FileError if it is none.
  Shape input_shape(std::string_view key) const;

  /// Whether the name of a tensor begins so.
  bool any_begins(std::string_view start) const;

  /// How many numbers all tensors together hold.
  std::int64_t size() const;

  /// Throws FileError unless the file holds tensors of these names and shapes in this order, and no
  /// others.
  void check_fit(std::span<const NamedTensor<float>> tensors) const;
  /// The SHA-256 of the values of tensor `index` in the file.
  std::string sha256_of(std::size_t index) const;
  /// Reads the values; changes nothing unless check_fit() lets them pass.
  void read(std::span<const NamedTensor<float>> tensors) const;
  /// Throws FileError at the first value of tensor `index` that is NaN or infinite.
  void check_finite(std::size_t index, const Tensor<float>& value) const;

 private:
  [[noreturn]] void fail_number(std::string_view key) const;
  void check_checksum() const;

  std::string path_;
  std::string kind_;  // "model", for messages
  std::span<const std::uint8_t> file_;
  SafetensorsHeader header_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_TENSOR_FILE_H_
