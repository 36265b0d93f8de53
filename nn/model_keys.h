// Keys of what files of networks say about them: models, checkpoints, exported weights.
#ifndef NNKERNELS_NN_MODEL_KEYS_H_
#define NNKERNELS_NN_MODEL_KEYS_H_

#include <string_view>

namespace nnkernels::nn {

/// The prefix of the keys that the library sets itself.
inline constexpr std::string_view kReservedKeys = "nnkernels.";

inline constexpr std::string_view kArchitecture = "nnkernels.architecture";
inline constexpr std::string_view kInput = "nnkernels.input";
inline constexpr std::string_view kScale = "nnkernels.scale";
inline constexpr std::string_view kShift = "nnkernels.shift";
inline constexpr std::string_view kClasses = "nnkernels.classes";
inline constexpr std::string_view kChecksum = "nnkernels.checksum";

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_MODEL_KEYS_H_
