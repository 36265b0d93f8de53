#include "nn/batch.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/cost.h"
#include "kernels/parallel.h"
#include "kernels/prefetch.h"
#include "kernels/vector.h"
#include "nn/number_text.h"

namespace nnkernels::nn {
namespace {

void check_dataset(const Dataset& data, const char* function) {
  const Shape pixels = sample_shape(data).batch(data.n);
  if (static_cast<std::int64_t>(data.size()) != pixels.size() ||
      (!data.pixels.empty() && !data.values.empty()) ||
      static_cast<std::int64_t>(data.labels.size()) != data.n) {
    throw std::invalid_argument(std::string(function) + ": a data set of shape " + pixels.str() +
                                " holds " + std::to_string(data.pixels.size()) + " bytes, " +
                                std::to_string(data.values.size()) + " floats and " +
                                std::to_string(data.labels.size()) + " labels");
  }
  if (data.n == 0) throw std::invalid_argument(std::string(function) + ": the data set is empty");
}

void check_sample_labels(const Dataset& data, const char* function) {
  const auto bad =
      std::find_if(data.labels.begin(), data.labels.end(),
                   [&data](std::int32_t label) { return label < 0 || label >= data.classes; });
  if (bad == data.labels.end()) return;
  throw std::invalid_argument(std::string(function) + ": sample " +
                              std::to_string(bad - data.labels.begin()) + " has the label " +
                              std::to_string(*bad) + ", expected one from 0 to " +
                              std::to_string(data.classes - 1) + ", since the data set has " +
                              std::to_string(data.classes) + " classes");
}

template <class T>
void from_floats(std::int64_t size, T scale, T shift, const float* x, T* y) {
  for (std::int64_t i = 0; i < size; ++i) y[i] = scale * static_cast<T>(x[i]) + shift;
}

/// What a batch costs against the same bytes in the cache: samples lie anywhere in memory.
constexpr double kFromCache = 0.25;

}  // namespace

Shape sample_shape(const Dataset& data) { return {data.h, data.w, data.c}; }

template <class T>
void check_classifier(const Sequential<T>& net, const Dataset& data,
                      const Preprocessing& preprocessing, const char* function) {
  check_dataset(data, function);
  if (net.input_shape() != sample_shape(data)) {
    throw std::invalid_argument(std::string(function) + ": the network takes samples of shape " +
                                net.input_shape().str() + ", the data set has " +
                                sample_shape(data).str());
  }
  if (net.output_shape() != Shape{data.classes}) {
    throw std::invalid_argument(std::string(function) + ": the network's output is " +
                                net.output_shape().str() + ", the data set has " +
                                std::to_string(data.classes) + " classes");
  }
  check_sample_labels(data, function);
  if (!std::isfinite(static_cast<T>(preprocessing.scale)) ||
      !std::isfinite(static_cast<T>(preprocessing.shift))) {
    throw std::invalid_argument(
        std::string(function) + ": expected a finite preprocessing, got a scale of " +
        number_text(preprocessing.scale) + " and a shift of " + number_text(preprocessing.shift));
  }
}

template <class T>
void gather_batch(const Dataset& data, const Preprocessing& preprocessing,
                  std::span<const std::int64_t> indices, TensorView<T> x,
                  std::span<std::int32_t> labels, std::span<const std::int64_t> next) {
  const auto count = static_cast<std::int64_t>(indices.size());
  const Shape expected = sample_shape(data).batch(count);
  if (x.shape != expected || labels.size() != indices.size()) {
    throw std::invalid_argument("gather_batch: expected x of shape " + expected.str() + " and " +
                                std::to_string(count) + " labels, got " + x.shape.str() + " and " +
                                std::to_string(labels.size()));
  }
  for (const auto& some : {indices, next}) {
    for (const std::int64_t index : some) {
      if (index < 0 || index >= data.n) {
        throw std::invalid_argument("gather_batch: no sample " + std::to_string(index) + " of " +
                                    std::to_string(data.n));
      }
    }
  }
  const std::int64_t size = sample_shape(data).size();
  const bool bytes = data.values.empty();
  const auto scale = static_cast<T>(preprocessing.scale);
  const auto shift = static_cast<T>(preprocessing.shift);
  const double moved = static_cast<double>(x.size()) * ((bytes ? 1 : sizeof(float)) + sizeof(T));
  const double microseconds = moved / (kBytesPerMicrosecond * kFromCache);
  parallel_for(count, microseconds, [&](std::int64_t i, int /*slot*/) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t index = indices[at];
    T* const sample = x.data + i * size;
    if (bytes) {
      from_bytes(size, scale, shift, data.pixels.data() + index * size, sample);
    } else {
      from_floats(size, scale, shift, data.values.data() + index * size, sample);
    }
    labels[at] = data.labels[static_cast<std::size_t>(index)];
    if (at >= next.size()) return;
    if (bytes) {
      prefetch(data.pixels.data() + next[at] * size, size);
    } else {
      prefetch(data.values.data() + next[at] * size, size);
    }
  });
}

template void check_classifier(const Sequential<float>&, const Dataset&, const Preprocessing&,
                               const char*);
template void check_classifier(const Sequential<double>&, const Dataset&, const Preprocessing&,
                               const char*);
template void gather_batch(const Dataset&, const Preprocessing&, std::span<const std::int64_t>,
                           TensorView<float>, std::span<std::int32_t>,
                           std::span<const std::int64_t>);
template void gather_batch(const Dataset&, const Preprocessing&, std::span<const std::int64_t>,
                           TensorView<double>, std::span<std::int32_t>,
                           std::span<const std::int64_t>);

}  // namespace nnkernels::nn
