// Kinds of options, each with its check, and options that several commands share: CLI11's are
// looser and speak otherwise.
#ifndef NNKERNELS_CLI_OPTION_KINDS_H_
#define NNKERNELS_CLI_OPTION_KINDS_H_

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/numbers.h"
#include "cli/options.h"

namespace nnkernels::cli {

/// A whole number from `low` to `high`. All callbacks keep references to their targets.
template <class Integer>
CLI::Option* add_integer(CLI::App& app, const std::string& name, Integer low, Integer high,
                         std::optional<Integer>& target, const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    target = parse_number<Integer>(text);
    if (!target || *target < low || *target > high) {
      throw UsageError(name + ": expected a whole number from " + std::to_string(low) + " to " +
                       std::to_string(high) + ", got \"" + text + "\"");
    }
  };
  return app.add_option_function<std::string>(name, read, description)->type_name("N");
}

/// Text that is not empty: CLI11 would take an empty one for no value.
CLI::Option* add_text(CLI::App& app, const std::string& name, const std::string& type,
                      std::string& target, const std::string& description);
CLI::Option* add_path(CLI::App& app, const std::string& name, const std::string& type,
                      std::filesystem::path& target, const std::string& description);

/// A finite number.
CLI::Option* add_real(CLI::App& app, const std::string& name, std::optional<double>& target,
                      const std::string& description);

/// A number from 0 to 1.
CLI::Option* add_fraction(CLI::App& app, const std::string& name, std::optional<double>& target,
                          const std::string& description);

CLI::Option* add_choice(CLI::App& app, const std::string& name, const std::string& type,
                        const std::vector<std::string>& choices, std::string& target,
                        const std::string& description);

/// What may stand for a data set, for the help.
extern const std::string kDataTakes;
void read_data(const std::string& name, const std::string& text, DataOptions& data);
/// What tells how to read a data set, wherever its name stands: --label, --image, --test-share.
void add_reading(CLI::App& app, DataOptions& data);
/// --data and these; `otherwise` says what is taken without it.
void add_data(CLI::App& app, DataOptions& data, const std::string& otherwise);

/// --threads, --simd, --pin, --no-pin.
void add_machine(CLI::App& app, MachineOptions& machine);

void add_json(CLI::App& app, bool& json);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_OPTION_KINDS_H_
