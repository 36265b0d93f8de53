#include "cli/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "cli/config_file.h"
#include "cli/exit_code.h"
#include "cli/recipes.h"
#include "nn/architecture.h"
#include "nn/classifier_loss.h"
#include "nn/initialize.h"
#include "nn/learning_rate.h"
#include "nn/optimizer.h"
#include "tests/cli/process.h"

namespace nnkernels::cli {
namespace {

template <class T>
T parse(std::initializer_list<const char*> words) {
  std::vector<const char*> argv = {"nncli"};
  argv.insert(argv.end(), words);
  return std::get<T>(parse_options(static_cast<int>(argv.size()), argv.data()));
}

std::string error_of(std::initializer_list<const char*> words) {
  std::vector<const char*> argv = {"nncli"};
  argv.insert(argv.end(), words);
  try {
    parse_options(static_cast<int>(argv.size()), argv.data());
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Options, DefaultsComeFromTheRecipe) {
  for (const Recipe& recipe : recipes()) {
    const std::string& name = recipe.config.recipe;
    const auto options = parse<TrainOptions>({"train", "--recipe", name.c_str()});
    EXPECT_EQ(to_toml(options.config), to_toml(recipe.config));
    EXPECT_EQ(options.config.recipe, name);
    EXPECT_EQ(options.config.seed, 1u);
    EXPECT_EQ(options.machine.threads, 0);
    EXPECT_EQ(options.machine.pin, std::nullopt);
    EXPECT_TRUE(options.out.empty());
    EXPECT_EQ(options.repeat, 1);
    EXPECT_FALSE(options.force || options.json || options.quiet || options.print_config);
  }
  EXPECT_EQ(parse<TrainOptions>({"train", "--model", "cnn"}).config.recipe, "cnn");
}

TEST(Options, RecipesNameWhatNnKnows) {
  for (const Recipe& recipe : recipes()) {
    SCOPED_TRACE(recipe.config.recipe);
    EXPECT_NO_THROW(nn::initialization_from_name(recipe.config.init));
    EXPECT_NO_THROW(nn::learning_rate_schedule_from_name(recipe.config.schedule));
    EXPECT_NO_THROW(nn::loss_from_name(recipe.config.loss));
    EXPECT_NO_THROW(nn::make_optimizer<float>(recipe.config.optimizer, recipe.config.lr));
    EXPECT_GT(recipe.expected, 0.9);
    EXPECT_FALSE(recipe.source.empty() || recipe.summary.empty());
  }
  std::vector<std::string> known = nn::model_names();
  std::vector<std::string> models = model_names();
  std::sort(known.begin(), known.end());
  std::sort(models.begin(), models.end());
  EXPECT_EQ(models, known);
}

TEST(Options, AnotherOptimizerBringsItsDefaults) {
  const auto train = [](std::initializer_list<const char*> words) {
    std::vector<const char*> argv = {"nncli", "train", "--recipe", "dense512"};
    argv.insert(argv.end(), words);
    return std::get<TrainOptions>(parse_options(static_cast<int>(argv.size()), argv.data())).config;
  };
  EXPECT_EQ(train({"--lr", "0.5"}).alpha, 0.9);  // the recipe's
  EXPECT_EQ(train({"--optimizer", "sgd"}).lr, 0.1);
  EXPECT_EQ(train({"--lr", "0.5", "--optimizer", "sgd"}).lr, 0.5);
  EXPECT_EQ(train({"--optimizer", "adagrad"}).epsilon, 1e-10);
  EXPECT_EQ(train({"--optimizer", "adamw"}).weight_decay, 0.01);
  EXPECT_EQ(train({"--schedule", "exponential"}).decay, 0.95);
  EXPECT_EQ(train({"--init", "uniform"}).init_scale, 1);
}

TEST(Options, EpochsThatAreAskedForCountOverTheStepsOfARecipe) {
  const auto steps = [](std::initializer_list<const char*> words) {
    std::vector<const char*> argv = {"nncli", "train", "--recipe", "fast"};
    argv.insert(argv.end(), words);
    return std::get<TrainOptions>(parse_options(static_cast<int>(argv.size()), argv.data()))
        .config.steps;
  };
  EXPECT_EQ(steps({}), 320);
  EXPECT_EQ(steps({"--epochs", "5"}), 0);
  EXPECT_EQ(steps({"--epochs", "5", "--steps", "7"}), 7);
  const test::TempDir dir;
  const std::string file = (dir / "c.toml").string();
  test::write_file(file, "recipe = \"fast\"\nepochs = 5\n");
  EXPECT_EQ(parse<TrainOptions>({"train", "--config", file.c_str()}).config.steps, 0);
}

TEST(Options, SettingsThatMeanNothingAreRefused) {
  EXPECT_EQ(
      error_of({"train", "--model", "cnn", "--momentum", "0.9"}),
      "--momentum: has no meaning with optimizer adam, schedule cosine, init he, loss softmax");
  EXPECT_EQ(error_of({"train", "--model", "cnn", "--recipe", "mlp3"}),
            "--model and --recipe: both name a network; give one of them");
  EXPECT_EQ(error_of({"train", "--model", "cnn", "--pixels", "1..0"}),
            "--pixels: expected LOW..HIGH with LOW below HIGH, as in 0..1, got \"1..0\"");
  EXPECT_EQ(error_of({"train", "--model", "cnn", "--augment", "shift"}),
            "--augment: expected a number after \"shift\"");
  EXPECT_EQ(error_of({"train", "--model", "mlp", "--test-share", "0"}),
            "--test-share: expected a number above 0 and below 1, got \"0\"");
  // In whatever order they come.
  EXPECT_EQ(error_of({"train", "--model", "mlp", "--label-smoothing", "0.1", "--loss", "squared"}),
            "--label-smoothing: has no meaning with optimizer adam, schedule cosine, init he, loss "
            "squared");
  EXPECT_EQ(
      parse<TrainOptions>({"train", "--model", "cnn", "--loss", "squared"}).config.label_smoothing,
      0);
  EXPECT_EQ(error_of({"train", "--model", "cnn", "--image", "28"}),
            "--image: expected height x width x channels, such as 28x28x1, got \"28\"");
}

TEST(Options, EveryFlagArrives) {
  const auto options =
      parse<TrainOptions>({"train",      "--model",  "cnn",         "--data",
                           "d",          "--epochs", "010",         "--batch-size=7",
                           "--lr",       "1e-3",     "--optimizer", "momentum",
                           "--init",     "xavier",   "--seed",      "18446744073709551615",
                           "--threads",  "5",        "--simd",      "avx2",
                           "--schedule", "constant", "--no-pin",    "--out",
                           "r",          "--force",  "--json",      "-q",
                           "--repeat",   "3",        "--pixels",    "0.01..1",
                           "--arch",     "affine 3", "--image",     "8x8"});
  const TrainConfig& config = options.config;
  EXPECT_EQ(config.data, "d");
  EXPECT_EQ(config.epochs, 10);  // not octal
  EXPECT_EQ(config.batch_size, 7);
  EXPECT_EQ(config.lr, 1e-3);
  EXPECT_EQ(config.optimizer, "momentum");
  EXPECT_EQ(config.init, "xavier");
  EXPECT_EQ(config.schedule, "constant");
  EXPECT_EQ(config.seed, UINT64_MAX);
  EXPECT_EQ(config.pixels_low, 0.01);
  EXPECT_EQ(config.arch, "affine 3");
  EXPECT_EQ(config.image, "8x8");
  EXPECT_EQ(options.repeat, 3);
  EXPECT_EQ(options.machine.threads, 5);
  EXPECT_EQ(options.machine.simd, "avx2");
  EXPECT_EQ(options.machine.pin, false);
  EXPECT_EQ(options.out, "r");
  EXPECT_TRUE(options.force && options.json && options.quiet);
  EXPECT_EQ(options.command_line.size(), 37u);
  EXPECT_EQ(options.command_line.front(), "nncli");
}

TEST(Options, PrintConfigReadsBack) {
  const test::TempDir dir;
  for (const Recipe& recipe : recipes()) {
    const std::string file = (dir / (recipe.config.recipe + ".toml")).string();
    const test::Result printed =
        test::nncli({"train", "--recipe", recipe.config.recipe, "--lr", "0.25", "--seed",
                     "18446744073709551615", "--print-config"});
    ASSERT_EQ(printed.code, 0) << printed.err;
    test::write_file(file, printed.out);
    const auto options = parse<TrainOptions>({"train", "--config", file.c_str()});
    EXPECT_EQ(to_toml(options.config), printed.out);
    EXPECT_EQ(options.config.lr, 0.25);
    EXPECT_EQ(options.config.seed, UINT64_MAX);
  }
}

TEST(Options, FlagsCountOverTheFileAndTheFileOverTheRecipe) {
  const test::TempDir dir;
  const std::string file = (dir / "c.toml").string();
  test::write_file(file, "recipe = \"mlp3\"\nepochs = 3\nlr = 0.5 # high\n");
  const auto options = parse<TrainOptions>({"train", "--config", file.c_str(), "--lr", "0.125"});
  EXPECT_EQ(options.config.recipe, "mlp3");
  EXPECT_EQ(options.config.epochs, 3);
  EXPECT_EQ(options.config.lr, 0.125);
  EXPECT_EQ(options.config.batch_size, 64);
}

TEST(Options, AFileWithANetworkOfItsOwnIsNoneOfARecipe) {
  const test::TempDir dir;
  const std::string file = (dir / "c.toml").string();
  test::write_file(file, "arch = \"flatten, affine classes\"\nlr = 0.5\n");
  EXPECT_EQ(error_of({"train", "--config", file.c_str(), "--model", "cnn"}),
            "--model and --config: " + file + " has a network of its own (arch); give one of them");
  EXPECT_EQ(
      error_of({"train", "--config", file.c_str(), "--recipe", "mlp3"}),
      "--recipe and --config: " + file + " has a network of its own (arch); give one of them");
  // That of --print-config has the recipe's network.
  test::write_file(file, to_toml(recipe_of("mlp3").config));
  EXPECT_EQ(
      parse<TrainOptions>({"train", "--config", file.c_str(), "--recipe", "mlp3"}).config.recipe,
      "mlp3");
}

TEST(Options, BadConfigurationFilesAreRefused) {
  const test::TempDir dir;
  const std::string file = (dir / "c.toml").string();
  const auto run = [&](const std::string& text) {
    test::write_file(file, text);
    const test::Result result = test::nncli({"train", "--config", file});
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
    return std::pair(result.code, result.err);
  };
  const std::string at = "nncli: " + file + ", line 2: ";
  EXPECT_EQ(run("recipe = \"cnn\"\nepoch = 3\n"),
            std::pair(2, at + "epoch is no setting; did you mean epochs?\n"));
  EXPECT_EQ(run("recipe = \"cnn\"\nepochs = 0\n"),
            std::pair(2, at + "epochs: expected a whole number from 1 to 1000000, got \"0\"\n"));
  EXPECT_EQ(run("arch = \"affine 10\"\nrecipe = \"cmn\"\n").first, 2);
  EXPECT_EQ(run("recipe = \"cnn\"\nepochs = [3]\n"),
            std::pair(2, at + "epochs: expected a text or a number\n"));
  EXPECT_EQ(run("recipe = \"cnn\"\nepochs = = 3\n").first, 3);
  EXPECT_EQ(run("epochs = 3\n").first, 2);  // no network
  EXPECT_EQ(test::nncli({"train", "--config", (dir / "none").string()}).code, 3);
}

TEST(Options, TheLastOfAFlagCounts) {
  EXPECT_EQ(parse<TrainOptions>({"train", "--model", "mlp", "--epochs", "3", "--epochs", "4"})
                .config.epochs,
            4);
}

TEST(Options, TheLastOfPinAndNoPinCounts) {
  EXPECT_EQ(parse<InfoOptions>({"info", "--pin"}).machine.pin, true);
  EXPECT_EQ(parse<InfoOptions>({"info", "--no-pin", "--pin"}).machine.pin, true);
  EXPECT_EQ(parse<InfoOptions>({"info", "--pin", "--no-pin"}).machine.pin, false);
  EXPECT_EQ(parse<InfoOptions>({"info", "--pin", "--no-pin", "--pin"}).machine.pin, true);
}

TEST(Options, PositionalsAndNames) {
  const auto eval = parse<EvalOptions>({"eval", "r", "--data", "d"});
  EXPECT_EQ(eval.run, "r");
  EXPECT_EQ(eval.data.data, "d");
  const auto predict = parse<PredictOptions>({"predict", "r", "a.png", "--json", "--", "-b.png"});
  EXPECT_EQ(predict.run, "r");
  EXPECT_EQ(predict.images, (std::vector<std::filesystem::path>{"a.png", "./-b.png"}));
  EXPECT_TRUE(predict.json);
}

TEST(Options, BadNumbersAreRefused) {
  const auto train_error = [](const char* flag, const char* value) {
    return error_of({"train", "--model", "mlp", flag, value});
  };
  for (const char* value : {"0", "-1", "x", "1.5", "3x", "", "1e3", "99999999999999999999"}) {
    for (const char* flag : {"--epochs", "--batch-size"}) {
      EXPECT_EQ(
          train_error(flag, value),
          std::string(flag) + ": expected a whole number from 1 to 1000000, got \"" + value + "\"");
    }
  }
  for (const char* value : {"0", "-0.1", "nan", "inf", "1e400", "0.1x", "x"}) {
    EXPECT_EQ(train_error("--lr", value),
              "--lr: expected a number above 0, got \"" + std::string(value) + "\"");
  }
  for (const char* value : {"0", "1025", "-1", "x"}) {
    EXPECT_EQ(
        train_error("--threads", value),
        "--threads: expected a whole number from 1 to 1024, got \"" + std::string(value) + "\"");
  }
  EXPECT_EQ(train_error("--seed", "-1"),
            "--seed: expected a whole number from 0 to 18446744073709551615, got \"-1\"");
}

TEST(Options, ErrorsSuggestWhatMayBeMeant) {
  EXPECT_EQ(error_of({"trian"}), "unknown command trian; did you mean train?");
  EXPECT_EQ(error_of({"train", "--model", "mlp", "--epoch", "3"}),
            "unknown option --epoch; did you mean --epochs?");
  EXPECT_EQ(error_of({"train", "--model", "mlp", "--optimiser=sgd"}),
            "unknown option --optimiser; did you mean --optimizer?");
  EXPECT_EQ(error_of({"train", "--model", "cmn"}),
            "--model: expected mlp or cnn, got \"cmn\"; did you mean cnn?");
  EXPECT_EQ(error_of({"train", "--model", "mlp", "--frobnicate"}),
            "unknown option --frobnicate; see `nncli train --help`");
  EXPECT_EQ(error_of({"train", "--model", "mlp", "--optimizer", "adma"}),
            "--optimizer: expected sgd or momentum or nesterov or adagrad or rmsprop or adam or "
            "adamw, got \"adma\"; did you mean adam?");
}

TEST(Options, ErrorsSayWhatIsMissing) {
  EXPECT_EQ(error_of({}),
            "no command given: one of train, recipes, eval, report, inspect, predict, convert, "
            "export, gradcheck, info, "
            "data; see "
            "`nncli --help`");
  EXPECT_EQ(error_of({"train"}),
            "no network given: --model NAME, --recipe NAME, --arch TEXT or --config FILE; see "
            "`nncli train --help`");
  EXPECT_EQ(error_of({"train", "--model"}), "--model needs a value; see `nncli train --help`");
  EXPECT_EQ(error_of({"eval"}), "RUN is required; see `nncli eval --help`");
  EXPECT_EQ(error_of({"predict", "r"}), "IMAGE is required; see `nncli predict --help`");
  EXPECT_EQ(error_of({"eval", "a", "b"}), "unexpected argument b; see `nncli eval --help`");
  EXPECT_EQ(error_of({"train", "--model", "mlp", "--data", ""}), "--data: the value is empty");
  EXPECT_EQ(error_of({"predict", "r", ""}), "IMAGE: the path is empty");
  EXPECT_EQ(error_of({"predict", "r", "a.png", "", "b.png"}), "IMAGE: the path is empty");
}

TEST(Options, OptionsBeforeTheCommandAreRefused) {
  for (const char* option : {"--threads", "--threads=1", "--model", "-q"}) {
    const std::string name = std::string(option).substr(0, std::string(option).find('='));
    EXPECT_EQ(error_of({option, "1", "info"}),
              name + ": options go after the command; see `nncli --help`");
  }
  EXPECT_EQ(error_of({"--frob", "info"}), "unknown option --frob; see `nncli info --help`");
}

TEST(Options, UsageErrorsExitWithTwoAndOneLine) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {}, {"trian"}, {"train"}, {"train", "--model", "mlp", "--epochs", "0"}, {"eval"}}) {
    const test::Result result = test::nncli(words);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("nncli: ")) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
}

TEST(Options, HelpShowsDefaultsAndAnExample) {
  for (const char* command :
       {"train", "eval", "predict", "convert", "export", "gradcheck", "info"}) {
    const test::Result result = test::nncli({command, "--help"});
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.err, "");
    EXPECT_NE(result.out.find("Usage: nncli " + std::string(command)), std::string::npos);
    EXPECT_NE(result.out.find("Example:\n  nncli " + std::string(command)), std::string::npos);
  }
  EXPECT_NE(test::nncli({"--help"}).out.find("nncli train --model cnn"), std::string::npos);
  EXPECT_TRUE(test::nncli({"--version"}).out.starts_with("nncli 0."));
}

}  // namespace
}  // namespace nnkernels::cli
