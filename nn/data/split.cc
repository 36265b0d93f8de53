#include "nn/data/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "nn/random.h"

namespace nnkernels::nn {
namespace {

/// The samples of each class.
std::vector<std::vector<std::int64_t>> members_of(const Dataset& data) {
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(data.classes));
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    const std::int32_t label = data.labels[i];
    if (label < 0 || label >= data.classes) {
      throw std::invalid_argument("split: expected labels from 0 to " +
                                  std::to_string(data.classes - 1) + ", found " +
                                  std::to_string(label));
    }
    members[static_cast<std::size_t>(label)].push_back(static_cast<std::int64_t>(i));
  }
  return members;
}

/// How many samples of each class go to the second part: `total` in all.
std::vector<std::size_t> quotas(const std::vector<std::vector<std::int64_t>>& members, double share,
                                std::size_t total) {
  std::vector<std::size_t> quota(members.size());
  std::vector<double> remainder(members.size());
  std::size_t given = 0;
  for (std::size_t label = 0; label < members.size(); ++label) {
    const double wanted = share * static_cast<double>(members[label].size());
    quota[label] = static_cast<std::size_t>(wanted);
    remainder[label] = wanted - std::floor(wanted);
    given += quota[label];
  }
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder[a] > remainder[b]; });
  // A share that was rounded up or moved away from 0 or 1 may take more than one turn.
  for (std::size_t turn = 0; given < total; ++turn) {
    const std::size_t label = order[turn % order.size()];
    if (quota[label] == members[label].size()) continue;
    ++quota[label];
    ++given;
  }
  return quota;
}

template <class T>
void append(const std::vector<T>& from, std::int64_t sample, std::int64_t size,
            std::vector<T>& to) {
  if (from.empty()) return;
  const auto begin = from.begin() + sample * size;
  to.insert(to.end(), begin, begin + size);
}

template <class T>
void reserve(const std::vector<T>& like, std::size_t count, std::vector<T>& to) {
  if (like.empty()) return;
  to.reserve(count);
  use_huge_pages(to.data(), count * sizeof(T));
}

}  // namespace

std::pair<Dataset, Dataset> split(const Dataset& data, double second_share, std::uint64_t seed) {
  if (!(second_share > 0 && second_share < 1) || data.n < 2 ||
      data.labels.size() != static_cast<std::size_t>(data.n)) {
    throw std::invalid_argument(
        "split: expected a share between 0 and 1 of two samples or more, "
        "got " +
        std::to_string(second_share) + " of " + std::to_string(data.n));
  }
  std::vector<std::vector<std::int64_t>> members = members_of(data);
  const auto total = static_cast<std::size_t>(std::clamp<std::int64_t>(
      std::llround(second_share * static_cast<double>(data.n)), 1, data.n - 1));
  const std::vector<std::size_t> quota = quotas(members, second_share, total);
  std::vector<bool> is_second(data.labels.size());
  const Random random(seed, Purpose::split);
  for (std::size_t label = 0; label < members.size(); ++label) {
    shuffle(random, label, members[label]);
    for (std::size_t i = 0; i < quota[label]; ++i) {
      is_second[static_cast<std::size_t>(members[label][i])] = true;
    }
  }
  const auto empty = [&data](std::size_t count) {
    const auto numbers = static_cast<std::size_t>(data.h * data.w * data.c);
    Dataset part{.name = data.name,
                 .h = data.h,
                 .w = data.w,
                 .c = data.c,
                 .pixels = {},
                 .labels = {},
                 .classes = data.classes,
                 .full = data.full,
                 .class_names = data.class_names};
    reserve(data.pixels, count * numbers, part.pixels);
    reserve(data.values, count * numbers, part.values);
    part.labels.reserve(count);
    return part;
  };
  std::pair<Dataset, Dataset> parts{empty(data.labels.size() - total), empty(total)};
  const std::int64_t size = data.h * data.w * data.c;
  for (std::int64_t i = 0; i < data.n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    Dataset& part = is_second[at] ? parts.second : parts.first;
    append(data.pixels, i, size, part.pixels);
    append(data.values, i, size, part.values);
    part.labels.push_back(data.labels[at]);
    ++part.n;
  }
  return parts;
}

}  // namespace nnkernels::nn
