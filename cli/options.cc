#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>

#include "cli/exit_code.h"
#include "cli/suggest.h"

namespace nnkernels::cli {
namespace {

/// CLI11's own conversion reads "010" as eight and "1e400" as infinity.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

[[noreturn]] void reject(const std::string& name, const std::string& expected,
                         const std::string& text) {
  throw UsageError(name + ": expected " + expected + ", got \"" + text + "\"");
}

template <class Integer>
CLI::Option* add_integer(CLI::App& app, const std::string& name, Integer low, Integer high,
                         std::optional<Integer>& target, const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    target = parse_number<Integer>(text);
    if (!target || *target < low || *target > high) {
      reject(name, "a whole number from " + std::to_string(low) + " to " + std::to_string(high),
             text);
    }
  };
  return app.add_option_function<std::string>(name, read, description)->type_name("N");
}

CLI::Option* add_positive(CLI::App& app, const std::string& name, std::optional<double>& target,
                          const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    target = parse_number<double>(text);
    if (!target || !std::isfinite(*target) || *target <= 0) {
      reject(name, "a number above 0", text);
    }
  };
  return app.add_option_function<std::string>(name, read, description)->type_name("X");
}

/// Paths are read as text: CLI11 would take an empty one for no value.
CLI::Option* add_path(CLI::App& app, const std::string& name, const std::string& type,
                      std::filesystem::path& target, const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    if (text.empty()) throw UsageError(name + ": the path is empty");
    target = text;
  };
  return app.add_option_function<std::string>(name, read, description)->type_name(type);
}

std::string join(const std::vector<std::string>& words, const std::string& separator) {
  return CLI::detail::join(words, separator);
}

CLI::Option* add_choice(CLI::App& app, const std::string& name, const std::string& type,
                        const std::vector<std::string>& choices, std::string& target,
                        const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      throw UsageError(name + ": expected " + join(choices, " or ") + ", got \"" + text + "\"" +
                       did_you_mean(text, choices));
    }
    target = text;
  };
  return app.add_option_function<std::string>(name, read, description)->type_name(type);
}

std::string format_number(double number) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), end.ptr};
}

/// "  [mlp 20, cnn 10]"
template <class Field>
std::string default_per_model(Field field) {
  std::vector<std::string> parts;
  parts.reserve(kModels.size());
  for (const ModelDefaults& model : kModels) {
    parts.push_back(std::string(model.name) + " " + field(model));
  }
  return "  [" + join(parts, ", ") + "]";
}

/// The same for the learning rates, which depend on the optimizer too: a line a model.
std::string default_rates() {
  std::string text;
  for (const ModelDefaults& model : kModels) {
    std::vector<std::string> rates;
    rates.reserve(model.optimizers.size());
    for (const OptimizerDefault& entry : model.optimizers) {
      rates.push_back(std::string(entry.name) + " " + format_number(entry.lr));
    }
    text += "\n[" + std::string(model.name) + ": " + join(rates, ", ") + "]";
  }
  return text;
}

std::string describe_models() {
  std::string text = "Network";
  for (const ModelDefaults& model : kModels) {
    text += "\n" + std::string(model.name) + ": " + std::string(model.summary);
  }
  return text;
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  names.reserve(kModels.size());
  for (const ModelDefaults& model : kModels) names.emplace_back(model.name);
  return names;
}

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  names.reserve(kModels[0].optimizers.size());
  for (const OptimizerDefault& entry : kModels[0].optimizers) names.emplace_back(entry.name);
  std::sort(names.begin(), names.end());
  return names;
}

void add_machine(CLI::App& app, MachineOptions& machine) {
  const auto threads = [&machine](const std::string& text) {
    const std::optional<int> number = parse_number<int>(text);
    if (!number || *number < 1 || *number > 1024) {
      reject("--threads", "a whole number from 1 to 1024", text);
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

constexpr std::string_view kDataTakes =
    "Data set: mnist, digits, fashion-mnist, or a path: a folder of\nIDX files, of CSV "
    "(*train.csv) "
    "or of images (CLASS/*.png), or a\nfile .csv, .csv.gz or .npz";

/// "28x28x1" or "28x28"
std::optional<nn::ImageShape> parse_shape(std::string_view text) {
  std::vector<std::int64_t> sides;
  for (std::string_view rest = text; sides.size() < 4;) {
    const std::size_t end = std::min(rest.find('x'), rest.size());
    const std::optional<std::int64_t> side = parse_number<std::int64_t>(rest.substr(0, end));
    if (!side || *side < 1 || *side > 1'000'000) return std::nullopt;
    sides.push_back(*side);
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (sides.size() != 2 && sides.size() != 3) return std::nullopt;
  return nn::ImageShape{.h = sides[0], .w = sides[1], .c = sides.size() == 3 ? sides[2] : 1};
}

/// What tells how to read a data set, wherever its name stands.
void add_reading(CLI::App& app, DataOptions& data) {
  const auto label = [&data](const std::string& text) {
    if (text != "first" && text != "last") reject("--label", "first or last", text);
    data.label = text == "first" ? nn::LabelColumn::first : nn::LabelColumn::last;
  };
  app.add_option_function<std::string>("--label", label,
                                       "Column of the labels in CSV: first or last  [first]")
      ->type_name("WHERE");
  const auto image = [&data](const std::string& text) {
    data.image = parse_shape(text);
    if (!data.image) reject("--image", "height x width x channels, such as 28x28x1", text);
  };
  app.add_option_function<std::string>("--image", image,
                                       "Shape of an image whose numbers stand in a row  [square, "
                                       "grey]")
      ->type_name("HxWxC");
  const auto share = [&data](const std::string& text) {
    const std::optional<double> number = parse_number<double>(text);
    if (!number || !(*number > 0 && *number < 1)) {
      reject("--test-share", "a number between 0 and 1", text);
    }
    data.test_share = *number;
  };
  app.add_option_function<std::string>("--test-share", share,
                                       "Share that becomes the test set where there is none  [" +
                                           format_number(DataOptions().test_share) + "]")
      ->type_name("X");
}

void read_data(const std::string& name, const std::string& text, DataOptions& data) {
  if (text.empty()) throw UsageError(name + ": the path is empty");
  data.data = text;
}

/// --data and what goes with it.
void add_data(CLI::App& app, DataOptions& data, const std::string& otherwise) {
  app.add_option_function<std::string>(
         "--data", [&data](const std::string& text) { read_data("--data", text, data); },
         std::string(kDataTakes) + "  [" + otherwise + "]")
      ->type_name("SPEC");
  add_reading(app, data);
}

/// The parser and what it fills. Option callbacks hold references into it, so it stays in place.
class CommandLine {
 public:
  CommandLine() {
    app_.set_help_flag("-h,--help", "Print this help");
    app_.set_version_flag("--version", std::string("nncli ") + NNKERNELS_VERSION,
                          "Print the version");
    app_.require_subcommand(1);
    // The last one counts, so that a script's options can be overridden by appending others.
    app_.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app_.get_formatter()->column_width(30);
    app_.get_formatter()->label("SUBCOMMAND", "COMMAND");
    app_.get_formatter()->label("Subcommands", "Commands");
    app_.footer(
        "Examples:\n"
        "  nncli train --model cnn\n"
        "  nncli train --model mlp --epochs 5 --out runs/first\n"
        "  nncli eval runs/first\n"
        "  nncli predict runs/first digit.png\n"
        "`nncli COMMAND --help` explains a command.");
    add_train();
    add_eval();
    add_predict();
    add_gradcheck();
    add_info();
    add_data_commands();
  }

  Options parse(int argc, const char* const* argv);

 private:
  CLI::App& add_command(const std::string& name, const std::string& description,
                        const std::string& example) {
    CLI::App* command = app_.add_subcommand(name, description);
    command->group("Commands");
    command->footer("Example:\n  " + example);
    return *command;
  }

  void add_train();
  void add_eval();
  void add_predict();
  void add_gradcheck();
  void add_info();
  void add_data_commands();
  Options chosen(int argc, const char* const* argv);
  std::string explain(const CLI::ParseError& error) const;
  bool is_option_of_a_command(const std::string& word) const;

  CLI::App app_{"Trains, tests and runs neural networks on the CPU.", "nncli"};
  TrainOptions train_;
  std::optional<std::int64_t> epochs_;
  std::optional<std::int64_t> batch_size_;
  std::optional<double> lr_;
  std::optional<std::uint64_t> seed_;
  EvalOptions eval_;
  PredictOptions predict_;
  GradcheckOptions gradcheck_;
  InfoOptions info_;
  DataInfoOptions data_info_;
  DataExportOptions data_export_;
  DataConvertOptions data_convert_;
};

void CommandLine::add_train() {
  CLI::App& app = add_command("train", "Train a network and save it with all that made it",
                              "nncli train --model cnn --epochs 5 --out runs/first");
  add_choice(app, "--model", "NAME", model_names(), train_.model, describe_models())->required();
  add_data(app, train_.data, "mnist");
  add_integer<std::int64_t>(
      app, "--epochs", 1, 1'000'000, epochs_,
      "Passes over the training images" +
          default_per_model([](const ModelDefaults& m) { return std::to_string(m.epochs); }));
  add_integer<std::int64_t>(
      app, "--batch-size", 1, 1'000'000, batch_size_,
      "Images an update is made from" +
          default_per_model([](const ModelDefaults& m) { return std::to_string(m.batch_size); }));
  add_choice(app, "--optimizer", "NAME", optimizer_names(), train_.optimizer,
             "Update rule: " + join(optimizer_names(), ", ") +
                 default_per_model(
                     [](const ModelDefaults& m) { return std::string(m.optimizers[0].name); }));
  add_positive(app, "--lr", lr_, "Learning rate" + default_rates());
  const std::vector<std::string> schedules = {"constant", "cosine"};
  add_choice(app, "--schedule", "NAME", schedules, train_.schedule,
             "Course of the learning rate: " + join(schedules, ", ") +
                 default_per_model([](const ModelDefaults& m) { return std::string(m.schedule); }));
  const std::vector<std::string> inits = {"he", "xavier", "gaussian"};
  add_choice(app, "--init", "NAME", inits, train_.init,
             "First weights: " + join(inits, ", ") +
                 default_per_model([](const ModelDefaults& m) { return std::string(m.init); }));
  add_integer<std::uint64_t>(app, "--seed", 0, UINT64_MAX, seed_,
                             "Seed of all random numbers  [" + std::to_string(kDefaultSeed) + "]");
  add_path(app, "--out", "RUN", train_.out,
           "Folder to make for the result  [a new one below runs/]");
  app.add_flag("--force", train_.force,
               "Replace the run that --out already holds, and keep\nthat one as RUN~");
  app.add_flag("-q,--quiet", train_.quiet, "No progress");
  add_machine(app, train_.machine);
  add_json(app, train_.json);
}

void CommandLine::add_eval() {
  CLI::App& app = add_command("eval", "Measure accuracy and loss of a trained network",
                              "nncli eval runs/first");
  add_path(app, "RUN", "", eval_.run, "Folder that `nncli train` made, or a model file")
      ->required();
  add_data(app, eval_.data, "what it was trained on");
  add_machine(app, eval_.machine);
  add_json(app, eval_.json);
}

void CommandLine::add_predict() {
  CLI::App& app = add_command("predict", "Tell which class each image shows",
                              "nncli predict runs/first seven.png three.pgm");
  add_path(app, "RUN", "", predict_.run, "Folder that `nncli train` made, or a model file")
      ->required();
  const auto not_empty = [](const std::string& text) {
    if (text.empty()) throw UsageError("IMAGE: the path is empty");
  };
  app.add_option("IMAGE", predict_.images,
                 "PNG, PGM or PPM images of any size. For networks that take\n28x28x1, each is "
                 "treated as MNIST's digits were: one digit on an\neven background, dark or light, "
                 "is cut out, scaled to 20x20 and\ncentred in 28x28. For others, it is scaled to "
                 "the network's size")
      ->each(not_empty)
      ->type_name("")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->required();
  add_machine(app, predict_.machine);
  add_json(app, predict_.json);
}

void CommandLine::add_gradcheck() {
  CLI::App& app = add_command("gradcheck", "Compare a network's gradients with finite differences",
                              "nncli gradcheck --model cnn");
  add_choice(app, "--model", "NAME", model_names(), gradcheck_.model, describe_models())
      ->required();
  add_integer<std::uint64_t>(app, "--seed", 0, UINT64_MAX, seed_,
                             "Seed of weights and inputs  [" + std::to_string(kDefaultSeed) + "]");
  add_machine(app, gradcheck_.machine);
  add_json(app, gradcheck_.json);
}

void CommandLine::add_info() {
  CLI::App& app =
      add_command("info", "Version, instruction sets, threads and CPU", "nncli info --json");
  add_machine(app, info_.machine);
  add_json(app, info_.json);
}

void CommandLine::add_data_commands() {
  CLI::App& data = add_command("data", "Look at data sets, write them in other formats",
                               "nncli data info fashion-mnist");
  data.require_subcommand(1);
  data.get_formatter()->label("SUBCOMMAND", "COMMAND");
  data.get_formatter()->label("Subcommands", "Commands");
  const auto add = [&data](const std::string& name, const std::string& description,
                           const std::string& example, DataOptions& target) -> CLI::App& {
    CLI::App& app = *data.add_subcommand(name, description);
    app.group("Commands");
    app.footer("Example:\n  " + example);
    app.add_option_function<std::string>(
           "SPEC", [&target](const std::string& text) { read_data("SPEC", text, target); },
           std::string(kDataTakes))
        ->type_name("")
        ->required();
    add_reading(app, target);
    return app;
  };
  add_json(add("info", "Format, counts, shape, class balance, statistics and a contact sheet",
               "nncli data info digits", data_info_.data),
           data_info_.json);
  CLI::App& png = add("export", "Write the images as PNG files, one folder a class",
                      "nncli data export mnist --png mnist-png", data_export_.data);
  add_path(png, "--png", "DIR", data_export_.png,
           "Folder to make: DIR/train/CLASS/NNNNN.png and DIR/test/...")
      ->required();
  CLI::App& convert = add("convert", "Write a data set in another format",
                          "nncli data convert mnist mnist.npz", data_convert_.data);
  add_path(convert, "OUT", "", data_convert_.out,
           "A file .npz, .csv or .csv.gz (CSV: two files, _train and _test),\nor a folder to make, "
           "for IDX")
      ->required();
}

/// CLI11 does not know "--" once an option has all the values that it needs. The words behind it
/// are paths, whatever they begin with; with "./" in front they are that without "--" as well.
std::vector<std::string> without_terminator(int argc, const char* const* argv) {
  std::vector<std::string> words(argv, argv + argc);
  const auto terminator = std::find(words.begin(), words.end(), "--");
  if (terminator == words.end()) return words;
  for (auto word = words.erase(terminator); word != words.end(); ++word) {
    if (word->starts_with("-")) word->insert(0, "./");
  }
  return words;
}

Options CommandLine::parse(int argc, const char* const* argv) {
  const std::vector<std::string> words = without_terminator(argc, argv);
  std::vector<const char*> pointers;
  pointers.reserve(words.size());
  for (const std::string& word : words) pointers.push_back(word.c_str());
  try {
    app_.parse(static_cast<int>(pointers.size()), pointers.data());
  } catch (const CLI::CallForHelp&) {
    return PrintText{app_.help()};
  } catch (const CLI::CallForVersion& version) {
    return PrintText{std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    throw UsageError(explain(error));
  }
  return chosen(argc, argv);
}

Options CommandLine::chosen(int argc, const char* const* argv) {
  const std::string command = app_.get_subcommands().front()->get_name();
  if (command == "eval") return eval_;
  if (command == "predict") return predict_;
  if (command == "info") return info_;
  if (command == "data") {
    const std::string what = app_.get_subcommands().front()->get_subcommands().front()->get_name();
    if (what == "info") return data_info_;
    if (what == "export") return data_export_;
    return data_convert_;
  }
  if (command == "gradcheck") {
    gradcheck_.seed = seed_.value_or(kDefaultSeed);
    return gradcheck_;
  }
  const ModelDefaults& defaults = defaults_of(train_.model);
  if (train_.optimizer.empty()) train_.optimizer = defaults.optimizers[0].name;
  if (train_.init.empty()) train_.init = defaults.init;
  if (train_.schedule.empty()) train_.schedule = defaults.schedule;
  train_.epochs = epochs_.value_or(defaults.epochs);
  train_.batch_size = batch_size_.value_or(defaults.batch_size);
  train_.lr = lr_.value_or(defaults.lr(train_.optimizer));
  train_.seed = seed_.value_or(kDefaultSeed);
  train_.command_line.assign(argv, argv + argc);
  return train_;
}

bool CommandLine::is_option_of_a_command(const std::string& word) const {
  const std::vector<const CLI::App*> commands =
      app_.get_subcommands([](const CLI::App*) { return true; });
  return word.starts_with("-") &&
         std::any_of(commands.begin(), commands.end(), [&word](const CLI::App* command) {
           return command->get_option_no_throw(word) != nullptr;
         });
}

/// CLI11's errors in words that say how to go on.
std::string CommandLine::explain(const CLI::ParseError& error) const {
  // The command that was reached, which may lack one below it, as in `nncli data`.
  const CLI::App* reached = &app_;
  std::string path;
  for (std::vector<CLI::App*> below = reached->get_subcommands(); !below.empty();
       below = reached->get_subcommands()) {
    reached = below.front();
    path += reached->get_name() + " ";
  }
  const CLI::App& where = *reached;
  const std::string see_help = "; see `nncli " + path + "--help`";
  std::vector<std::string> known;
  for (const CLI::Option* option : where.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  std::vector<std::string> command_names;
  for (const CLI::App* command : where.get_subcommands({})) {
    command_names.push_back(command->get_name());
  }
  if (const std::vector<std::string> early = app_.remaining(false); !early.empty()) {
    const std::string word = early.front().substr(0, early.front().find('='));
    if (is_option_of_a_command(word)) {
      return word + ": options go after the command; see `nncli --help`";
    }
  }
  known.insert(known.end(), command_names.begin(), command_names.end());

  if (const std::vector<std::string> rest = app_.remaining(true); !rest.empty()) {
    const std::string word = rest.front().substr(0, rest.front().find('='));
    std::string kind = "unexpected argument ";
    if (word.starts_with("-")) {
      kind = "unknown option ";
    } else if (!command_names.empty()) {
      kind = "unknown command ";
    }
    const std::string hint = did_you_mean(word, known);
    return kind + word + (hint.empty() ? see_help : hint);
  }
  if (!command_names.empty()) {
    return "no command given: one of " + join(command_names, ", ") + see_help;
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    const std::string what = error.what();
    return what.substr(0, what.find(':')) + " needs a value" + see_help;
  }
  return error.what() + see_help;
}

}  // namespace

Options parse_options(int argc, const char* const* argv) { return CommandLine().parse(argc, argv); }

}  // namespace nnkernels::cli
