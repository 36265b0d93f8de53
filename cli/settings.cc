#include "cli/settings.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

#include "cli/data_options.h"
#include "cli/exit_code.h"
#include "cli/numbers.h"
#include "cli/problem.h"
#include "cli/suggest.h"
#include "nn/augment.h"
#include "nn/initialize.h"
#include "nn/learning_rate.h"
#include "nn/optimizer.h"

namespace nnkernels::cli {
namespace {

constexpr std::int64_t kMillion = 1'000'000;

bool always(const TrainConfig& /*config*/) { return true; }

using Matters = bool (*)(const TrainConfig&);

Setting text(const std::string& key, const std::string& type, std::string TrainConfig::*member,
             const std::string& help, Matters matters = always) {
  return {.key = key,
          .kind = Setting::Kind::text,
          .type = type,
          .group = {},
          .help = help,
          .set =
              [member](TrainConfig& config, const std::string& name, const std::string& value) {
                if (value.empty()) throw UsageError(name + ": the value is empty");
                config.*member = value;
              },
          .get = [member](const TrainConfig& config) { return config.*member; },
          .matters = matters};
}

Setting choice(const std::string& key, std::string TrainConfig::*member,
               const std::vector<std::string>& words, const std::string& help,
               Matters matters = always) {
  Setting setting = text(key, "NAME", member, help + ": " + joined(words, ", "), matters);
  setting.set = [member, words](TrainConfig& config, const std::string& name,
                                const std::string& value) {
    if (std::find(words.begin(), words.end(), value) == words.end()) {
      throw UsageError(name + ": expected " + joined(words, " or ") + ", got \"" + value + "\"" +
                       did_you_mean(value, words));
    }
    config.*member = value;
  };
  return setting;
}

template <class Integer>
Setting whole(const std::string& key, Integer TrainConfig::*member, Integer low, Integer high,
              const std::string& help, Matters matters = always) {
  return {.key = key,
          .kind = Setting::Kind::whole,
          .type = "N",
          .group = {},
          .help = help,
          .set =
              [=](TrainConfig& config, const std::string& name, const std::string& value) {
                const std::optional<Integer> number = parse_number<Integer>(value);
                if (!number || *number < low || *number > high) {
                  reject_value(
                      name,
                      "a whole number from " + std::to_string(low) + " to " + std::to_string(high),
                      value);
                }
                config.*member = *number;
              },
          .get = [member](const TrainConfig& config) { return std::to_string(config.*member); },
          .matters = matters};
}

/// Which numbers a setting takes, and how that is said.
struct Range {
  std::string description;
  bool (*contains)(double);
};

const Range kPositive = {"a number above 0", [](double x) { return x > 0; }};
const Range kNotNegative = {"a number of at least 0", [](double x) { return x >= 0; }};
const Range kShare = {"a number of at least 0 and below 1",
                      [](double x) { return x >= 0 && x < 1; }};
const Range kPart = {"a number above 0 and below 1", [](double x) { return x > 0 && x < 1; }};
const Range kUpToOne = {"a number above 0 and at most 1", [](double x) { return x > 0 && x <= 1; }};
const Range kFromOne = {"a number of at least 1", [](double x) { return x >= 1; }};
const Range kAny = {"a number", [](double) { return true; }};

Setting real(const std::string& key, double TrainConfig::*member, const Range& range,
             const std::string& help, Matters matters = always) {
  return {.key = key,
          .kind = Setting::Kind::real,
          .type = "X",
          .group = {},
          .help = help,
          .set =
              [=](TrainConfig& config, const std::string& name, const std::string& value) {
                const std::optional<double> number = parse_number<double>(value);
                if (!number || !std::isfinite(*number) || !range.contains(*number)) {
                  reject_value(name, range.description, value);
                }
                config.*member = *number;
              },
          .get = [member](const TrainConfig& config) { return number_text(config.*member); },
          .matters = matters};
}

Setting image() {
  Setting setting =
      text("image", "HxWxC", &TrainConfig::image,
           "Shape of an image whose numbers stand in a row; without it,\nsquare and grey",
           [](const TrainConfig& c) { return !c.image.empty(); });
  setting.set = [](TrainConfig& config, const std::string& name, const std::string& value) {
    if (!parse_image_shape(value)) {
      reject_value(name, "height x width x channels, such as 28x28x1", value);
    }
    config.image = value;
  };
  return setting;
}

/// "0..1", "0.01..1", "0..255": two members in one setting.
Setting pixels() {
  return {
      .key = "pixels",
      .kind = Setting::Kind::text,
      .type = "LOW..HIGH",
      .group = {},
      .help = "What black and white become",
      .set =
          [](TrainConfig& config, const std::string& name, const std::string& value) {
            const std::size_t dots = value.find("..");
            const auto low = parse_number<double>(value.substr(0, dots));
            const auto high = dots == std::string::npos
                                  ? std::nullopt
                                  : parse_number<double>(value.substr(dots + 2));
            if (!low || !high || !std::isfinite(*low) || !std::isfinite(*high) || *low >= *high) {
              reject_value(name, "LOW..HIGH with LOW below HIGH, as in 0..1", value);
            }
            config.pixels_low = *low;
            config.pixels_high = *high;
          },
      .get =
          [](const TrainConfig& config) {
            return number_text(config.pixels_low) + ".." + number_text(config.pixels_high);
          },
      .matters = always};
}

bool has_momentum(const TrainConfig& c) {
  return c.optimizer == "momentum" || c.optimizer == "nesterov";
}
bool has_betas(const TrainConfig& c) { return c.optimizer.starts_with("adam"); }
bool has_epsilon(const TrainConfig& c) {
  return has_betas(c) || c.optimizer == "adagrad" || c.optimizer == "rmsprop";
}
bool is_softmax(const TrainConfig& c) { return c.loss == "softmax"; }
bool has_targets(const TrainConfig& c) { return !is_softmax(c); }
bool decays(const TrainConfig& c) { return c.schedule == "step" || c.schedule == "exponential"; }
bool one_cycle(const TrainConfig& c) { return c.schedule == "onecycle"; }
bool by_scale(const TrainConfig& c) { return c.init == "gaussian" || c.init == "uniform"; }

/// Read once here, so that a mistake is told before anything else.
Setting augment() {
  Setting setting =
      text("augment", "TEXT", &TrainConfig::augment,
           "Random changes of training images, as in \"shift 2,\nrotate 10, scale 0.1, elastic 2, "
           "flip, noise 0.05,\ncutout 8\"; none");
  setting.set = [](TrainConfig& config, const std::string& name, const std::string& value) {
    try {
      if (value != "none") nn::augmentation_from_text(value);
    } catch (const std::invalid_argument& error) {
      throw UsageError(name + ": " + problem_of(error));
    }
    config.augment = value;
  };
  return setting;
}

std::vector<Setting> data_settings() {
  using C = TrainConfig;
  return {
      text("arch", "TEXT", &C::arch, "Layers, as in \"flatten, affine 100, relu, affine 10\""),
      text("data", "SPEC", &C::data,
           "Data set: mnist, digits, fashion-mnist, or a path: a folder\nof IDX files, of CSV, of "
           "NPY or of images (CLASS/*.png), or\na file .csv, .csv.gz or .npz"),
      choice("label", &C::label, {"first", "last"}, "Column of the labels in CSV files"),
      image(),
      real("test_share", &C::test_share, kPart,
           "Share that becomes the test set where there is none"),
      pixels(),
      real("validation", &C::validation, kShare,
           "Share of the training images held out to judge by"),
      augment(),
  };
}

std::vector<Setting> course_settings() {
  using C = TrainConfig;
  return {
      whole<std::int64_t>("epochs", &C::epochs, 1, kMillion, "Passes over the training images"),
      whole<std::int64_t>("steps", &C::steps, 0, 1'000 * kMillion,
                          "Updates to stop after, however many passes that is;\n0: by epochs"),
      whole<std::int64_t>("batch_size", &C::batch_size, 1, kMillion,
                          "Images an update is made from"),
      choice("sampling", &C::sampling, {"shuffle", "replacement"},
             "How images are drawn, each once an epoch or any at any time"),
      whole<std::int64_t>("patience", &C::patience, 0, kMillion,
                          "Epochs without a better validation accuracy to stop\nafter; 0: never"),
      real("until", &C::until, kShare, "Validation accuracy to stop at; 0: never"),
      whole<std::int64_t>("log_every", &C::log_every, 0, 1'000 * kMillion,
                          "Updates between two measurements on all images; 0: none"),
      whole<std::uint64_t>("seed", &C::seed, 0, UINT64_MAX,
                           "Seed of all random numbers, but for which images are the\nshare to "
                           "test on: those are always the same"),
  };
}

std::vector<Setting> loss_settings() {
  using C = TrainConfig;
  return {
      choice("loss", &C::loss, {"softmax", "squared", "sigmoid"}, "Loss"),
      real("label_smoothing", &C::label_smoothing, kShare,
           "Share of each target that is spread over all classes", is_softmax),
      real("target_low", &C::target_low, kAny, "Target of the wrong classes", has_targets),
      real("target_high", &C::target_high, kAny, "Target of the right class", has_targets),
      choice("init", &C::init, nn::initialization_names(), "First weights"),
      real("init_scale", &C::init_scale, kNotNegative,
           "Standard deviation of gaussian, bound of uniform", by_scale),
      real("ema", &C::ema, kShare, "Decay of the weights' moving average; 0: none"),
  };
}

std::vector<Setting> optimizer_settings() {
  using C = TrainConfig;
  return {
      choice("optimizer", &C::optimizer, nn::optimizer_names(), "Update rule"),
      real("lr", &C::lr, kPositive, "Learning rate"),
      real("momentum", &C::momentum, kShare, "Of momentum and nesterov", has_momentum),
      real("beta1", &C::beta1, kShare, "Adam's decay of the mean", has_betas),
      real("beta2", &C::beta2, kShare, "Adam's decay of the squares", has_betas),
      real("alpha", &C::alpha, kShare, "RMSprop's decay of the squares",
           [](const C& c) { return c.optimizer == "rmsprop"; }),
      real("epsilon", &C::epsilon, kPositive, "What keeps a rule from dividing by zero",
           has_epsilon),
      real("weight_decay", &C::weight_decay, kNotNegative, "Pull of all parameters towards zero"),
      real("clip_norm", &C::clip_norm, kNotNegative,
           "Largest norm of all gradients together; 0: any"),
      choice("schedule", &C::schedule, nn::learning_rate_schedule_names(),
             "Course of the learning rate"),
      real("warmup", &C::warmup, kNotNegative, "Epochs in which the learning rate rises from 0"),
      whole<std::int64_t>("decay_every", &C::decay_every, 1, kMillion, "Epochs between two decays",
                          [](const C& c) { return c.schedule == "step"; }),
      real("decay", &C::decay, kUpToOne, "Factor of a decay, or of an epoch", decays),
      real("rise", &C::rise, kShare, "Share of onecycle in which the rate rises", one_cycle),
      real("div_start", &C::div_start, kFromOne, "Onecycle begins with lr / this", one_cycle),
      real("div_end", &C::div_end, kFromOne, "and ends with that / this", one_cycle),
  };
}

std::vector<Setting> make_settings() {
  std::vector<Setting> all;
  const auto add = [&all](const std::string& group, std::vector<Setting> settings) {
    for (Setting& setting : settings) {
      setting.group = group;
      all.push_back(std::move(setting));
    }
  };
  add("Network and data", data_settings());
  add("Course of training", course_settings());
  add("Loss and weights", loss_settings());
  add("Update rule", optimizer_settings());
  return all;
}

const Setting& setting_of(const std::string& key) {
  const std::span<const Setting> all = settings();
  return *std::find_if(all.begin(), all.end(), [&key](const Setting& s) { return s.key == key; });
}

/// The learning rate that suits most networks.
double usual_rate(const std::string& optimizer) {
  static const std::map<std::string, double> rates = {
      {"sgd", 0.1},       {"momentum", 0.02}, {"nesterov", 0.02}, {"adagrad", 0.01},
      {"rmsprop", 0.001}, {"adam", 0.001},    {"adamw", 0.001}};
  return rates.at(optimizer);
}

void use_defaults_of_optimizer(TrainConfig& config) {
  const TrainConfig defaults;
  config.lr = usual_rate(config.optimizer);
  config.momentum = defaults.momentum;
  config.beta1 = defaults.beta1;
  config.beta2 = defaults.beta2;
  config.alpha = defaults.alpha;
  config.epsilon = config.optimizer == "adagrad" ? 1e-10 : defaults.epsilon;
  config.weight_decay = config.optimizer == "adamw" ? 0.01 : defaults.weight_decay;
}

void use_defaults_of_schedule(TrainConfig& config) {
  const TrainConfig defaults;
  config.decay_every = defaults.decay_every;
  config.decay = config.schedule == "exponential" ? 0.95 : defaults.decay;
  config.rise = defaults.rise;
  config.div_start = defaults.div_start;
  config.div_end = defaults.div_end;
}

/// The settings that bring defaults for others come before these.
bool comes_first(const Asked& asked) {
  return asked.key == "optimizer" || asked.key == "schedule" || asked.key == "init" ||
         asked.key == "loss";
}

bool asks_for(std::span<const Asked> asked, std::string_view key) {
  return std::any_of(asked.begin(), asked.end(),
                     [key](const Asked& each) { return each.key == key; });
}

}  // namespace

std::span<const Setting> settings() {
  static const std::vector<Setting> all = make_settings();
  return all;
}

std::string flag_of(std::string_view key) {
  std::string flag = "--" + std::string(key);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

void apply_settings(std::span<const Asked> asked, TrainConfig& config) {
  const TrainConfig before = config;
  std::vector<Asked> ordered(asked.begin(), asked.end());
  std::stable_partition(ordered.begin(), ordered.end(), comes_first);
  auto rest = ordered.begin();
  for (; rest != ordered.end() && comes_first(*rest); ++rest) {
    setting_of(rest->key).set(config, rest->name, rest->value);
  }
  if (config.optimizer != before.optimizer) use_defaults_of_optimizer(config);
  if (config.schedule != before.schedule) use_defaults_of_schedule(config);
  if (config.init != before.init) config.init_scale = config.init == "uniform" ? 1 : 0.01;
  if (!is_softmax(config)) config.label_smoothing = 0;
  // Steps count over epochs, so those of a recipe would make the epochs that are asked for mean
  // nothing.
  if (asks_for(asked, "epochs") && !asks_for(asked, "steps")) config.steps = 0;
  for (; rest != ordered.end(); ++rest) {
    const Setting& setting = setting_of(rest->key);
    setting.set(config, rest->name, rest->value);
    if (!setting.matters(config)) {
      throw UsageError(rest->name + ": has no meaning with optimizer " + config.optimizer +
                       ", schedule " + config.schedule + ", init " + config.init + ", loss " +
                       config.loss);
    }
  }
}

}  // namespace nnkernels::cli
