#include "nn/architecture.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "nn/conv2d.h"
#include "nn/layer.h"

namespace nnkernels::nn {
namespace {

TEST(Architecture, BuildsTheTwoModels) {
  const auto mlp = build<float>(model_input(), model_architecture("mlp"));
  EXPECT_EQ(mlp.parameter_count(), 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10);
  const auto cnn = build<double>(model_input(), model_architecture("cnn"));
  EXPECT_EQ(cnn.parameter_count(), 25 * 30 + 30 + 4320 * 100 + 100 + 100 * 10 + 10);
  EXPECT_EQ(cnn.output_shape(), Shape{10});
  EXPECT_EQ(cnn.parameter_names(),
            (std::vector<std::string>{"0.w", "0.b", "4.w", "4.b", "6.w", "6.b"}));
  EXPECT_THROW(model_architecture("vgg"), std::invalid_argument);
}

TEST(Architecture, ComesBackAsItWas) {
  for (const std::string& text :
       {std::string(model_architecture("mlp")), std::string(model_architecture("cnn")),
        std::string("conv 4 3x5 stride 2x1 pad 1 dilation 2x1, sigmoid, maxpool 3 stride 2 pad 1, "
                    "avgpool 2x3 stride 1 pad 0x1 divisor window, tanh, avgpool 2, flatten, "
                    "affine 7"),
        std::string("conv 4 3x3 nobias, batchnorm, leakyrelu 0.25, dropout 0.125, globalavgpool, "
                    "affine 7 nobias, softmax"),
        std::string("conv 2 3x3, batchnorm momentum 0.5, batchnorm epsilon 1e-12, batchnorm "
                    "momentum 0.3333333333333333 epsilon 0.01, flatten, affine 2"),
        std::string("conv 6 3x3 pad 1 groups 3, conv 6 3x3 groups 6, flatten, affine 2")}) {
    EXPECT_EQ(architecture_of(build<float>({28, 28, 3}, text)), text);
  }
}

TEST(Architecture, IsLenientInForm) {
  const auto net =
      build<float>({10, 10, 1}, "  Conv 4 3 pad 1x1,RELU ,maxpool 2 stride 2x2,\tflatten, Dense 5");
  EXPECT_EQ(architecture_of(net), "conv 4 3x3 pad 1, relu, maxpool 2, flatten, affine 5");
  EXPECT_EQ(static_cast<const Conv2d<float>&>(net.layer(0)).options(),
            (Conv2dOptions{.ic = 1, .oc = 4, .kh = 3, .kw = 3, .pad_h = 1, .pad_w = 1}));
}

std::string message_of(const std::string& text, const Shape& input = {28, 28, 1},
                       std::int64_t most = kMaxParameters) {
  try {
    build<float>(input, text, most);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(Architecture, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(message_of("flatten, afine 10"),
            "build: layer 2: unknown layer \"afine\"; did you mean \"affine\"?");
  EXPECT_EQ(message_of("conv 30 5x5, rleu"),
            "build: layer 2: unknown layer \"rleu\"; did you mean \"relu\"?");
  EXPECT_EQ(message_of("batchnorm momentum"),
            "build: layer 1: expected a number after \"momentum\"");
  EXPECT_EQ(message_of("batchnorm epsilon 0.1 momentum 0.1"),
            "build: layer 1: unexpected \"momentum\"");
  EXPECT_EQ(message_of("conv 3 3 strde 2"),
            "build: layer 1: unknown option \"strde\"; did you mean \"stride\"?");
  EXPECT_EQ(message_of("batchnormalization"),
            "build: layer 1: unknown layer \"batchnormalization\"; did you mean \"batchnorm\"?");
  EXPECT_EQ(message_of("qqqq"),
            "build: layer 1: unknown layer \"qqqq\"; known are conv, maxpool, avgpool, "
            "globalavgpool, relu, leakyrelu, sigmoid, tanh, softmax, flatten, affine, dense, "
            "linear, batchnorm, dropout");
  EXPECT_EQ(message_of("dropout 1"),
            "build: layer 1: Dropout: p must be at least 0 and less than 1, got 1.000000");
  EXPECT_EQ(message_of("leakyrelu half"),
            "build: layer 1: expected a slope between 0 and 1, got \"half\"");
  EXPECT_EQ(message_of("batchnorm 3"), "build: layer 1: unexpected \"3\"");
  EXPECT_EQ(message_of("flatten, affine 3 nobais"),
            "build: layer 2: unknown option \"nobais\"; did you mean \"nobias\"?");
  EXPECT_EQ(message_of("maxpool 2 dilation 2"),
            "build: layer 1: unknown option \"dilation\"; known are stride, pad");
  EXPECT_EQ(message_of("flatten,, relu"), "build: layer 2: expected a layer");
  EXPECT_EQ(message_of(""), "build: layer 1: expected a layer");
  EXPECT_EQ(message_of("conv 30"), "build: layer 1: expected a kernel size after \"30\"");
  EXPECT_EQ(message_of("conv 30 5y5"),
            "build: layer 1: expected a kernel size (at least 1), got \"5y5\"");
  EXPECT_EQ(message_of("conv 30 5x"),
            "build: layer 1: expected a kernel size (at least 1), got \"5x\"");
  EXPECT_EQ(message_of("conv 0 5"),
            "build: layer 1: expected a number of channels (at least 1), got \"0\"");
  EXPECT_EQ(message_of("conv 3 3 stride 0"),
            "build: layer 1: expected a stride (at least 1), got \"0\"");
  EXPECT_EQ(message_of("conv 3 3 pad 1 pad 2"), "build: layer 1: \"pad\" is there twice");
  EXPECT_EQ(message_of("conv 4 3 groups 2"),
            "build: layer 1: groups must divide the channels, got 1 in, 4 out, 2 groups");
  EXPECT_EQ(message_of("conv 4 3 groups 0"),
            "build: layer 1: expected a number of groups (at least 1), got \"0\"");
  EXPECT_EQ(message_of("relu 3"), "build: layer 1: unexpected \"3\"");
  EXPECT_EQ(message_of("avgpool 2 divisor all"),
            "build: layer 1: expected inside or window, got \"all\"");
  EXPECT_EQ(message_of("affine 10"),
            "build: layer 1: Affine 784->10: expected samples of shape [784], got [28, 28, 1]; put "
            "a Flatten before");
  EXPECT_EQ(message_of("flatten, conv 3 3"),
            "build: layer 2: conv takes samples of shape [h, w, c], got [784]");
  EXPECT_EQ(message_of("maxpool 3 pad 2").substr(0, 26), "build: layer 1: MaxPool2d:");
  EXPECT_EQ(message_of("conv 3 29").substr(0, 15), "build: layer 1:");
}

TEST(Architecture, RefusesTooManyParametersBeforeItAllocatesThem) {
  EXPECT_EQ(message_of("flatten, affine 2000000000"), "build: layer 2: too many parameters");
  EXPECT_EQ(message_of("conv 2000000000 2000000000x2000000000"),
            "build: layer 1: too many parameters");
  EXPECT_EQ(
      message_of("affine 99999999999", {4}),
      "build: layer 1: expected a number of outputs (at most 2147483648), got \"99999999999\"");
  EXPECT_EQ(message_of("batchnorm, batchnorm", {5}, 40), "");
  EXPECT_EQ(message_of("batchnorm, batchnorm", {5}, 39), "build: layer 2: too many parameters");
  EXPECT_EQ(message_of("affine 5, affine 5", {5}, 50), "");
  EXPECT_EQ(message_of("affine 5, affine 5", {5}, 49), "build: layer 2: too many parameters");
}

TEST(Architecture, RefusesWhatIsTooLong) {
  std::string text = "relu";
  for (int i = 1; i < 1000; ++i) text += ",relu";
  EXPECT_EQ(message_of(text), "");
  EXPECT_EQ(message_of(text + ",relu"), "build: layer 1001: more than 1000 layers");
  EXPECT_EQ(message_of("relu" + std::string(65536, ' ')),
            "build: expected at most 65536 bytes of text, got 65540");
}

TEST(Architecture, RefusesActivationsThatAreTooLarge) {
  EXPECT_EQ(message_of("avgpool 1", {16384, 16384, 1}), "");
  EXPECT_EQ(message_of("avgpool 1", {16384, 16385, 1}),
            "build: expected samples of at most 268435456 numbers, got [16384, 16385, 1]");
  EXPECT_EQ(message_of("conv 2 1 pad 100000").substr(0, 42),
            "build: layer 1: its output of shape [20002");
}

class Unknown : public Layer<float> {
 public:
  std::string type() const override { return "Unknown"; }
  Shape output_shape(const Shape& x) const override { return x; }
  void forward(TensorView<const float>, TensorView<float>, std::int64_t) override {}
  void backward(TensorView<const float>, TensorView<const float>, TensorView<const float>,
                TensorView<float>, Gradients<float>&, std::int64_t) override {}
};

TEST(Architecture, HasNoTextForOtherLayers) {
  Sequential<float> net({3});
  net.add<Unknown>();
  EXPECT_THROW(architecture_of(net), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
