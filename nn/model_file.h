// Trained networks in files.
#ifndef NNKERNELS_NN_MODEL_FILE_H_
#define NNKERNELS_NN_MODEL_FILE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "nn/data/dataset.h"
#include "nn/sequential.h"

namespace nnkernels::nn {

/// What a network needs beside its layers and weights to be of use.
struct ModelInfo {
  Preprocessing preprocessing;
  std::int32_t classes = 0;
  /// Anything else worth knowing, UTF-8; keys must not begin with "nnkernels.".
  std::map<std::string, std::string> metadata;
};

struct Model {
  Sequential<float> net;
  ModelInfo info;
};

/// The largest file that load_model() accepts: 8 GiB.
inline constexpr std::int64_t kMaxModelFile = std::int64_t{8} << 30;

/// Writes a network to a file that load_model() and Python's safetensors can read. It holds the
/// parameters under the names of Sequential::parameter_names() and in that order, then the buffers
/// in the same way, as F32 (see nn/data/safetensors.h), and metadata.
///
/// The metadata, beside info.metadata: "nnkernels.format" ("model 1"), "nnkernels.architecture"
/// (see nn/architecture.h), "nnkernels.input" ("28x28x1"), "nnkernels.scale" and "nnkernels.shift"
/// (digits that read back as the same double), "nnkernels.classes", and "nnkernels.checksum": the
/// SHA-256 of the whole file with the checksum's own 64 digits set to '0'.
///
/// The same net and info give the same bytes. Written by write_file_atomically(). Throws
/// WriteError, and std::invalid_argument if a weight is NaN or infinite (a model file never holds
/// such), if the layers have no textual architecture, if the net does not have info.classes
/// outputs, if metadata is no UTF-8, has a reserved key or takes more than a header may
/// (kMaxSafetensorsHeader), or if the net is beyond what build() and load_model() accept: more than
/// kMaxLayers layers, more than kMaxActivation numbers, an input of a rank above 3 or of a
/// dimension above a million.
void save_model(const std::string& path, const Sequential<float>& net, const ModelInfo& info);

/// Throws std::invalid_argument, in the name of `function`, for a model that no file shall hold
/// since its reader would refuse it: for the reasons above, but for those of the format.
void check_model(const char* function, const Sequential<float>& net, const ModelInfo& info);

/// Reads what save_model() wrote. Throws FileError if the file differs from that in any bit or is
/// cut anywhere, breaks a rule of parse_safetensors(), or does not fit its own architecture.
/// Nothing in a file is ever executed. Needs memory for the file's bytes beside the network.
Model load_model(const std::string& path);

/// The same of a file's bytes; `path` is for messages.
Model parse_model(const std::string& path, std::span<const std::uint8_t> bytes);

/// The SHA-256 of all weights in the order of parameters(), then of all buffers, as little-endian
/// float32: equal for networks whose weights are equal bit by bit.
std::string weights_sha256(const Sequential<float>& net);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_MODEL_FILE_H_
