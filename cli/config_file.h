// Configuration files: a training run's settings (cli/settings.h) as TOML.
#ifndef NNKERNELS_CLI_CONFIG_FILE_H_
#define NNKERNELS_CLI_CONFIG_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/settings.h"
#include "cli/train_config.h"

namespace nnkernels::cli {

/// The largest file that read_config_file() accepts: 1 MiB.
inline constexpr std::int64_t kMaxConfigFile = std::int64_t{1} << 20;

/// What the TOML file asks for, in its order; `recipe`, which is no setting, may be there too. Each
/// is named "FILE, line N: KEY". Throws nn::FileError for a file that cannot be read, is larger
/// than kMaxConfigFile or is no TOML (with line and column), and UsageError for a key that is not
/// known (with a suggestion) or holds neither text nor a number.
std::vector<Asked> read_config_file(const std::string& path);

/// The same of a file's text; `path` is for messages.
std::vector<Asked> parse_config(const std::string& path, std::string_view text);

/// A file that read_config_file() reads back as `config`: the settings that matter, one a line.
std::string to_toml(const TrainConfig& config);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_CONFIG_FILE_H_
