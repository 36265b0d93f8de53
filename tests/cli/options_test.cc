#include "cli/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "cli/exit_code.h"
#include "nn/architecture.h"
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

TEST(Options, DefaultsComeFromTheTable) {
  for (const ModelDefaults& model : kModels) {
    const std::string name(model.name);
    const auto options = parse<TrainOptions>({"train", "--model", name.c_str()});
    EXPECT_EQ(options.model, model.name);
    EXPECT_EQ(options.epochs, model.epochs);
    EXPECT_EQ(options.batch_size, model.batch_size);
    EXPECT_EQ(options.optimizer, model.optimizers[0].name);
    EXPECT_EQ(options.lr, model.optimizers[0].lr);
    EXPECT_EQ(options.init, model.init);
    EXPECT_EQ(options.schedule, model.schedule);
    EXPECT_EQ(options.seed, kDefaultSeed);
    EXPECT_EQ(options.machine.threads, 0);
    EXPECT_EQ(options.machine.pin, std::nullopt);
    EXPECT_TRUE(options.out.empty() && options.data.empty());
    EXPECT_FALSE(options.force || options.json || options.quiet);
  }
}

TEST(Options, TheTableNamesWhatNnKnows) {
  std::vector<std::string> models;
  for (const ModelDefaults& model : kModels) {
    models.emplace_back(model.name);
    EXPECT_NO_THROW(nn::initialization_from_name(model.init));
    EXPECT_NO_THROW(nn::learning_rate_schedule_from_name(model.schedule));
    std::vector<std::string> optimizers;
    for (const OptimizerDefault& entry : model.optimizers) optimizers.emplace_back(entry.name);
    std::vector<std::string> known = nn::optimizer_names();
    std::sort(known.begin(), known.end());
    std::sort(optimizers.begin(), optimizers.end());
    EXPECT_EQ(optimizers, known) << model.name;
  }
  std::vector<std::string> known = nn::model_names();
  std::sort(known.begin(), known.end());
  std::sort(models.begin(), models.end());
  EXPECT_EQ(models, known);
}

TEST(Options, TheLearningRateFollowsTheOptimizer) {
  const auto options = parse<TrainOptions>({"train", "--model", "mlp", "--optimizer", "sgd"});
  EXPECT_EQ(options.lr, defaults_of("mlp").lr("sgd"));
}

TEST(Options, EveryFlagArrives) {
  const auto options =
      parse<TrainOptions>({"train",      "--model",  "cnn",         "--data",
                           "d",          "--epochs", "010",         "--batch-size=7",
                           "--lr",       "1e-3",     "--optimizer", "momentum",
                           "--init",     "xavier",   "--seed",      "18446744073709551615",
                           "--threads",  "5",        "--simd",      "avx2",
                           "--schedule", "constant", "--no-pin",    "--out",
                           "r",          "--force",  "--json",      "-q"});
  EXPECT_EQ(options.data, "d");
  EXPECT_EQ(options.epochs, 10);  // not octal
  EXPECT_EQ(options.batch_size, 7);
  EXPECT_EQ(options.lr, 1e-3);
  EXPECT_EQ(options.optimizer, "momentum");
  EXPECT_EQ(options.init, "xavier");
  EXPECT_EQ(options.schedule, "constant");
  EXPECT_EQ(options.seed, UINT64_MAX);
  EXPECT_EQ(options.machine.threads, 5);
  EXPECT_EQ(options.machine.simd, "avx2");
  EXPECT_EQ(options.machine.pin, false);
  EXPECT_EQ(options.out, "r");
  EXPECT_TRUE(options.force && options.json && options.quiet);
  EXPECT_EQ(options.command_line.size(), 29u);
  EXPECT_EQ(options.command_line.front(), "nncli");
}

TEST(Options, TheLastOfAFlagCounts) {
  EXPECT_EQ(
      parse<TrainOptions>({"train", "--model", "mlp", "--epochs", "3", "--epochs", "4"}).epochs, 4);
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
  EXPECT_EQ(eval.data, "d");
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
            "--optimizer: expected adam or momentum or sgd, got \"adma\"; did you mean adam?");
}

TEST(Options, ErrorsSayWhatIsMissing) {
  EXPECT_EQ(error_of({}),
            "no command given: one of train, eval, report, inspect, predict, gradcheck, info; see "
            "`nncli --help`");
  EXPECT_EQ(error_of({"train"}), "--model is required; see `nncli train --help`");
  EXPECT_EQ(error_of({"train", "--model"}), "--model needs a value; see `nncli train --help`");
  EXPECT_EQ(error_of({"eval"}), "RUN is required; see `nncli eval --help`");
  EXPECT_EQ(error_of({"predict", "r"}), "IMAGE is required; see `nncli predict --help`");
  EXPECT_EQ(error_of({"eval", "a", "b"}), "unexpected argument b; see `nncli eval --help`");
  EXPECT_EQ(error_of({"train", "--model", "mlp", "--data", ""}), "--data: the path is empty");
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
  for (const char* command : {"train", "eval", "predict", "gradcheck", "info"}) {
    const test::Result result = test::nncli({command, "--help"});
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.err, "");
    EXPECT_NE(result.out.find("Usage: nncli " + std::string(command)), std::string::npos);
    EXPECT_NE(result.out.find("Example:\n  nncli " + std::string(command)), std::string::npos);
  }
  const std::string train = test::nncli({"train", "--help"}).out;
  EXPECT_NE(train.find("[mlp " + std::to_string(defaults_of("mlp").epochs) + ", cnn " +
                       std::to_string(defaults_of("cnn").epochs) + "]"),
            std::string::npos)
      << train;
  EXPECT_NE(test::nncli({"--help"}).out.find("nncli train --model cnn"), std::string::npos);
  EXPECT_TRUE(test::nncli({"--version"}).out.starts_with("nncli 0."));
}

}  // namespace
}  // namespace nnkernels::cli
