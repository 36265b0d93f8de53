// The options of `nncli convert` and `nncli export`.
#ifndef NNKERNELS_CLI_EXCHANGE_OPTIONS_H_
#define NNKERNELS_CLI_EXCHANGE_OPTIONS_H_

#include <CLI/CLI.hpp>

#include "cli/options.h"

namespace nnkernels::cli {

/// Both keep references to their second argument.
void add_convert_options(CLI::App& app, ConvertOptions& options);
void add_export_options(CLI::App& app, ExportOptions& options);

/// Throws UsageError for options that do not go together.
void check_convert(const ConvertOptions& options);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_EXCHANGE_OPTIONS_H_
