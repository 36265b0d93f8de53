#include "nn/weight_average.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/vector.h"

namespace nnkernels::nn {

template <class T>
WeightAverage<T>::WeightAverage(Sequential<T>& net, double decay) : decay_(decay) {
  if (!(decay >= 0 && decay < 1)) {
    throw std::invalid_argument("WeightAverage: decay must be at least 0 and less than 1, got " +
                                std::to_string(decay));
  }
  for (Parameter<T>* parameter : net.parameters()) weights_.push_back(&parameter->value);
  for (Buffer<T>* buffer : net.buffers()) weights_.push_back(&buffer->value);
  averages_.reserve(weights_.size());
  for (const Tensor<T>* weight : weights_) averages_.push_back(weight->clone());
}

template <class T>
void WeightAverage<T>::update() {
  const auto before = static_cast<double>(steps_++);
  const auto part = static_cast<T>(1 - std::min(decay_, before / (before + 10)));
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (part == 1) {  // a + (w - a) may be another number than w
      std::copy(weights_[i]->begin(), weights_[i]->end(), averages_[i].begin());
      continue;
    }
    move_towards(weights_[i]->size(), part, weights_[i]->data(), averages_[i].data());
  }
}

template <class T>
void WeightAverage<T>::swap() {
  for (std::size_t i = 0; i < weights_.size(); ++i) std::swap(*weights_[i], averages_[i]);
}

template class WeightAverage<float>;
template class WeightAverage<double>;

}  // namespace nnkernels::nn
