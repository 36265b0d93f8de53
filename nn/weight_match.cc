#include "nn/weight_match.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

/// The part of a name behind the last dot.
std::string_view leaf_of(std::string_view name) { return name.substr(name.rfind('.') + 1); }

/// The part before it; empty if there is none.
std::string_view stem_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return name.substr(0, dot == std::string_view::npos ? 0 : dot);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Digits at the start of `text`, without leading zeros, and what follows.
std::pair<std::string_view, std::string_view> leading_number(std::string_view text) {
  const auto* const end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto size = static_cast<std::size_t>(end - text.begin());
  const std::size_t zeros = std::min(text.find_first_not_of('0'), size);
  return {text.substr(zeros, size - zeros), text.substr(size)};
}

/// As people sort: "fc2" before "fc10".
bool natural_less(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const auto [number_a, rest_a] = leading_number(a);
      const auto [number_b, rest_b] = leading_number(b);
      if (number_a.size() != number_b.size()) return number_a.size() < number_b.size();
      if (number_a != number_b) return number_a < number_b;
      a = rest_a;
      b = rest_b;
    } else {
      if (a.front() != b.front()) return a.front() < b.front();
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  return a.size() < b.size();
}

/// Arrays of a file that belong together.
struct Module {
  std::string name;
  std::vector<const WeightArray*> arrays;

  const WeightArray* find(std::string_view leaf) const {
    const auto found = std::find_if(arrays.begin(), arrays.end(), [&](const WeightArray* array) {
      return leaf_of(array->name) == leaf;
    });
    return found == arrays.end() ? nullptr : *found;
  }
};

class Matcher {
 public:
  Matcher(const std::string& path, std::span<const WeightArray> arrays,
          const Sequential<float>& net, WeightLayout layout)
      : path_(path), arrays_(arrays), layers_(layout_modules(net, layout)), layout_(layout) {}

  std::vector<WeightMatch> match(std::span<const std::string> order) {
    if (layout_ == WeightLayout::torch) {
      pair_modules(order);
    } else {
      pair_names();
    }
    for (const WeightArray& array : arrays_) {
      const bool used = std::any_of(pairs_.begin(), pairs_.end(),
                                    [&](const auto& pair) { return pair.second == &array; });
      if (!used) {
        fail("the array " + printable(array.name) + " of shape " + dims_text(array.shape) +
             " belongs to no layer of the architecture");
      }
    }
    std::vector<WeightMatch> matches;
    matches.reserve(pairs_.size());
    for (const auto& [tensor, array] : pairs_) {
      from_layout(*tensor, array->values);
      matches.push_back({tensor->own_name, array->name, array->shape});
    }
    return matches;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { throw FileError(path_, problem); }

  static std::string purpose(const LayoutModule& layer, const LayoutTensor& tensor) {
    return "expected shape " + dims_text(tensor.shape) + " for " + tensor.own_name + " (" +
           layer.description + ")";
  }

  bool fits(const LayoutTensor& tensor, const WeightArray& array) const {
    if (array.shape == tensor.shape) return true;
    // Tutorials add biases as rows.
    return layout_ == WeightLayout::tutorial && tensor.shape.size() == 1 &&
           array.shape == std::vector<std::int64_t>{1, tensor.shape[0]};
  }

  void take(const LayoutModule& layer, const LayoutTensor& tensor, const WeightArray* array,
            const std::string& name) {
    if (array == nullptr) {
      fail("no array " + printable(name) + ": " + purpose(layer, tensor) + ", found " +
           names_of_arrays());
    }
    if (!fits(tensor, *array)) {
      fail("array " + printable(array->name) + ": " + purpose(layer, tensor) + ", found " +
           dims_text(array->shape));
    }
    pairs_.emplace_back(&tensor, array);
  }

  /// Some of them, if there are many.
  std::string names_of_arrays() const {
    constexpr std::size_t kShown = 8;
    std::string names;
    for (std::size_t i = 0; i < std::min(kShown, arrays_.size()); ++i) {
      names += (i == 0 ? "" : ", ") + printable(arrays_[i].name);
    }
    if (arrays_.size() > kShown) names += "...";
    return names.empty() ? "no arrays" : names;
  }

  void pair_names() {
    for (const LayoutModule& layer : layers_) {
      for (const LayoutTensor& tensor : layer.tensors) {
        const auto found = std::find_if(arrays_.begin(), arrays_.end(), [&](const auto& array) {
          return array.name == tensor.name ||
                 (layout_ == WeightLayout::tutorial && tensor.name.starts_with('w') &&
                  array.name == 'W' + tensor.name.substr(1));
        });
        take(layer, tensor, found == arrays_.end() ? nullptr : &*found, tensor.name);
      }
    }
  }

  std::vector<Module> modules() const {
    std::vector<Module> modules;
    modules.reserve(arrays_.size());
    for (const WeightArray& array : arrays_) {
      const std::string_view stem = stem_of(array.name);
      auto found = std::find_if(modules.begin(), modules.end(),
                                [&](const Module& module) { return module.name == stem; });
      if (found == modules.end()) {
        modules.push_back({std::string(stem), {}});
        found = modules.end() - 1;
      }
      found->arrays.push_back(&array);
    }
    return modules;
  }

  void pair_modules(std::span<const std::string> order) {
    std::vector<Module> found = modules();
    if (!order.empty()) {
      pair_in_order(in_order(found, order));
    } else if (numbered(found)) {
      std::sort(found.begin(), found.end(),
                [](const Module& a, const Module& b) { return natural_less(a.name, b.name); });
      pair_in_order(found);
    } else {
      pair_by_shape(std::move(found));
    }
  }

  std::vector<Module> in_order(const std::vector<Module>& all,
                               std::span<const std::string> order) const {
    std::vector<Module> sorted;
    sorted.reserve(order.size());
    for (const std::string& name : order) {
      const auto found = std::find_if(all.begin(), all.end(),
                                      [&](const Module& module) { return module.name == name; });
      if (found == all.end()) {
        fail("no arrays " + printable(name + ".*") + ", found " + names_of_arrays());
      }
      sorted.push_back(*found);
    }
    return sorted;
  }

  /// Whether the modules are those of one nn.Sequential: "0", "3" or "net.0", "net.3".
  static bool numbered(const std::vector<Module>& all) {
    return std::all_of(all.begin(), all.end(), [&](const Module& module) {
      const std::string_view leaf = leaf_of(module.name);
      return stem_of(module.name) == stem_of(all.front().name) && !leaf.empty() &&
             std::all_of(leaf.begin(), leaf.end(), is_digit);
    });
  }

  void pair(const LayoutModule& layer, const Module& module) {
    for (const LayoutTensor& tensor : layer.tensors) {
      const std::string leaf(leaf_of(tensor.name));
      take(layer, tensor, module.find(leaf), module.name.empty() ? leaf : module.name + "." + leaf);
    }
  }

  void pair_in_order(const std::vector<Module>& all) {
    for (std::size_t i = 0; i < std::min(all.size(), layers_.size()); ++i) pair(layers_[i], all[i]);
    if (all.size() < layers_.size()) {
      const LayoutModule& layer = layers_[all.size()];
      fail("expected " + std::to_string(layers_.size()) + " modules with weights, found " +
           std::to_string(all.size()) + ": none for " + layer.tensors[0].own_name + " (" +
           layer.description + ")");
    }
  }

  bool alike(const LayoutModule& layer, const Module& module) const {
    return layer.tensors.size() == module.arrays.size() &&
           std::all_of(layer.tensors.begin(), layer.tensors.end(), [&](const auto& tensor) {
             const WeightArray* const array = module.find(leaf_of(tensor.name));
             return array != nullptr && fits(tensor, *array);
           });
  }

  void pair_by_shape(std::vector<Module> left) {
    for (const LayoutModule& layer : layers_) {
      // The first in the file, and the first by name.
      auto first = left.end();
      auto least = left.end();
      for (auto module = left.begin(); module != left.end(); ++module) {
        if (!alike(layer, *module)) continue;
        if (first == left.end()) first = module;
        if (least == left.end() || natural_less(module->name, least->name)) least = module;
      }
      if (first == left.end()) fail_without_module(layer, left);
      if (first != least) {
        fail("which of the modules " + printable(first->name) + " and " + printable(least->name) +
             " comes first is not certain: they have the same shapes; name all modules in the "
             "order of the layers");
      }
      pair(layer, *first);
      left.erase(first);
    }
  }

  [[noreturn]] void fail_without_module(const LayoutModule& layer,
                                        const std::vector<Module>& left) const {
    std::string expected;
    for (const LayoutTensor& tensor : layer.tensors) {
      expected += (expected.empty() ? "" : ", ") + std::string(leaf_of(tensor.name)) + " " +
                  dims_text(tensor.shape);
    }
    std::string found;
    for (const Module& module : left) {
      for (const WeightArray* array : module.arrays) {
        constexpr std::size_t kEnough = 300;
        if (found.size() > kEnough) continue;
        found +=
            (found.empty() ? "" : ", ") + printable(array->name) + " " + dims_text(array->shape);
      }
    }
    fail("no module for " + layer.tensors[0].own_name + " (" + layer.description + "): expected " +
         expected + "; left are " + (found.empty() ? "none" : found));
  }

  const std::string& path_;
  std::span<const WeightArray> arrays_;
  std::vector<LayoutModule> layers_;
  WeightLayout layout_;
  std::vector<std::pair<const LayoutTensor*, const WeightArray*>> pairs_;
};

}  // namespace

WeightLayout guess_layout(std::span<const WeightArray> arrays) {
  const auto any = [&](auto&& holds) { return std::any_of(arrays.begin(), arrays.end(), holds); };
  if (any([](const WeightArray& array) { return array.name == "w1" || array.name == "W1"; })) {
    return WeightLayout::tutorial;
  }
  if (any([](const WeightArray& array) { return leaf_of(array.name) == "weight"; })) {
    return WeightLayout::torch;
  }
  return WeightLayout::ours;
}

std::vector<WeightMatch> match_weights(const std::string& path, std::span<const WeightArray> arrays,
                                       const Sequential<float>& net, WeightLayout layout,
                                       std::span<const std::string> modules) {
  if (!modules.empty() && layout != WeightLayout::torch) {
    throw std::invalid_argument("match_weights: modules are for the layout torch, not for " +
                                weight_layout_name(layout));
  }
  return Matcher(path, arrays, net, layout).match(modules);
}

}  // namespace nnkernels::nn
