#include "nn/architecture.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <span>
#include <stdexcept>
#include <utility>

#include "nn/activation_layers.h"
#include "nn/affine.h"
#include "nn/avg_pool2d.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/flatten.h"
#include "nn/global_avg_pool.h"
#include "nn/leaky_relu.h"
#include "nn/max_pool2d.h"
#include "nn/number_text.h"
#include "nn/size_text.h"
#include "nn/softmax.h"

namespace nnkernels::nn {
namespace {

// Of a BatchNorm whose text does not tell.
constexpr double kMomentum = 0.1;
constexpr double kEpsilon = 1e-5;

/// Height and width.
struct Size {
  std::int64_t h;
  std::int64_t w;
};

/// How many letters must be changed, inserted or left out to make one word the other (V.
/// Levenshtein, 1965).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({row[j], row[j + 1], diagonal}) + 1);
      row[j + 1] = std::min(row[j + 1], replaced);
    }
  }
  return row.back();
}

/// "; did you mean "relu"?", or the list of all words when none is close.
std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
  std::string list;
  std::string_view closest;
  std::size_t least = std::max<std::size_t>(2, word.size() / 2) + 1;
  for (const std::string_view candidate : known) {
    list += (list.empty() ? "" : ", ") + std::string(candidate);
    if (const std::size_t changes = distance(word, candidate); changes < least) {
      least = changes;
      closest = candidate;
    }
  }
  if (closest.empty()) return "; known are " + list;
  return "; did you mean \"" + std::string(closest) + "\"?";
}

/// A fault whose message names the layer already.
class Misread : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// The words of one layer, taken from left to right.
class Words {
 public:
  Words(std::int64_t layer, std::string_view text) : layer_(layer) {
    for (const char c : text) {
      const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
      if (!space) {
        if (!inside_) words_.emplace_back();
        words_.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      }
      inside_ = !space;
    }
  }

  bool done() const { return next_ == words_.size(); }

  /// The next word; `expected` is for the message if there is none.
  std::string word(const std::string& expected) {
    if (done())
      fail("expected " + expected + (words_.empty() ? "" : " after \"" + words_.back() + "\""));
    return words_[next_++];
  }

  std::int64_t number(const std::string& expected, std::int64_t least) {
    const std::string text = word(expected);
    return parse(text, text, expected, least);
  }

  /// A fraction such as "0.5", or `otherwise` if there are no more words. The layer checks it.
  double fraction(const std::string& expected, double otherwise) {
    if (done()) return otherwise;
    const std::string text = word(expected);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      fail("expected " + expected + ", got \"" + text + "\"");
    }
    return value;
  }

  /// The number behind the word `name`, or `otherwise` if the next word is another.
  double option(std::string_view name, double otherwise) {
    if (done() || words_[next_] != name) return otherwise;
    ++next_;
    if (done()) fail("expected a number after \"" + words_.back() + "\"");
    return fraction("a number", otherwise);
  }

  /// "2" or "2x3".
  Size size(const std::string& expected, std::int64_t least) {
    const std::string text = word(expected);
    const std::size_t x = text.find('x');
    const std::int64_t h = parse(text.substr(0, x), text, expected, least);
    if (x == std::string::npos) return {h, h};
    return {h, parse(text.substr(x + 1), text, expected, least)};
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Misread("build: layer " + std::to_string(layer_) + ": " + problem);
  }

 private:
  std::int64_t parse(std::string_view digits, const std::string& text, const std::string& expected,
                     std::int64_t least) const {
    // Sizes beyond 2^31 are mistakes, and products of several of them would overflow.
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::result_out_of_range || value > kMost) {
      fail("expected " + expected + " (at most " + std::to_string(kMost) + "), got \"" + text +
           "\"");
    }
    if (error != std::errc() || end != digits.data() + digits.size() || value < least) {
      fail("expected " + expected + " (at least " + std::to_string(least) + "), got \"" + text +
           "\"");
    }
    return value;
  }

  std::int64_t layer_;
  bool inside_ = false;
  std::vector<std::string> words_;
  std::size_t next_ = 0;
};

/// What may follow the sizes of a convolution or a pooling.
struct WindowOptions {
  Size stride;
  Size pad{0, 0};
  Size dilation{1, 1};
  std::int64_t groups = 1;
  bool bias = true;
  PoolDivisor divisor = PoolDivisor::inside;
};

WindowOptions take_options(Words& words, std::span<const std::string_view> known, Size stride) {
  WindowOptions options{.stride = stride};
  std::vector<std::string> taken;
  while (!words.done()) {
    const std::string name = words.word("an option");
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      words.fail("unknown option \"" + name + "\"" + suggestion(name, known));
    }
    if (std::find(taken.begin(), taken.end(), name) != taken.end()) {
      words.fail("\"" + name + "\" is there twice");
    }
    taken.push_back(name);
    if (name == "stride") options.stride = words.size("a stride", 1);
    if (name == "pad") options.pad = words.size("a padding", 0);
    if (name == "dilation") options.dilation = words.size("a dilation", 1);
    if (name == "groups") options.groups = words.number("a number of groups", 1);
    if (name == "nobias") options.bias = false;
    if (name == "divisor") {
      const std::string divisor = words.word("inside or window");
      if (divisor != "inside" && divisor != "window") {
        words.fail("expected inside or window, got \"" + divisor + "\"");
      }
      if (divisor == "window") options.divisor = PoolDivisor::window;
    }
  }
  return options;
}

/// Only a convolution, an Affine and a BatchNorm have parameters; double cannot overflow here.
template <class... Sizes>
void claim(Words& words, double& parameters_left, Sizes... sizes) {
  parameters_left -= (1.0 * ... * static_cast<double>(sizes));
  if (parameters_left < 0) words.fail("too many parameters");
}

template <class T>
std::unique_ptr<Layer<T>> make_conv(Words& words, const Shape& x, double& parameters_left) {
  static constexpr std::string_view kOptions[] = {"stride", "pad", "dilation", "groups", "nobias"};
  const std::int64_t oc = words.number("a number of channels", 1);
  const Size kernel = words.size("a kernel size", 1);
  const WindowOptions o = take_options(words, kOptions, {1, 1});
  if (x.rank() != 3) words.fail("conv takes samples of shape [h, w, c], got " + x.str());
  if (x[2] % o.groups != 0 || oc % o.groups != 0) {
    words.fail("groups must divide the channels, got " + std::to_string(x[2]) + " in, " +
               std::to_string(oc) + " out, " + std::to_string(o.groups) + " groups");
  }
  claim(words, parameters_left, kernel.h, kernel.w, x[2] / o.groups, oc);
  return std::make_unique<Conv2d<T>>(Conv2dOptions{.ic = x[2],
                                                   .oc = oc,
                                                   .kh = kernel.h,
                                                   .kw = kernel.w,
                                                   .stride_h = o.stride.h,
                                                   .stride_w = o.stride.w,
                                                   .pad_h = o.pad.h,
                                                   .pad_w = o.pad.w,
                                                   .dilation_h = o.dilation.h,
                                                   .dilation_w = o.dilation.w,
                                                   .groups = o.groups,
                                                   .bias = o.bias});
}

template <class T>
std::unique_ptr<Layer<T>> make_pool(Words& words, bool average) {
  static constexpr std::string_view kOptions[] = {"stride", "pad", "divisor"};
  const Size kernel = words.size("a kernel size", 1);
  const WindowOptions o = take_options(words, std::span(kOptions).first(average ? 3 : 2), kernel);
  const Pool2dOptions options{.kh = kernel.h,
                              .kw = kernel.w,
                              .stride_h = o.stride.h,
                              .stride_w = o.stride.w,
                              .pad_h = o.pad.h,
                              .pad_w = o.pad.w};
  if (average) return std::make_unique<AvgPool2d<T>>(options, o.divisor);
  return std::make_unique<MaxPool2d<T>>(options);
}

template <class T>
std::unique_ptr<Layer<T>> make_affine(Words& words, const Shape& x, double& parameters_left) {
  static constexpr std::string_view kOptions[] = {"nobias"};
  const std::int64_t out = words.number("a number of outputs", 1);
  const WindowOptions o = take_options(words, kOptions, {1, 1});
  claim(words, parameters_left, x.size(), out);
  return std::make_unique<Affine<T>>(x.size(), out, o.bias);
}

template <class T>
std::unique_ptr<Layer<T>> make_batch_norm(Words& words, const Shape& x, double& parameters_left) {
  const std::int64_t channels = x.rank() == 0 ? 1 : x[-1];
  claim(words, parameters_left, 4, channels);  // and as many buffers
  const double momentum = words.option("momentum", kMomentum);
  const double epsilon = words.option("epsilon", kEpsilon);
  return std::make_unique<BatchNorm<T>>(channels, momentum, epsilon);
}

template <class T>
std::unique_ptr<Layer<T>> make_layer(Words& words, const Shape& x, double& parameters_left) {
  static constexpr std::string_view kLayers[] = {
      "conv",    "maxpool", "avgpool", "globalavgpool", "relu",   "leakyrelu", "sigmoid", "tanh",
      "softmax", "flatten", "affine",  "dense",         "linear", "batchnorm", "dropout"};
  const std::string name = words.word("a layer");
  if (name == "conv") return make_conv<T>(words, x, parameters_left);
  if (name == "maxpool") return make_pool<T>(words, false);
  if (name == "avgpool") return make_pool<T>(words, true);
  if (name == "relu") return std::make_unique<ReLU<T>>();
  if (name == "sigmoid") return std::make_unique<Sigmoid<T>>();
  if (name == "tanh") return std::make_unique<Tanh<T>>();
  if (name == "leakyrelu") {
    return std::make_unique<LeakyReLU<T>>(words.fraction("a slope between 0 and 1", 0.01));
  }
  if (name == "softmax") return std::make_unique<Softmax<T>>();
  if (name == "globalavgpool") return std::make_unique<GlobalAvgPool2d<T>>();
  if (name == "batchnorm") return make_batch_norm<T>(words, x, parameters_left);
  if (name == "dropout") {
    return std::make_unique<Dropout<T>>(words.fraction("a probability below 1", 0.5));
  }
  if (name == "flatten") return std::make_unique<Flatten<T>>();
  if (name == "affine" || name == "dense" || name == "linear") {
    return make_affine<T>(words, x, parameters_left);
  }
  words.fail("unknown layer \"" + name + "\"" + suggestion(name, kLayers));
}

std::string short_text(std::int64_t h, std::int64_t w) {
  return h == w ? std::to_string(h) : size_text(h, w);
}

std::string text_of(const Conv2dOptions& o) {
  std::string text = "conv " + std::to_string(o.oc) + " " + size_text(o.kh, o.kw);
  if (o.stride_h != 1 || o.stride_w != 1) text += " stride " + short_text(o.stride_h, o.stride_w);
  if (o.pad_h != 0 || o.pad_w != 0) text += " pad " + short_text(o.pad_h, o.pad_w);
  if (o.dilation_h != 1 || o.dilation_w != 1) {
    text += " dilation " + short_text(o.dilation_h, o.dilation_w);
  }
  if (o.groups != 1) text += " groups " + std::to_string(o.groups);
  if (!o.bias) text += " nobias";
  return text;
}

std::string text_of(const char* name, const Pool2dOptions& o) {
  std::string text = std::string(name) + " " + short_text(o.kh, o.kw);
  if (o.stride_h != o.kh || o.stride_w != o.kw) {
    text += " stride " + short_text(o.stride_h, o.stride_w);
  }
  if (o.pad_h != 0 || o.pad_w != 0) text += " pad " + short_text(o.pad_h, o.pad_w);
  return text;
}

template <class T>
std::string text_of(const BatchNorm<T>& norm) {
  std::string text = "batchnorm";
  if (norm.momentum() != kMomentum) text += " momentum " + number_text(norm.momentum());
  if (norm.epsilon() != kEpsilon) text += " epsilon " + number_text(norm.epsilon());
  return text;
}

template <class T>
std::string text_of(const Layer<T>& layer) {
  if (const auto* conv = dynamic_cast<const Conv2d<T>*>(&layer)) return text_of(conv->options());
  if (const auto* pool = dynamic_cast<const MaxPool2d<T>*>(&layer)) {
    return text_of("maxpool", pool->options());
  }
  if (const auto* pool = dynamic_cast<const AvgPool2d<T>*>(&layer)) {
    return text_of("avgpool", pool->options()) +
           (pool->divisor() == PoolDivisor::window ? " divisor window" : "");
  }
  if (const auto* affine = dynamic_cast<const Affine<T>*>(&layer)) {
    return "affine " + std::to_string(affine->out()) + (affine->bias() ? "" : " nobias");
  }
  if (dynamic_cast<const ReLU<T>*>(&layer) != nullptr) return "relu";
  if (dynamic_cast<const Sigmoid<T>*>(&layer) != nullptr) return "sigmoid";
  if (dynamic_cast<const Tanh<T>*>(&layer) != nullptr) return "tanh";
  if (const auto* leaky = dynamic_cast<const LeakyReLU<T>*>(&layer)) {
    return "leakyrelu " + number_text(leaky->slope());
  }
  if (const auto* dropout = dynamic_cast<const Dropout<T>*>(&layer)) {
    return "dropout " + number_text(dropout->p());
  }
  if (const auto* norm = dynamic_cast<const BatchNorm<T>*>(&layer)) return text_of(*norm);
  if (dynamic_cast<const Softmax<T>*>(&layer) != nullptr) return "softmax";
  if (dynamic_cast<const GlobalAvgPool2d<T>*>(&layer) != nullptr) return "globalavgpool";
  if (dynamic_cast<const Flatten<T>*>(&layer) != nullptr) return "flatten";
  throw std::invalid_argument("architecture_of: the layer " + layer.type() + " has no text form");
}

}  // namespace

template <class T>
Sequential<T> build(const Shape& input, std::string_view text, std::int64_t max_parameters) {
  if (text.size() > kMaxArchitectureText) {
    throw std::invalid_argument("build: expected at most " + std::to_string(kMaxArchitectureText) +
                                " bytes of text, got " + std::to_string(text.size()));
  }
  if (input.size() > kMaxActivation) {
    throw std::invalid_argument("build: expected samples of at most " +
                                std::to_string(kMaxActivation) + " numbers, got " + input.str());
  }
  Sequential<T> net(input);
  auto parameters_left = static_cast<double>(max_parameters);
  for (std::int64_t number = 1;; ++number) {
    const std::size_t comma = text.find(',');
    Words words(number, text.substr(0, comma));
    try {
      auto layer = make_layer<T>(words, net.output_shape(), parameters_left);
      if (!words.done()) words.fail("unexpected \"" + words.word("") + "\"");
      if (number > kMaxLayers) words.fail("more than " + std::to_string(kMaxLayers) + " layers");
      net.add(std::move(layer));
      if (net.output_shape().size() > kMaxActivation) {
        words.fail("its output of shape " + net.output_shape().str() + " is larger than " +
                   std::to_string(kMaxActivation) + " numbers");
      }
    } catch (const Misread&) {
      throw;
    } catch (const std::invalid_argument& error) {
      words.fail(error.what());
    }
    if (comma == std::string_view::npos) return net;
    text.remove_prefix(comma + 1);
  }
}

template <class T>
std::string architecture_of(const Sequential<T>& net) {
  std::string text;
  for (std::int64_t i = 0; i < net.layer_count(); ++i) {
    if (i > 0) text += ", ";
    text += text_of(net.layer(i));
  }
  return text;
}

Shape model_input() { return {28, 28, 1}; }

std::string model_architecture(std::string_view model) {
  if (model == "mlp") return "flatten, affine 128, relu, affine 64, relu, affine 10";
  if (model == "cnn") {
    return "conv 30 5x5, relu, maxpool 2, flatten, affine 100, relu, affine 10";
  }
  throw std::invalid_argument("model_architecture: expected mlp or cnn, got \"" +
                              std::string(model) + "\"");
}

std::vector<std::string> model_names() { return {"mlp", "cnn"}; }

template Sequential<float> build(const Shape&, std::string_view, std::int64_t);
template Sequential<double> build(const Shape&, std::string_view, std::int64_t);
template std::string architecture_of(const Sequential<float>&);
template std::string architecture_of(const Sequential<double>&);

}  // namespace nnkernels::nn
