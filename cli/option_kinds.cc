#include "cli/option_kinds.h"

#include <algorithm>
#include <cmath>

#include "cli/suggest.h"

namespace nnkernels::cli {

const std::string kDataTakes =
    "Data set: mnist, digits, fashion-mnist, or a path: a folder of\nIDX files, of CSV "
    "(*train.csv), of NPY (x_train.npy) or of images\n(CLASS/*.png), or a file .csv, .csv.gz or "
    ".npz";

CLI::Option* add_text(CLI::App& app, const std::string& name, const std::string& type,
                      std::string& target, const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    if (text.empty()) throw UsageError(name + ": the value is empty");
    target = text;
  };
  return app.add_option_function<std::string>(name, read, description)->type_name(type);
}

CLI::Option* add_path(CLI::App& app, const std::string& name, const std::string& type,
                      std::filesystem::path& target, const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    if (text.empty()) throw UsageError(name + ": the path is empty");
    target = text;
  };
  return app.add_option_function<std::string>(name, read, description)->type_name(type);
}

CLI::Option* add_real(CLI::App& app, const std::string& name, std::optional<double>& target,
                      const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    target = parse_number<double>(text);
    if (!target || !std::isfinite(*target)) reject_value(name, "a number", text);
  };
  return app.add_option_function<std::string>(name, read, description)->type_name("X");
}

CLI::Option* add_fraction(CLI::App& app, const std::string& name, std::optional<double>& target,
                          const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    target = parse_number<double>(text);
    if (!target || !(*target >= 0 && *target <= 1)) {
      reject_value(name, "a number from 0 to 1", text);
    }
  };
  return app.add_option_function<std::string>(name, read, description)->type_name("X");
}

CLI::Option* add_choice(CLI::App& app, const std::string& name, const std::string& type,
                        const std::vector<std::string>& choices, std::string& target,
                        const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      throw UsageError(name + ": expected " + joined(choices, " or ") + ", got \"" + text + "\"" +
                       did_you_mean(text, choices));
    }
    target = text;
  };
  return app.add_option_function<std::string>(name, read, description)->type_name(type);
}

void add_machine(CLI::App& app, MachineOptions& machine) {
  const auto threads = [&machine](const std::string& text) {
    const std::optional<int> number = parse_number<int>(text);
    if (!number || *number < 1 || *number > 1024) {
      reject_value("--threads", "a whole number from 1 to 1024", text);
    }
    machine.threads = *number;
  };
  app.add_option_function<std::string>("--threads", threads, "Threads to compute with  [one a CPU]")
      ->type_name("N");
  app.add_option("--simd", machine.simd, "Instruction set, one that `nncli info` lists  [the best]")
      ->type_name("NAME");
  // At once, not at the end of the line: of both the last one counts.
  const auto pin = [&machine](std::int64_t) { machine.pin = true; };
  app.add_flag_function("--pin", pin, "Bind threads to CPUs  [if nothing else runs on the machine]")
      ->trigger_on_parse();
  const auto no_pin = [&machine](std::int64_t) { machine.pin = false; };
  app.add_flag_function("--no-pin", no_pin, "Do not bind threads to CPUs")->trigger_on_parse();
}

void add_json(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "Print the result as one JSON object");
}

void add_reading(CLI::App& app, DataOptions& data) {
  const auto label = [&data](const std::string& text) {
    if (text != "first" && text != "last") reject_value("--label", "first or last", text);
    data.label = text == "first" ? nn::LabelColumn::first : nn::LabelColumn::last;
  };
  app.add_option_function<std::string>("--label", label,
                                       "Column of the labels in CSV: first or last  [first]")
      ->type_name("WHERE");
  const auto image = [&data](const std::string& text) {
    data.image = parse_image_shape(text);
    if (!data.image) reject_value("--image", "height x width x channels, such as 28x28x1", text);
  };
  app.add_option_function<std::string>("--image", image,
                                       "Shape of an image whose numbers stand in a row  [square, "
                                       "grey]")
      ->type_name("HxWxC");
  const auto share = [&data](const std::string& text) {
    const std::optional<double> number = parse_number<double>(text);
    if (!number || !(*number > 0 && *number < 1)) {
      reject_value("--test-share", "a number between 0 and 1", text);
    }
    data.test_share = *number;
  };
  app.add_option_function<std::string>(
         "--test-share", share,
         "Share that becomes the test set where there is none  [" + number_text(kTestShare) + "]")
      ->type_name("X");
}

void read_data(const std::string& name, const std::string& text, DataOptions& data) {
  if (text.empty()) throw UsageError(name + ": the path is empty");
  data.data = text;
}

void add_data(CLI::App& app, DataOptions& data, const std::string& otherwise) {
  app.add_option_function<std::string>(
         "--data", [&data](const std::string& text) { read_data("--data", text, data); },
         std::string(kDataTakes) + "  [" + otherwise + "]")
      ->type_name("SPEC");
  add_reading(app, data);
}

}  // namespace nnkernels::cli
