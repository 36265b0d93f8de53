#include "nn/model_exchange.h"

#include <stdexcept>
#include <utility>

#include "nn/architecture.h"
#include "nn/initialize.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

constexpr const char* kNormalized =
    "conv 2 2x2 nobias, batchnorm, relu, maxpool 2, flatten, affine 3";

Sequential<float> normalized_net() {
  auto net = build<float>({5, 5, 1}, kNormalized);
  initialize(net, Initialization::he, 7);
  net.buffers()[0]->value[1] = 0.25F;
  return net;
}

ModelInfo normalized_info() {
  return {.preprocessing = {.scale = 1.0 / 3, .shift = -0.1},
          .classes = 3,
          .metadata = {{"seed", "7"}, {"note", "caf\xc3\xa9"}}};
}

ModelDescription normalized_description() {
  return {.architecture = kNormalized,
          .input = {5, 5, 1},
          .preprocessing = {.scale = 0.5, .shift = 2},
          .layout = {},
          .modules = {}};
}

void expect_normalized(const Model& model) {
  EXPECT_EQ(weights_sha256(model.net), weights_sha256(normalized_net()));
  EXPECT_EQ(architecture_of(model.net), architecture_of(normalized_net()));
  EXPECT_EQ(model.net.input_shape(), (Shape{5, 5, 1}));
  EXPECT_EQ(model.info.preprocessing.scale, 1.0 / 3);
  EXPECT_EQ(model.info.preprocessing.shift, -0.1);
  EXPECT_EQ(model.info.classes, 3);
  EXPECT_EQ(model.info.metadata, normalized_info().metadata);
}

ImportedModel import(const std::string& path) { return import_model(path, read_weight_file(path)); }

std::string import_error(const std::string& path, const WeightFile& file) {
  return file_error(path, [&] { import_model(path, file); });
}

TEST(ModelExchange, EveryFormatAndLayoutComesBack) {
  const TempFolder folder;
  for (const WeightLayout layout :
       {WeightLayout::ours, WeightLayout::torch, WeightLayout::tutorial}) {
    for (const char* name : {"a.npz", "a.safetensors"}) {
      export_model(folder.file(name), normalized_net(), normalized_info(), layout);
      EXPECT_TRUE(describes_itself(read_weight_file(folder.file(name))));
      const ImportedModel imported = import(folder.file(name));
      EXPECT_EQ(imported.layout, layout);
      expect_normalized(imported.model);
    }
  }
}

// A flipped bit is noticed, or is where it means nothing (a time in an archive).
TEST(ModelExchange, NoFlippedBitChangesAModelUnnoticed) {
  const TempFolder folder;
  for (const char* name : {"a.npz", "a.safetensors"}) {
    export_model(folder.file(name), normalized_net(), normalized_info(), WeightLayout::torch);
    const Bytes good = slurp(folder.file(name));
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      SCOPED_TRACE(std::string(name) + " bit " + std::to_string(bit));
      Bytes flipped = good;
      flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << bit % 8));
      const std::string path = folder.put("flipped", flipped);
      try {
        const WeightFile file = read_weight_file(path);
        if (!describes_itself(file)) continue;  // asks the user what it is
        const ImportedModel imported = import_model(path, file);
        EXPECT_EQ(weights_sha256(imported.model.net), weights_sha256(normalized_net()));
        EXPECT_EQ(imported.model.info.preprocessing.scale, 1.0 / 3);
        EXPECT_EQ(imported.model.info.preprocessing.shift, -0.1);
        EXPECT_EQ(architecture_of(imported.model.net), architecture_of(normalized_net()));
      } catch (const FileError&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, good.size() * 8 / 2);
  }
}

TEST(ModelExchange, BareWeightsNeedADescription) {
  const TempFolder folder;
  export_model(folder.file("a.npz"), normalized_net(), normalized_info(), WeightLayout::torch);
  WeightFile bare = read_weight_file(folder.file("a.npz"));
  bare.texts.clear();
  EXPECT_FALSE(describes_itself(bare));
  EXPECT_TRUE(contains(import_error("bare", bare), "no nnkernels.layout"));
  const ImportedModel imported = import_model("bare", bare, normalized_description());
  EXPECT_EQ(imported.layout, WeightLayout::torch);
  EXPECT_EQ(weights_sha256(imported.model.net), weights_sha256(normalized_net()));
  EXPECT_EQ(imported.model.info.preprocessing.scale, 0.5);
  EXPECT_EQ(imported.model.info.preprocessing.shift, 2);
  EXPECT_EQ(imported.model.info.classes, 3);

  ModelDescription wrong = normalized_description();
  wrong.architecture = "conv 2 2x2";
  EXPECT_THROW(import_model("bare", bare, wrong), std::invalid_argument);
  wrong.architecture = "flaten, affine 3";
  EXPECT_THROW(import_model("bare", bare, wrong), std::invalid_argument);
  // 2^40 weights for a file of a few: before any memory is taken.
  wrong.architecture = "flatten, affine 1048576, affine 1048576, affine 3";
  EXPECT_THROW(import_model("bare", bare, wrong), std::invalid_argument);
}

TEST(ModelExchange, SaysWhatIsWrongWithADescription) {
  const TempFolder folder;
  export_model(folder.file("a.npz"), normalized_net(), normalized_info(), WeightLayout::ours);
  const WeightFile good = read_weight_file(folder.file("a.npz"));
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"nnkernels.layout", {"keras", "expected ours, torch or tutorial, found \"keras\""}},
      {"nnkernels.input", {"5x0x1", "expected a shape such as 28x28x1, found \"5x0x1\""}},
      {"nnkernels.scale", {"nan", "nnkernels.scale: expected a number, found \"nan\""}},
      {"nnkernels.shift", {"", "nnkernels.shift: expected a number, found \"\""}},
      {"nnkernels.classes", {"4", "nnkernels.classes: expected 3, found \"4\""}},
      {"nnkernels.architecture", {"rleu", "nnkernels.architecture: build: layer 1: unknown layer"}},
      {"nnkernels.checksum", {"00", "do not have the checksum"}},
      {"seed", {"8", "do not have the checksum"}}};
  for (const auto& [key, change] : cases) {
    WeightFile changed = good;
    changed.texts[key] = change.first;
    const std::string error = import_error("changed", changed);
    EXPECT_TRUE(contains(error, change.second)) << error;
    if (std::string(key) == "nnkernels.checksum" || std::string(key) == "seed") continue;
    changed.texts.erase(key);
    EXPECT_FALSE(std::string(key) != "nnkernels.layout" && import_error("cut", changed).empty());
  }
  WeightFile unknown = good;
  unknown.texts.erase("nnkernels.checksum");
  expect_normalized(import_model("changed", unknown).model);
  unknown.texts["nnkernels.other"] = "1";
  EXPECT_TRUE(contains(import_error("x", unknown), "unknown text \"nnkernels.other\""));
  ModelInfo reserved = normalized_info();
  reserved.metadata["nnkernels.x"] = "1";
  EXPECT_THROW(export_model(folder.file("b.npz"), normalized_net(), reserved, WeightLayout::ours),
               std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
