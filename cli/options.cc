#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>

#include "cli/classification_text.h"
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

CLI::Option* add_fraction(CLI::App& app, const std::string& name, std::optional<double>& target,
                          const std::string& description) {
  const auto read = [=, &target](const std::string& text) {
    target = parse_number<double>(text);
    if (!target || !(*target >= 0 && *target <= 1)) reject(name, "a number from 0 to 1", text);
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

constexpr std::string_view kDataFolder = "Folder with a data set's four IDX files, plain or .gz";

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
    add_report();
    add_inspect();
    add_predict();
    add_gradcheck();
    add_info();
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
  void add_report();
  void add_inspect();
  void add_predict();
  void add_gradcheck();
  void add_info();
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
  ReportOptions report_;
  InspectOptions inspect_;
  PredictOptions predict_;
  GradcheckOptions gradcheck_;
  InfoOptions info_;
};

void CommandLine::add_train() {
  CLI::App& app = add_command("train", "Train a network and save it with all that made it",
                              "nncli train --model cnn --epochs 5 --out runs/first");
  add_choice(app, "--model", "NAME", model_names(), train_.model, describe_models())->required();
  add_path(app, "--data", "DIR", train_.data,
           std::string(kDataFolder) + "\n[the MNIST that comes with nncli]");
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
                              "nncli eval runs/first --report page.html");
  add_path(app, "RUN", "", eval_.run, "Folder that `nncli train` made, or a model file")
      ->required();
  add_path(app, "--data", "DIR", eval_.data,
           std::string(kDataFolder) + "\n[what it was trained on]");
  add_path(app, "--report", "FILE", eval_.report, "Write a page (HTML) about it");
  add_fraction(app, "--min-accuracy", eval_.min_accuracy,
               "Exit with status 4 if the accuracy is lower (0.98: 98 %)");
  app.add_flag("--confusion", eval_.confusion,
               "Print the confusion matrix also of more than " + std::to_string(kMaxShownClasses) +
                   " classes");
  add_machine(app, eval_.machine);
  add_json(app, eval_.json);
}

void CommandLine::add_report() {
  CLI::App& app = add_command("report", "Write a page (HTML) about a trained network",
                              "nncli report runs/first");
  add_path(app, "RUN", "", report_.run, "Folder that `nncli train` made, or a model file")
      ->required();
  add_path(app, "--out", "FILE", report_.out, "The page  [RUN/report.html]");
  add_path(app, "--data", "DIR", report_.data,
           std::string(kDataFolder) + "\n[what it was trained on]");
  add_machine(app, report_.machine);
}

void CommandLine::add_inspect() {
  CLI::App& app = add_command("inspect", "List the layers of a network with shapes and costs",
                              "nncli inspect --arch \"conv 8 3x3, relu, flatten, affine 10\"");
  add_path(app, "RUN", "", inspect_.run, "Folder that `nncli train` made, or a model file");
  app.add_option("--arch", inspect_.arch, "Layers, separated by commas")->type_name("TEXT");
  add_choice(app, "--model", "NAME", model_names(), inspect_.model, describe_models());
  app.add_option("--input", inspect_.input, "Size of a sample for --arch or --model  [28x28x1]")
      ->type_name("HxWxC");
  add_json(app, inspect_.json);
}

void check_inspect(const InspectOptions& options) {
  const int given = static_cast<int>(!options.run.empty()) +
                    static_cast<int>(!options.arch.empty()) +
                    static_cast<int>(!options.model.empty());
  if (given != 1) {
    throw UsageError(
        "inspect: expected one of RUN, --arch and --model; see `nncli inspect --help`");
  }
  if (!options.run.empty() && !options.input.empty()) {
    throw UsageError("--input: goes with --arch or --model; a trained network has its own");
  }
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
                 "PNG or PGM images of any size, dark on light or light on dark.\nEach is treated "
                 "as MNIST's digits were: one digit on an even\nbackground is cut out, scaled to "
                 "20x20 and centred in 28x28")
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
  if (command == "report") return report_;
  if (command == "inspect") {
    check_inspect(inspect_);
    return inspect_;
  }
  if (command == "predict") return predict_;
  if (command == "info") return info_;
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
  const std::vector<CLI::App*> commands = app_.get_subcommands();
  const CLI::App& where = commands.empty() ? app_ : *commands.front();
  const std::string see_help =
      "; see `nncli " + (commands.empty() ? "" : where.get_name() + " ") + "--help`";
  std::vector<std::string> known;
  for (const CLI::Option* option : where.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  std::vector<std::string> command_names;
  for (const CLI::App* command : app_.get_subcommands({})) {
    command_names.push_back(command->get_name());
  }
  if (const std::vector<std::string> early = app_.remaining(false); !early.empty()) {
    const std::string word = early.front().substr(0, early.front().find('='));
    if (is_option_of_a_command(word)) {
      return word + ": options go after the command; see `nncli --help`";
    }
  }
  if (commands.empty()) known.insert(known.end(), command_names.begin(), command_names.end());

  if (const std::vector<std::string> rest = app_.remaining(true); !rest.empty()) {
    const std::string word = rest.front().substr(0, rest.front().find('='));
    std::string kind = "unexpected argument ";
    if (word.starts_with("-")) {
      kind = "unknown option ";
    } else if (commands.empty()) {
      kind = "unknown command ";
    }
    const std::string hint = did_you_mean(word, known);
    return kind + word + (hint.empty() ? see_help : hint);
  }
  if (commands.empty()) {
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
