// What runtimes make of the files is for tests/interchange/onnx_test.py; this is about the bytes.
#include "nn/onnx.h"

#include <limits>
#include <map>
#include <stdexcept>
#include <vector>

#include "nn/architecture.h"
#include "nn/initialize.h"
#include "nn/protobuf.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

/// The fields of a message: numbers as numbers, all else as bytes.
struct Field {
  std::uint64_t number = 0;
  std::string bytes;
};

class Message {
 public:
  explicit Message(const std::string& bytes) {
    std::size_t at = 0;
    const auto varint = [&] {
      std::uint64_t value = 0;
      for (unsigned shift = 0;; shift += 7) {
        const auto byte = static_cast<std::uint8_t>(bytes.at(at++));
        value |= std::uint64_t{byte & 0x7FU} << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < bytes.size()) {
      const std::uint64_t key = varint();
      Field field;
      if ((key & 7) == 0) {
        field.number = varint();
      } else {
        const std::size_t size = (key & 7) == 5 ? 4 : varint();
        field.bytes = bytes.substr(at, size);
        EXPECT_EQ(field.bytes.size(), size);
        at += size;
      }
      fields_[static_cast<int>(key >> 3)].push_back(field);
    }
  }
  const std::vector<Field>& all(int field) { return fields_[field]; }
  Message message(int field, std::size_t i = 0) { return Message(fields_[field].at(i).bytes); }
  std::string text(int field, std::size_t i = 0) { return fields_[field].at(i).bytes; }
  std::uint64_t number(int field, std::size_t i = 0) { return fields_[field].at(i).number; }

 private:
  std::map<int, std::vector<Field>> fields_;
};

Sequential<float> net_of(const char* text, const Shape& input = {6, 5, 2}) {
  auto net = build<float>(input, text);
  initialize(net, Initialization::he, 3);
  return net;
}

std::string model_of(const char* text) {
  const auto net = net_of(text);
  return onnx_model(net, {.preprocessing = {.scale = 0.25, .shift = 0},
                          .classes = static_cast<std::int32_t>(net.output_shape()[0]),
                          .metadata = {{"loss", "softmax"}}});
}

// The examples of the protocol buffers documentation, "Encoding".
TEST(Protobuf, EncodesTheDocumentedExamples) {
  EXPECT_EQ(ProtobufMessage().add(1, std::int64_t{150}).bytes(), "\x08\x96\x01");
  EXPECT_EQ(ProtobufMessage().add(2, "testing").bytes(), "\x12\x07testing");
  EXPECT_EQ(ProtobufMessage().add(3, ProtobufMessage().add(1, std::int64_t{150})).bytes(),
            "\x1a\x03\x08\x96\x01");
  EXPECT_EQ(ProtobufMessage().add(1, std::int64_t{-2}).bytes(),
            "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  EXPECT_EQ(ProtobufMessage().add(20, 1.0F).bytes(), std::string("\xa5\x01\x00\x00\x80\x3f", 6));
  EXPECT_EQ(ProtobufMessage().add(1, "").bytes(), std::string("\x0a\x00", 2));
}

TEST(Onnx, HoldsNodesInOrderEachFedByTheOneBefore) {
  Message model(model_of("conv 4 3x2 pad 1, relu, dropout 0.5, globalavgpool, affine 3 nobias"));
  EXPECT_EQ(model.number(1), 7u);
  EXPECT_EQ(model.message(8).number(2), 13u);
  Message graph = model.message(7);
  const std::vector<std::string> ops = {"Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"};
  ASSERT_EQ(graph.all(1).size(), ops.size());
  std::string x = "input";
  for (std::size_t i = 0; i < ops.size(); ++i) {
    Message node = graph.message(1, i);
    EXPECT_EQ(node.text(4), ops[i]);
    EXPECT_EQ(node.text(1), x);
    x = node.text(2);
  }
  EXPECT_EQ(x, "output");
  EXPECT_EQ(graph.message(1, 0).text(1, 1), "0.weight");
  EXPECT_EQ(graph.message(1, 0).text(1, 2), "0.bias");
  EXPECT_EQ(graph.message(1, 4).all(1).size(), 2u);
  ASSERT_EQ(graph.all(5).size(), 3u);
  Message weight = graph.message(5, 0);
  ASSERT_EQ(weight.all(1).size(), 4u);
  EXPECT_EQ(weight.number(1, 2), 3u);  // [4][2][3][2]
  EXPECT_EQ(weight.text(9).size(), 4u * 2 * 3 * 2 * 4);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(graph.message(5, i).number(2), 1u);  // FLOAT
  const std::map<std::string, std::string> expected = {
      {"loss", "softmax"},
      {"nnkernels.architecture",
       "conv 4 3x2 pad 1, relu, dropout 0.5, globalavgpool, affine 3 nobias"},
      {"nnkernels.scale", "0.25"},
      {"nnkernels.shift", "0"}};
  std::map<std::string, std::string> texts;
  for (std::size_t i = 0; i < model.all(14).size(); ++i) {
    texts[model.message(14, i).text(1)] = model.message(14, i).text(2);
  }
  EXPECT_EQ(texts, expected);
}

TEST(Onnx, TellsTheShapesChannelsFirst) {
  Message graph = Message(model_of("flatten, affine 3")).message(7);
  EXPECT_EQ(graph.message(11).message(2).message(1).number(1), 1u);  // FLOAT
  EXPECT_EQ(graph.message(12).message(2).message(1).number(1), 1u);
  Message shape = graph.message(11).message(2).message(1).message(2);
  ASSERT_EQ(shape.all(1).size(), 4u);
  EXPECT_EQ(shape.message(1, 0).text(2), "n");
  EXPECT_EQ(shape.message(1, 1).number(1), 2u);
  EXPECT_EQ(shape.message(1, 2).number(1), 6u);
  EXPECT_EQ(shape.message(1, 3).number(1), 5u);
  Message output = graph.message(12).message(2).message(1).message(2);
  ASSERT_EQ(output.all(1).size(), 2u);
  EXPECT_EQ(output.message(1, 1).number(1), 3u);
}

TEST(Onnx, TheSameNetworkGivesTheSameBytes) {
  EXPECT_EQ(model_of("flatten, affine 3"), model_of("flatten, affine 3"));
}

TEST(Onnx, RefusesWhatItCannotHold) {
  const auto error_of = [](const Sequential<float>& net) -> std::string {
    try {
      onnx_model(net, {});
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_TRUE(contains(error_of(Sequential<float>(Shape{4})), "no layers"));
  EXPECT_TRUE(contains(error_of(net_of("relu, flatten, affine 2", {4, 5})),
                       "images or vectors, got the shape [4, 5] before layer 1"));
  auto net = net_of("flatten, affine 2");
  net.parameters()[0]->value[5] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(contains(error_of(net), "1.w has a weight that is not finite"));
}

}  // namespace
}  // namespace nnkernels::nn
