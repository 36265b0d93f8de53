#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string_view>

#include "cli/classification_text.h"
#include "cli/exchange_options.h"
#include "cli/exit_code.h"
#include "cli/numbers.h"
#include "cli/option_kinds.h"
#include "cli/recipes.h"
#include "cli/settings.h"
#include "cli/suggest.h"
#include "cli/train_base.h"

namespace nnkernels::cli {
namespace {

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
        "  nncli train --recipe dense512 --epochs 5 --out runs/first\n"
        "  nncli eval runs/first\n"
        "  nncli predict runs/first digit.png\n"
        "`nncli COMMAND --help` explains a command.");
    add_train();
    add_recipes();
    add_eval();
    add_report();
    add_inspect();
    add_predict();
    add_convert();
    add_export();
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
  void add_recipes();
  void add_eval();
  void add_report();
  void add_inspect();
  void add_predict();
  void add_convert();
  void add_export();
  void add_gradcheck();
  void add_info();
  void add_data_commands();
  Options chosen(int argc, const char* const* argv);
  std::string explain(const CLI::ParseError& error) const;
  bool is_option_of_a_command(const std::string& word) const;

  CLI::App app_{"Trains, tests and runs neural networks on the CPU.", "nncli"};
  TrainOptions train_;
  TrainBase base_;
  std::optional<std::int64_t> repeat_;
  std::optional<std::uint64_t> seed_;
  EvalOptions eval_;
  ReportOptions report_;
  InspectOptions inspect_;
  PredictOptions predict_;
  ConvertOptions convert_;
  ExportOptions export_;
  GradcheckOptions gradcheck_;
  InfoOptions info_;
  RecipesOptions recipes_;
  DataInfoOptions data_info_;
  DataExportOptions data_export_;
  DataConvertOptions data_convert_;
};

void CommandLine::add_train() {
  CLI::App& app = add_command("train", "Train a network and save it with all that made it",
                              "nncli train --model cnn --epochs 5 --out runs/first\n\n"
                              "What a setting is when nothing is said depends on the network:\n"
                              "  nncli train --model cnn --print-config");
  std::string models = "Network with settings that suit it";
  for (const std::string& name : model_names()) {
    models += "\n" + name + ": " + recipe_of(name).summary;
  }
  const std::string what = "What to train, one of these at least";
  add_choice(app, "--model", "NAME", model_names(), base_.model, models)->group(what);
  add_choice(app, "--recipe", "NAME", recipe_names(), base_.recipe,
             "Published network, trained as it was published:\nsee `nncli recipes`")
      ->group(what);
  add_path(app, "--config", "FILE", base_.file,
           "Settings from a TOML file: keys are the flags below,\nbatch_size for --batch-size")
      ->group(what);
  for (const Setting& setting : settings()) {
    const std::string flag = flag_of(setting.key);
    const auto note = [this, &setting, flag](const std::string& value) {
      base_.flags.push_back({.key = setting.key, .value = value, .name = flag});
    };
    app.add_option_function<std::string>(flag, note, setting.help)
        ->type_name(setting.type)
        ->group(setting.key == "arch" ? what : setting.group)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  app.add_flag("--print-config", train_.print_config, "Print all settings as a TOML file and stop");
  add_path(app, "--out", "RUN", train_.out,
           "Folder to make for the result  [a new one below runs/]");
  app.add_flag("--force", train_.force,
               "Replace the run that --out already holds, and keep\nthat one as RUN~");
  add_integer<std::int64_t>(app, "--repeat", 1, 1000, repeat_,
                            "Train that often, with the seeds SEED, SEED + 1, ...:\n"
                            "mean and deviation; runs in RUN/seed-1, RUN/seed-2...");
  add_path(app, "--report", "FILE", train_.report,
           "Where the page (HTML) about the run goes  [RUN/report.html]");
  add_path(app, "--resume", "RUN", train_.resume,
           "Go on with a run that was interrupted or killed, with its\nown settings; --epochs may "
           "be raised if the learning rate\ndoes not depend on it");
  const auto minutes = [this](const std::string& text) {
    const std::optional<double> number = parse_number<double>(text);
    if (!number || !(*number >= 0 && *number <= 1e6)) {
      reject_value("--checkpoint-every", "a number of minutes from 0 on", text);
    }
    train_.checkpoint_minutes = *number;
  };
  app.add_option_function<std::string>("--checkpoint-every", minutes,
                                       "Minutes between two checkpoints within an epoch; 0: after\n"
                                       "each update  [10]")
      ->type_name("MINUTES");
  app.add_flag("-q,--quiet", train_.quiet, "No progress");
  add_machine(app, train_.machine);
  add_json(app, train_.json);
}

/// A run that is resumed has its settings.
void check_resume(const TrainOptions& options, const TrainBase& base, bool repeats) {
  std::string refused;
  if (!base.model.empty()) refused = "--model";
  if (!base.recipe.empty()) refused = "--recipe";
  if (!base.file.empty()) refused = "--config";
  if (!options.out.empty()) refused = "--out";
  if (options.force) refused = "--force";
  if (repeats) refused = "--repeat";
  if (options.print_config) refused = "--print-config";
  for (const Asked& flag : base.flags) {
    if (flag.key != "epochs") refused = flag.name;
  }
  if (!refused.empty()) {
    throw UsageError(refused +
                     ": does not go with --resume, which goes on with the run's own "
                     "settings; only --epochs may be raised");
  }
}

void CommandLine::add_recipes() {
  CLI::App& app = add_command("recipes", "List the networks that train by name", "nncli recipes");
  add_json(app, recipes_.json);
}

void CommandLine::add_eval() {
  CLI::App& app = add_command("eval", "Measure accuracy and loss of a trained network",
                              "nncli eval runs/first --report page.html");
  add_path(app, "RUN", "", eval_.run, "Folder that `nncli train` made, or a model file")
      ->required();
  add_data(app, eval_.data, "what it was trained on");
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
  add_data(app, report_.data, "what it was trained on");
  add_machine(app, report_.machine);
}

void CommandLine::add_inspect() {
  CLI::App& app = add_command("inspect", "List the layers of a network with shapes and costs",
                              "nncli inspect --arch \"conv 8 3x3, relu, flatten, affine 10\"");
  add_path(app, "RUN", "", inspect_.run, "Folder that `nncli train` made, or a model file");
  app.add_option("--arch", inspect_.arch, "Layers, separated by commas")->type_name("TEXT");
  add_choice(app, "--model", "NAME", model_names(), inspect_.model,
             "Network: " + joined(model_names(), ", "));
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

void CommandLine::add_convert() {
  add_convert_options(
      add_command("convert", "Exchange models with NumPy and PyTorch",
                  "nncli convert runs/first first.npz --layout tutorial\n"
                  "  nncli convert state.npz net.safetensors --arch \"flatten, affine 10\""),
      convert_);
}

void CommandLine::add_export() {
  add_export_options(add_command("export", "Write a model for other runtimes (ONNX)",
                                 "nncli export runs/first --onnx first.onnx"),
                     export_);
}

void CommandLine::add_gradcheck() {
  CLI::App& app = add_command("gradcheck", "Compare a network's gradients with finite differences",
                              "nncli gradcheck --model cnn");
  add_choice(app, "--model", "NAME", model_names(), gradcheck_.model,
             "Network: " + joined(model_names(), ", "))
      ->required();
  add_integer<std::uint64_t>(app, "--seed", 0, UINT64_MAX, seed_,
                             "Seed of weights and inputs  [1]");
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
  if (command == "report") return report_;
  if (command == "inspect") {
    check_inspect(inspect_);
    return inspect_;
  }
  if (command == "predict") return predict_;
  if (command == "convert") {
    check_convert(convert_);
    return convert_;
  }
  if (command == "export") return export_;
  if (command == "info") return info_;
  if (command == "data") {
    const std::string what = app_.get_subcommands().front()->get_subcommands().front()->get_name();
    if (what == "info") return data_info_;
    if (what == "export") return data_export_;
    return data_convert_;
  }
  if (command == "gradcheck") {
    gradcheck_.seed = seed_.value_or(1);
    return gradcheck_;
  }
  if (command == "recipes") return recipes_;
  train_.command_line.assign(argv, argv + argc);
  if (!train_.resume.empty()) {
    check_resume(train_, base_, repeat_.has_value());
    if (!base_.flags.empty()) {
      TrainConfig asked;
      apply_settings(base_.flags, asked);
      train_.resume_epochs = asked.epochs;
    }
    return train_;
  }
  train_.config = resolve(base_);
  train_.repeat = repeat_.value_or(1);
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
    return "no command given: one of " + joined(command_names, ", ") + see_help;
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
