#include "nn/weight_match.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "nn/architecture.h"
#include "nn/model_file.h"
#include "nn/onnx.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

constexpr const char* kNumbered =
    "batchnorm, conv 4 2x3 groups 2, relu, maxpool 2, flatten, batchnorm, affine 3 nobias, affine "
    "3";

/// Every weight another number.
Sequential<float> numbered_net(const char* text = kNumbered) {
  auto net = build<float>({7, 8, 2}, text);
  float next = 0;
  const auto fill = [&next](Tensor<float>& tensor) {
    for (float& value : tensor) value = ++next;
  };
  for (Parameter<float>* parameter : net.parameters()) fill(parameter->value);
  for (Buffer<float>* buffer : net.buffers()) fill(buffer->value);
  return net;
}

std::vector<WeightArray> arrays_of(const Sequential<float>& net, WeightLayout layout) {
  std::vector<WeightArray> arrays;
  for (const LayoutModule& module : layout_modules(net, layout)) {
    for (const LayoutTensor& tensor : module.tensors) {
      arrays.push_back({tensor.name, tensor.shape, to_layout(tensor)});
    }
  }
  return arrays;
}

const WeightArray& named(const std::vector<WeightArray>& arrays, const std::string& name) {
  for (const WeightArray& array : arrays) {
    if (array.name == name) return array;
  }
  throw std::out_of_range(name);
}

std::string match_error(const std::vector<WeightArray>& arrays, WeightLayout layout,
                        const char* text = kNumbered,
                        const std::vector<std::string>& modules = {}) {
  const auto net = numbered_net(text);
  const std::string before = weights_sha256(net);
  const std::string error =
      file_error("file", [&] { match_weights("file", arrays, net, layout, modules); });
  EXPECT_EQ(weights_sha256(net), before);
  return error;
}

TEST(WeightLayout, NamesAndShapesAreTheirs) {
  const auto net = numbered_net();
  const auto torch = arrays_of(net, WeightLayout::torch);
  EXPECT_EQ(named(torch, "1.weight").shape, (std::vector<std::int64_t>{4, 1, 2, 3}));
  EXPECT_EQ(named(torch, "0.running_var").shape, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(named(torch, "6.weight").shape, (std::vector<std::int64_t>{3, 36}));
  EXPECT_EQ(named(torch, "7.bias").shape, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(torch.size(), 13u);
  const auto tutorial = arrays_of(net, WeightLayout::tutorial);
  EXPECT_EQ(named(tutorial, "w1").shape, (std::vector<std::int64_t>{4, 1, 2, 3}));
  EXPECT_EQ(named(tutorial, "gamma0").shape, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(named(tutorial, "w2").shape, (std::vector<std::int64_t>{36, 3}));
  EXPECT_EQ(named(tutorial, "b3").shape, (std::vector<std::int64_t>{3}));
  EXPECT_THROW(named(tutorial, "b2"), std::out_of_range);
  for (const auto& [name, layout] :
       {std::pair("ours", WeightLayout::ours), std::pair("torch", WeightLayout::torch),
        std::pair("tutorial", WeightLayout::tutorial)}) {
    EXPECT_EQ(weight_layout(name), layout);
    EXPECT_EQ(weight_layout_name(layout), name);
  }
  EXPECT_FALSE(weight_layout("Torch"));
}

// The formulas of docs/layouts.md, element by element.
TEST(WeightLayout, MovesElementsAsDocumented) {
  const auto net = build<float>({5, 4, 3}, "conv 6 2x3, flatten, batchnorm, affine 7, affine 2");
  float next = 0;
  for (Parameter<float>* parameter : net.parameters()) {
    for (float& value : parameter->value) value = ++next;
  }
  const auto arrays = arrays_of(net, WeightLayout::torch);
  const auto tutorial = arrays_of(net, WeightLayout::tutorial);
  const auto parameters = net.parameters();
  const auto at = [](const std::vector<float>& values, int i) {
    return values[static_cast<std::size_t>(i)];
  };
  for (int kh = 0; kh < 2; ++kh) {
    for (int kw = 0; kw < 3; ++kw) {
      for (int ic = 0; ic < 3; ++ic) {
        for (int oc = 0; oc < 6; ++oc) {
          const int theirs = ((oc * 3 + ic) * 2 + kh) * 3 + kw;
          const float ours = parameters[0]->value[((kh * 3 + kw) * 3 + ic) * 6 + oc];
          EXPECT_EQ(at(named(arrays, "0.weight").values, theirs), ours);
          EXPECT_EQ(at(named(tutorial, "w1").values, theirs), ours);
        }
      }
    }
  }
  // Behind the Flatten of [4][2][6].
  for (int h = 0; h < 4; ++h) {
    for (int w = 0; w < 2; ++w) {
      for (int c = 0; c < 6; ++c) {
        const int ours = (h * 2 + w) * 6 + c;
        const int theirs = (c * 4 + h) * 2 + w;
        EXPECT_EQ(at(named(arrays, "2.weight").values, theirs), parameters[2]->value[ours]);
        EXPECT_EQ(at(named(tutorial, "gamma1").values, theirs), parameters[2]->value[ours]);
        for (int out = 0; out < 7; ++out) {
          const float value = parameters[4]->value[ours * 7 + out];
          EXPECT_EQ(at(named(arrays, "3.weight").values, out * 48 + theirs), value);
          EXPECT_EQ(at(named(tutorial, "w2").values, theirs * 7 + out), value);
        }
      }
    }
  }
  EXPECT_EQ(at(named(arrays, "4.weight").values, 1 * 7 + 3), parameters[6]->value[3 * 2 + 1]);
  EXPECT_EQ(at(named(tutorial, "w3").values, 3 * 2 + 1), parameters[6]->value[3 * 2 + 1]);
}

TEST(WeightMatch, BringsBackWhatWentOut) {
  const auto net = numbered_net();
  for (const WeightLayout layout :
       {WeightLayout::ours, WeightLayout::torch, WeightLayout::tutorial}) {
    const auto arrays = arrays_of(net, layout);
    EXPECT_EQ(guess_layout(arrays), layout);
    const auto back = build<float>({7, 8, 2}, kNumbered);
    const auto matches = match_weights("file", arrays, back, layout);
    EXPECT_EQ(weights_sha256(back), weights_sha256(net));
    ASSERT_EQ(matches.size(), 13u);
    EXPECT_EQ(matches[0].tensor, "0.gamma");
    EXPECT_EQ(matches[0].array, arrays[0].name);
  }
}

TEST(WeightMatch, NumbersOrderModulesOfASequential) {
  const char* const text = "flatten, affine 4, affine 4, affine 4";
  const auto net = numbered_net(text);
  std::vector<WeightArray> arrays;
  const std::string names[] = {"net.2", "net.9", "net.10"};
  for (const WeightArray& array : arrays_of(net, WeightLayout::torch)) {
    const auto layer = static_cast<std::size_t>(array.name[0] - '1');
    arrays.push_back({names[layer] + array.name.substr(1), array.shape, array.values});
  }
  // As files that sort by name have them: net.10 first.
  std::rotate(arrays.begin(), arrays.begin() + 4, arrays.end());
  const auto back = build<float>({7, 8, 2}, text);
  match_weights("file", arrays, back, WeightLayout::torch);
  EXPECT_EQ(weights_sha256(back), weights_sha256(net));
}

TEST(WeightMatch, ShapesTellModulesApartOrTheUserDoes) {
  const char* const text = "flatten, affine 5, affine 5, affine 5, affine 2";
  const auto net = numbered_net(text);
  const auto with_names = [&](const std::vector<std::string>& names) {
    std::vector<WeightArray> arrays;
    for (const WeightArray& array : arrays_of(net, WeightLayout::torch)) {
      const auto layer = static_cast<std::size_t>(array.name[0] - '1');
      arrays.push_back({names[layer] + array.name.substr(1), array.shape, array.values});
    }
    return arrays;
  };
  const auto loads = [&](std::vector<WeightArray> arrays, const std::vector<std::string>& modules) {
    const auto back = build<float>({7, 8, 2}, text);
    match_weights("file", arrays, back, WeightLayout::torch, modules);
    return weights_sha256(back) == weights_sha256(net);
  };
  auto arrays = with_names({"stem", "fc9", "fc10", "head"});
  EXPECT_TRUE(loads(arrays, {}));
  // In the file, the order of modules of other shapes does not matter.
  std::rotate(arrays.begin(), arrays.begin() + 6, arrays.end());
  EXPECT_TRUE(loads(arrays, {}));
  const auto twins = with_names({"stem", "second", "after", "head"});
  EXPECT_TRUE(contains(match_error(twins, WeightLayout::torch, text),
                       "which of the modules \"second\" and \"after\" comes first is not certain"));
  EXPECT_TRUE(loads(twins, {"stem", "second", "after", "head"}));
  EXPECT_TRUE(contains(match_error(twins, WeightLayout::torch, text, {"stem", "first"}),
                       "no arrays \"first.*\", found \"stem.weight\""));
  EXPECT_TRUE(contains(match_error(twins, WeightLayout::torch, text, {"stem", "second"}),
                       "expected 4 modules with weights, found 2: none for 3.w (Affine"));
  EXPECT_TRUE(contains(
      match_error(twins, WeightLayout::torch, text, {"second", "stem", "after", "head"}),
      "array \"second.weight\": expected shape [5, 112] for 1.w (Affine 112->5), found [5, 5]"));
}

TEST(WeightMatch, TutorialsMayWriteCapitalsAndRows) {
  const auto net = numbered_net("flatten, affine 4, affine 3");
  auto arrays = arrays_of(net, WeightLayout::tutorial);
  arrays[0].name = "W1";
  arrays[1].shape = {1, 4};
  const auto back = build<float>({7, 8, 2}, "flatten, affine 4, affine 3");
  EXPECT_EQ(guess_layout(arrays), WeightLayout::tutorial);
  match_weights("file", arrays, back, WeightLayout::tutorial);
  EXPECT_EQ(weights_sha256(back), weights_sha256(net));
}

TEST(WeightMatch, SaysWhatDoesNotFit) {
  const auto net = numbered_net();
  for (const auto& [layout, name, shape] : {std::tuple(WeightLayout::ours, "6.w", "[36, 3]"),
                                            std::tuple(WeightLayout::torch, "6.weight", "[3, 36]"),
                                            std::tuple(WeightLayout::tutorial, "w2", "[36, 3]")}) {
    const std::string purpose =
        std::string("expected shape ") + shape + " for 6.w (Affine 36->3 nobias), found ";
    auto wrong = arrays_of(net, layout);
    const auto place = static_cast<std::size_t>(&named(wrong, name) - wrong.data());
    wrong[place].shape = {36, 4};
    wrong[place].values.resize(144);
    EXPECT_EQ(match_error(wrong, layout),
              "file: array \"" + std::string(name) + "\": " + purpose + "[36, 4]");
    auto missing = arrays_of(net, layout);
    missing[place].name = std::string(name) + "x";
    EXPECT_TRUE(contains(match_error(missing, layout),
                         "no array \"" + std::string(name) + "\": " + purpose + "\""));
    auto more = arrays_of(net, layout);
    more.push_back({"7.extra", {2}, {1, 2}});
    EXPECT_TRUE(contains(match_error(more, layout),
                         "the array \"7.extra\" of shape [2] belongs to no layer"));
  }
  auto free_names = arrays_of(net, WeightLayout::torch);
  for (WeightArray& array : free_names) array.name = "layer" + array.name;
  free_names[4].shape = {4, 1, 3, 2};
  const std::string error = match_error(free_names, WeightLayout::torch);
  EXPECT_TRUE(contains(error, "no module for 1.w (Conv2d")) << error;
  EXPECT_TRUE(contains(error, "expected weight [4, 1, 2, 3], bias [4]; left are \"layer1.weight\""))
      << error;
}

TEST(WeightMatch, ABatchNormOfVectorsIsAsItIs) {
  const auto net = build<float>({7}, "affine 6, batchnorm, relu, affine 3");
  for (const WeightLayout layout : {WeightLayout::torch, WeightLayout::tutorial}) {
    const LayoutModule norm = layout_modules(net, layout).at(1);
    ASSERT_EQ(norm.tensors.size(), 4u);
    for (const LayoutTensor& tensor : norm.tensors) {
      for (std::int64_t i = 0; i < 6; ++i) (*tensor.value)[i] = static_cast<float>(i);
      EXPECT_EQ(to_layout(tensor), (std::vector<float>{0, 1, 2, 3, 4, 5})) << tensor.name;
    }
  }
}

TEST(WeightMatch, RefusesOutputsInAnotherOrder) {
  for (const char* text : {"flatten", "conv 2 2x2, flatten, batchnorm, softmax"}) {
    const auto net = build<float>({3, 3, 2}, text);
    EXPECT_THROW(layout_modules(net, WeightLayout::torch), std::invalid_argument) << text;
    EXPECT_THROW(layout_modules(net, WeightLayout::tutorial), std::invalid_argument) << text;
    EXPECT_NO_THROW(layout_modules(net, WeightLayout::ours)) << text;
    EXPECT_THROW(onnx_model(net, {.preprocessing = {},
                                  .classes = static_cast<std::int32_t>(net.output_shape()[0]),
                                  .metadata = {}}),
                 std::invalid_argument)
        << text;
  }
  for (const char* text : {"conv 1 2x2, flatten", "conv 5 3x3, flatten"}) {
    EXPECT_NO_THROW(layout_modules(build<float>({3, 3, 2}, text), WeightLayout::torch)) << text;
  }
}

TEST(WeightMatch, RefusesWhatALayoutHasNoNameFor) {
  const auto net = numbered_net("conv 2 2x2, batchnorm, batchnorm, flatten, affine 3");
  EXPECT_THROW(layout_modules(net, WeightLayout::tutorial), std::invalid_argument);
  const auto arrays = arrays_of(net, WeightLayout::torch);
  const std::vector<std::string> modules = {"0"};
  EXPECT_THROW(match_weights("file", arrays, net, WeightLayout::ours, modules),
               std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
