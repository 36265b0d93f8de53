// From the numbers of a data set to the batch that goes into a network.
#ifndef NNKERNELS_NN_BATCH_H_
#define NNKERNELS_NN_BATCH_H_

#include <cstdint>
#include <span>

#include "nn/data/dataset.h"
#include "nn/sequential.h"

namespace nnkernels::nn {

/// The shape of one sample of a data set: {h, w, c}.
Shape sample_shape(const Dataset& data);

/// Throws std::invalid_argument, naming `function`, if `data` is empty, if its pixels and labels
/// are not as many as n, h, w and c say, if its samples do not fit the net's input, if the net's
/// output is not [data.classes], if a label is not in [0, data.classes), or if `preprocessing` is
/// not finite, also as numbers of type T. Reads all labels, but no pixels.
template <class T>
void check_classifier(const Sequential<T>& net, const Dataset& data,
                      const Preprocessing& preprocessing, const char* function);

/// Sample i of x and labels[i] become sample indices[i] of `data`, its numbers through
/// `preprocessing`. x is [indices.size()][h][w][c]. Parallel over samples where it pays; allocates
/// nothing. `next` are the indices of the following call, if they are known: the memory of those
/// samples, anywhere in a data set larger than the cache, is asked for meanwhile. Throws
/// std::invalid_argument if a shape or an index does not fit.
template <class T>
void gather_batch(const Dataset& data, const Preprocessing& preprocessing,
                  std::span<const std::int64_t> indices, TensorView<T> x,
                  std::span<std::int32_t> labels, std::span<const std::int64_t> next = {});

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_BATCH_H_
