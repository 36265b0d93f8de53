#include "nn/augment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>
#include <set>
#include <stdexcept>
#include <system_error>

#include "kernels/parallel.h"
#include "nn/random.h"

namespace nnkernels::nn {
namespace {

constexpr std::int64_t kSpacing = 7;  // pixels between two nodes
/// Nodes in a direction that are moved; in larger images, the spacing grows.
constexpr std::int64_t kMaxNodes = 36;
constexpr double kMicrosecondsPerPixel = 0.01;

// The numbers that an image draws, by what they are for.
enum Draw : std::uint64_t { kRight, kDown, kAngle, kSize, kFlip, kCutRow, kCutColumn, kNodes };
constexpr std::uint64_t kNoise = 1 << 16;
constexpr int kDrawBits = 28;

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t';
    if (!space && !inside) words.emplace_back();
    if (!space) words.back() += c;
    inside = !space;
  }
  return words;
}

double amount(const std::vector<std::string>& words) {
  double value = 0;
  const std::string& text = words.size() == 2 ? words[1] : words[0];
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (words.size() != 2 || error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument("augmentation: expected a number after \"" + words[0] + "\"");
  }
  return value;
}

void check(const Augmentation& a) {
  const auto good = [](double x) { return x >= 0 && x <= kMaxAugmentation; };  // and no NaN
  if (good(a.shift) && good(a.rotate) && good(a.scale) && a.scale < 1 && good(a.elastic) &&
      good(a.noise) && good(static_cast<double>(a.cutout))) {
    return;
  }
  throw std::invalid_argument(
      "augmentation: expected amounts from 0 to a million, and of scale below 1");
}

std::int64_t spacing(std::int64_t pixels) {
  return std::max(kSpacing, (pixels + kMaxNodes - 4) / (kMaxNodes - 3));
}

}  // namespace

Augmentation augmentation_from_text(std::string_view text) {
  Augmentation result;
  std::set<std::string> seen;
  for (bool more = !text.empty(); more;) {
    const std::size_t comma = text.find(',');
    const std::vector<std::string> words = words_of(text.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
    if (words.empty()) throw std::invalid_argument("augmentation: a word is missing at a comma");
    if (!seen.insert(words[0]).second) {
      throw std::invalid_argument("augmentation: \"" + words[0] + "\" is there twice");
    }
    if (words[0] == "shift") {
      result.shift = amount(words);
    } else if (words[0] == "rotate") {
      result.rotate = amount(words);
    } else if (words[0] == "scale") {
      result.scale = amount(words);
    } else if (words[0] == "elastic") {
      result.elastic = amount(words);
    } else if (words[0] == "noise") {
      result.noise = amount(words);
    } else if (words[0] == "cutout") {
      const double side = amount(words);
      if (!(side >= 0 && side <= kMaxAugmentation) || side != std::floor(side)) {
        throw std::invalid_argument("augmentation: cutout takes a whole number of pixels");
      }
      result.cutout = static_cast<std::int64_t>(side);
    } else if (words[0] == "flip" && words.size() == 1) {
      result.flip = true;
    } else {
      throw std::invalid_argument("augmentation: unknown \"" + words[0] +
                                  "\"; known are shift, rotate, scale, elastic, noise, cutout, "
                                  "each with a number, and flip");
    }
  }
  check(result);
  return result;
}

/// From a pixel's place, relative to the centre, to the place it is read from.
template <class T>
struct Augmenter<T>::Map {
  T from_x[2];  // (row, column) of the source for a step to the right
  T from_y[2];  // and for a step down
  T centre[2];
  std::array<std::array<T, 2>, static_cast<std::size_t>(kMaxNodes* kMaxNodes)> moves;  // of nodes
};

template <class T>
std::vector<typename Augmenter<T>::Spline> Augmenter<T>::splines(std::int64_t pixels) {
  const std::int64_t step = spacing(pixels);
  std::vector<Spline> result(static_cast<std::size_t>(pixels));
  for (std::int64_t i = 0; i < pixels; ++i) {
    Spline& spline = result[static_cast<std::size_t>(i)];
    spline.node = i / step;
    const double t = static_cast<double>(i % step) / static_cast<double>(step);
    const double u = 1 - t;
    const std::array<double, 4> weights = {u * u * u / 6, (3 * t * t * t - 6 * t * t + 4) / 6,
                                           (3 * u * u * u - 6 * u * u + 4) / 6, t * t * t / 6};
    std::transform(weights.begin(), weights.end(), spline.weights,
                   [](double weight) { return static_cast<T>(weight); });
  }
  return result;
}

template <class T>
Augmenter<T>::Augmenter(const Augmentation& options, const Shape& image, std::uint64_t seed,
                        T empty)
    : options_(options),
      h_(image[0]),
      w_(image[1]),
      c_(image[2]),
      seed_(seed),
      empty_(empty),
      rows_(splines(h_)),
      columns_(splines(w_)) {
  check(options);
}

template <class T>
typename Augmenter<T>::Map Augmenter<T>::draw_map(std::uint64_t step, std::uint64_t image) const {
  const Random random(seed_, Purpose::augmentation);
  const auto even = [&](std::uint64_t what) {  // in [-1, 1)
    return 2 * random.uniform(step, image << kDrawBits | what) - 1;
  };
  const double angle = options_.rotate * even(kAngle) * std::numbers::pi / 180;
  const double size = 1 + options_.scale * even(kSize);
  const double mirror = options_.flip && even(kFlip) < 0 ? -1 : 1;
  Map map;
  map.from_x[0] = static_cast<T>(-std::sin(angle) / size * mirror);
  map.from_x[1] = static_cast<T>(std::cos(angle) / size * mirror);
  map.from_y[0] = static_cast<T>(std::cos(angle) / size);
  map.from_y[1] = static_cast<T>(std::sin(angle) / size);
  map.centre[0] = static_cast<T>(static_cast<double>(h_ - 1) / 2 + options_.shift * even(kDown));
  map.centre[1] = static_cast<T>(static_cast<double>(w_ - 1) / 2 + options_.shift * even(kRight));
  if (options_.elastic > 0) {
    const auto across = columns_.back().node + 4;
    const auto nodes = static_cast<std::size_t>((rows_.back().node + 4) * across);
    for (std::size_t i = 0; i < nodes; ++i) {
      for (std::size_t k = 0; k < 2; ++k) {
        map.moves[i][k] = static_cast<T>(options_.elastic * even(kNodes + 2 * i + k));
      }
    }
  }
  return map;
}

template <class T>
void Augmenter<T>::change(const T* x, T* y, std::uint64_t step, std::uint64_t image) const {
  const Map map = draw_map(step, image);
  const auto across = static_cast<std::size_t>(columns_.back().node + 4);
  std::array<std::array<T, 2>, kMaxNodes> bend = {};  // of a row, at each column of nodes
  for (std::int64_t row = 0; row < h_; ++row) {
    if (options_.elastic > 0) {
      const Spline& spline = rows_[static_cast<std::size_t>(row)];
      for (std::size_t i = 0; i < across; ++i) {
        bend[i] = {};
        for (std::size_t j = 0; j < 4; ++j) {
          const auto& move = map.moves[(static_cast<std::size_t>(spline.node) + j) * across + i];
          for (std::size_t k = 0; k < 2; ++k) bend[i][k] += spline.weights[j] * move[k];
        }
      }
    }
    const T down = static_cast<T>(row) - static_cast<T>(h_ - 1) / 2;
    for (std::int64_t column = 0; column < w_; ++column) {
      const T right = static_cast<T>(column) - static_cast<T>(w_ - 1) / 2;
      T place[2];
      for (std::size_t k = 0; k < 2; ++k) {
        place[k] = map.centre[k] + down * map.from_y[k] + right * map.from_x[k];
      }
      if (options_.elastic > 0) {
        const Spline& spline = columns_[static_cast<std::size_t>(column)];
        for (std::size_t j = 0; j < 4; ++j) {
          const auto& move = bend[static_cast<std::size_t>(spline.node) + j];
          for (std::size_t k = 0; k < 2; ++k) place[k] += spline.weights[j] * move[k];
        }
      }
      T* const to = y + (row * w_ + column) * c_;
      // Outside by a pixel or more, nothing of the image is near; this also keeps the conversion
      // to whole numbers within its range.
      const bool near = place[0] > -1 && place[0] < static_cast<T>(h_) && place[1] > -1 &&
                        place[1] < static_cast<T>(w_);
      if (!near) {
        std::fill_n(to, c_, empty_);
        continue;
      }
      const auto top = static_cast<std::int64_t>(std::floor(place[0]));
      const auto left = static_cast<std::int64_t>(std::floor(place[1]));
      const T lower = place[0] - static_cast<T>(top);
      const T righter = place[1] - static_cast<T>(left);
      const auto at = [&](std::int64_t i, std::int64_t j, std::int64_t channel) {
        const bool inside = i >= 0 && i < h_ && j >= 0 && j < w_;
        return inside ? x[(i * w_ + j) * c_ + channel] : empty_;
      };
      for (std::int64_t k = 0; k < c_; ++k) {
        const T upper = at(top, left, k) + righter * (at(top, left + 1, k) - at(top, left, k));
        const T below =
            at(top + 1, left, k) + righter * (at(top + 1, left + 1, k) - at(top + 1, left, k));
        to[k] = upper + lower * (below - upper);
      }
    }
  }
  const Random random(seed_, Purpose::augmentation);
  const auto draws = image << kDrawBits;
  if (options_.noise > 0) {
    for (std::int64_t i = 0; i < h_ * w_ * c_; ++i) {
      y[i] += static_cast<T>(
          options_.noise * random.gaussian(step, draws | (kNoise + static_cast<std::uint64_t>(i))));
    }
  }
  if (options_.cutout > 0) {
    const auto begin = [&](std::uint64_t what, std::int64_t pixels) {
      const auto place = random.below(static_cast<std::uint64_t>(pixels), step, draws | what);
      return static_cast<std::int64_t>(place) - options_.cutout / 2;
    };
    const std::int64_t first_row = begin(kCutRow, h_), first_column = begin(kCutColumn, w_);
    const std::int64_t left = std::max<std::int64_t>(first_column, 0);
    const std::int64_t right = std::min(first_column + options_.cutout, w_);
    for (std::int64_t row = std::max<std::int64_t>(first_row, 0);
         row < std::min(first_row + options_.cutout, h_); ++row) {
      std::fill(y + (row * w_ + left) * c_, y + (row * w_ + right) * c_, empty_);
    }
  }
}

template <class T>
void Augmenter<T>::apply(TensorView<const T> x, TensorView<T> y, std::uint64_t step) const {
  const std::int64_t size = h_ * w_ * c_;
  const std::int64_t n = x.size() / size;
  if (x.shape != y.shape || x.shape != Shape({h_, w_, c_}).batch(n)) {
    throw std::invalid_argument("Augmenter: expected two batches of images " +
                                Shape({h_, w_, c_}).str() + ", got " + x.shape.str() + " and " +
                                y.shape.str());
  }
  const double microseconds = static_cast<double>(x.size()) * kMicrosecondsPerPixel;
  parallel_for(n, microseconds, [&](std::int64_t i, int /*slot*/) {
    change(x.data + i * size, y.data + i * size, step, static_cast<std::uint64_t>(i));
  });
}

template class Augmenter<float>;
template class Augmenter<double>;

}  // namespace nnkernels::nn
