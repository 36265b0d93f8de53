#include "nn/model_file.h"

#include <sys/resource.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>

#include "nn/activation_layers.h"
#include "nn/affine.h"
#include "nn/architecture.h"
#include "nn/batch_norm.h"
#include "nn/checkpoint.h"
#include "nn/data/safetensors.h"
#include "nn/data/sha256.h"
#include "nn/flatten.h"
#include "nn/initialize.h"
#include "nn/model_exchange.h"
#include "nn/update_rules.h"
#include "tests/nn/file_fixtures.h"
#include "tests/nn/fixtures.h"

namespace nnkernels::nn {
namespace {

constexpr const char* kSmall = "conv 2 2x2, relu, maxpool 2, flatten, affine 3";

Sequential<float> small_net() {
  Sequential<float> net = build<float>({5, 5, 1}, kSmall);
  initialize(net, Initialization::he, 7);
  return net;
}

ModelInfo small_info() {
  return {.preprocessing = {.scale = 1.0 / 3, .shift = -0.1},
          .classes = 3,
          .metadata = {{"seed", "7"}, {"note", "\"quoted\", nnkernels.checksum\n\xc3\xa9"}}};
}

std::string saved_small(const TempFolder& folder) {
  const std::string path = folder.file("model.safetensors");
  save_model(path, small_net(), small_info());
  return path;
}

// The constants of a BatchNorm are no weights, but change what the network computes.
TEST(ModelFile, HoldsTheConstantsOfABatchNorm) {
  const TempFolder folder;
  const std::string path = folder.file("model.safetensors");
  Sequential<float> net(Shape{4});
  net.add(std::make_unique<BatchNorm<float>>(4, 0.01, 0.5));
  initialize(net, Initialization::he, 7);
  save_model(path, net, {.preprocessing = {}, .classes = 4, .metadata = {}});
  const Model back = load_model(path);
  const auto& norm = dynamic_cast<const BatchNorm<float>&>(back.net.layer(0));
  EXPECT_EQ(norm.momentum(), 0.01);
  EXPECT_EQ(norm.epsilon(), 0.5);
}

std::string load_error(const std::string& path) {
  return file_error(path, [&] { load_model(path); });
}

/// A copy of the model at `path` in which every `from` is replaced by `to` of the same length, with
/// a checksum that fits: a file that is not damaged but crafted.
std::string crafted(const TempFolder& folder, const std::string& path, const std::string& from,
                    const std::string& to) {
  EXPECT_EQ(from.size(), to.size());
  const Bytes bytes = slurp(path);
  std::string file(bytes.begin(), bytes.end());
  std::size_t count = 0;
  for (std::size_t at = 0; (at = file.find(from, at)) != std::string::npos; at += to.size()) {
    file.replace(at, from.size(), to);
    ++count;
  }
  EXPECT_GT(count, 0u) << from;
  const std::string key = "\"nnkernels.checksum\":\"";
  const std::size_t place = file.find(key) + key.size();
  file.replace(place, 64, std::string(64, '0'));
  file.replace(place, 64, sha256(bytes_of_text(file)));
  return folder.put("crafted", bytes_of_text(file));
}

// Running moments are part of the network: saved, loaded and hashed.
TEST(ModelFile, HoldsBuffers) {
  const TempFolder folder;
  const std::string path = folder.file("model.safetensors");
  auto net = build<float>({5, 5, 1}, "conv 2 2x2 nobias, batchnorm, flatten, affine 3");
  initialize(net, Initialization::he, 7);
  const std::string before = weights_sha256(net);
  net.buffers()[0]->value[1] = 0.25F;
  EXPECT_NE(weights_sha256(net), before);
  save_model(path, net, small_info());
  const Model model = load_model(path);
  EXPECT_EQ(weights_sha256(model.net), weights_sha256(net));
  EXPECT_EQ(model.net.buffers()[0]->value[1], 0.25F);
  EXPECT_EQ(model.net.buffers()[1]->value[1], 1.0F);
  EXPECT_EQ(net.buffer_names(), (std::vector<std::string>{"1.running_mean", "1.running_var"}));
  const Bytes bytes = slurp(path);
  const std::string file(bytes.begin(), bytes.end());
  EXPECT_NE(file.find("\"1.running_mean\""), std::string::npos);
  net.buffers()[1]->value[0] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(save_model(path, net, small_info()), std::invalid_argument);
}

TEST(ModelFile, LoadsWhatWasSaved) {
  const TempFolder folder;
  const std::string path = saved_small(folder);
  const Model model = load_model(path);
  EXPECT_EQ(architecture_of(model.net), architecture_of(small_net()));
  EXPECT_EQ(model.net.input_shape(), (Shape{5, 5, 1}));
  EXPECT_EQ(weights_sha256(model.net), weights_sha256(small_net()));
  EXPECT_EQ(model.info.preprocessing.scale, 1.0 / 3);
  EXPECT_EQ(model.info.preprocessing.shift, -0.1);
  EXPECT_EQ(model.info.classes, 3);
  EXPECT_EQ(model.info.metadata, small_info().metadata);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"model.safetensors"});
}

TEST(ModelFile, TheSameModelGivesTheSameBytes) {
  const TempFolder folder;
  const Bytes first = slurp(saved_small(folder));
  const Model model = load_model(folder.file("model.safetensors"));
  save_model(folder.file("again"), model.net, model.info);
  EXPECT_EQ(slurp(folder.file("again")), first);
}

TEST(ModelFile, IsASafetensorsFile) {
  const TempFolder folder;
  const Bytes file = slurp(saved_small(folder));
  const SafetensorsHeader header = parse_safetensors("x", file);
  EXPECT_EQ(header.data_start % 8, 0);
  const Sequential<float> net = small_net();
  ASSERT_EQ(header.tensors.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const SafetensorsEntry& entry = header.tensors[i];
    EXPECT_EQ(entry.name, net.parameter_names()[i]);
    EXPECT_EQ(entry.dtype, "F32");
    const Tensor<float>& value = net.parameters()[i]->value;
    ASSERT_EQ(entry.end - entry.begin, value.size() * 4);
    EXPECT_EQ(std::memcmp(file.data() + header.data_start + entry.begin, value.data(),
                          static_cast<std::size_t>(entry.end - entry.begin)),
              0);
  }
  EXPECT_EQ(header.tensors[0].shape, (std::vector<std::int64_t>{2, 2, 1, 2}));
  EXPECT_EQ(header.metadata.at("nnkernels.input"), "5x5x1");
  EXPECT_EQ(header.metadata.at("nnkernels.shift"), "-0.1");
}

TEST(ModelFile, RefusesEveryBitFlip) {
  const TempFolder folder;
  const Bytes good = slurp(saved_small(folder));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes flipped = good;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1u << bit % 8));
    SCOPED_TRACE("bit " + std::to_string(bit));
    load_error(folder.put("flipped", flipped));
  }
}

TEST(ModelFile, RefusesEveryTruncationAndTrailingBytes) {
  const TempFolder folder;
  Bytes bytes = slurp(saved_small(folder));
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_TRUE(contains(load_error(folder.put("longer", longer)), "found 1 bytes more"));
  const std::size_t half = bytes.size() / 2;
  while (!bytes.empty()) {
    bytes.pop_back();
    SCOPED_TRACE(bytes.size());
    const std::string message = load_error(folder.put("cut", bytes));
    if (bytes.size() == half) {
      EXPECT_TRUE(contains(message, "the file is cut"));
    }
  }
}

TEST(ModelFile, SaysThatADamagedFileIsDamaged) {
  const TempFolder folder;
  Bytes bytes = slurp(saved_small(folder));
  bytes.back() = static_cast<std::uint8_t>(bytes.back() ^ 1);
  EXPECT_TRUE(contains(load_error(folder.put("damaged", bytes)), "the file is damaged"));
}

TEST(ModelFile, RefusesCraftedFiles) {
  const TempFolder folder;
  const std::string path = saved_small(folder);
  const auto error = [&](const std::string& from, const std::string& to) {
    return load_error(crafted(folder, path, from, to));
  };
  EXPECT_EQ(weights_sha256(load_model(crafted(folder, path, "seed", "Seed")).net),
            weights_sha256(small_net()));

  EXPECT_TRUE(contains(error("affine 3", "affine 9"), "architecture"));
  EXPECT_TRUE(contains(error("affine 3", "affine 2"), "not 3 classes"));
  EXPECT_TRUE(contains(error("relu", "rely"), "did you mean \"relu\""));
  EXPECT_TRUE(contains(error("conv 2 2x2, relu", "affine 999999999"), "too many parameters"));
  EXPECT_TRUE(contains(error("5x5x1", "5x5x0"), "nnkernels.input"));
  EXPECT_TRUE(contains(error("5x5x1", "5x5x "), "nnkernels.input"));
  EXPECT_TRUE(contains(
      error("5x5x1", "4x7x1"),
      "expected tensor \"4.w\" of F32 and shape [6, 3], found \"4.w\" of F32 and shape [8, 3]"));
  EXPECT_TRUE(contains(error("5x5x1", "7x7x1"), "architecture"));
  EXPECT_TRUE(contains(error("\"nnkernels.classes\":\"3\"", "\"nnkernels.classes\":\"4\""),
                       "not 4 classes"));
  EXPECT_TRUE(contains(error("\"nnkernels.classes\":\"3\"", "\"nnkernels.classes\":\"x\""),
                       "expected a number"));
  EXPECT_TRUE(contains(error("-0.1", " nan"), "expected a number"));
  EXPECT_TRUE(contains(error("-0.1", "-inf"), "expected a number"));
  EXPECT_TRUE(contains(error("-0.1", "-0,1"), "expected a number"));
  EXPECT_TRUE(contains(error("nnkernels.shift", "nnkernels.shaft"), "has no \"nnkernels.shift\""));
  EXPECT_TRUE(contains(error("model 1", "model 2"), "a newer version"));
  EXPECT_TRUE(contains(error("model 1", "madel 1"), "found \"madel 1\": what wrote it"));
  EXPECT_TRUE(contains(error("\"4.w\"", "\"4.x\""), "expected tensor \"4.w\""));
  EXPECT_TRUE(contains(error("\"shape\":[2,2,1,2]", "\"shape\":[2,1,2,2]"), "expected tensor"));
  EXPECT_TRUE(contains(error("\"dtype\":\"F32\"", "\"dtype\":\"I32\""), "expected tensor"));
}

TEST(ModelFile, RefusesWeightsThatAreNotFinite) {
  const TempFolder folder;
  Sequential<float> net = small_net();
  Tensor<float>& w = net.parameters()[2]->value;
  const float before = std::exchange(w[1], 12345.0f);
  const std::string path = folder.file("model");
  save_model(path, net, small_info());

  const float infinity = std::numeric_limits<float>::infinity();
  const auto text_of = [](float value) {
    std::string text(sizeof value, ' ');
    std::memcpy(text.data(), &value, sizeof value);
    return text;
  };
  const std::string bad_path = crafted(folder, path, text_of(12345.0f), text_of(infinity));
  const Bytes bytes = slurp(bad_path);
  const std::string infinite = text_of(infinity);
  const auto at =
      std::search(bytes.begin(), bytes.end(), infinite.begin(), infinite.end(),
                  [](std::uint8_t byte, char c) { return byte == static_cast<std::uint8_t>(c); }) -
      bytes.begin();
  EXPECT_TRUE(contains(
      load_error(bad_path),
      "at byte " + std::to_string(at) + ": expected a finite weight, found inf in tensor 4.w"));

  for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
    w[1] = bad;
    EXPECT_THROW(save_model(folder.file("bad"), net, small_info()), std::invalid_argument);
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("bad")));
  w[1] = before;
}

TEST(ModelFile, RefusesOtherFiles) {
  const TempFolder folder;
  EXPECT_TRUE(contains(load_error(folder.file("missing")), "No such file"));
  EXPECT_TRUE(contains(load_error(folder.path()), "found a folder"));
  EXPECT_TRUE(contains(load_error(folder.put("empty", {})), "at byte 0"));
  const std::string foreign = safetensors_header({{"format", "pt"}}, {});
  EXPECT_TRUE(contains(load_error(folder.put("foreign", bytes_of_text(foreign))),
                       "not a model that nnkernels saved"));
  Sequential<float> net = small_net();
  SGD<float> sgd(0.1);
  const Dataset data = blobs(4, 5, 3);
  Trainer<float> trainer(net, sgd, data, {});
  const std::string checkpoint = folder.file("checkpoint.safetensors");
  save_checkpoint(checkpoint, "", trainer, {});
  const std::string message = load_error(checkpoint);
  EXPECT_TRUE(contains(message,
                       "expected the format \"model 1\", found \"checkpoint 1\": this is a "
                       "checkpoint; Checkpoint reads it, `nncli train --resume RUN` goes on"));
  EXPECT_FALSE(contains(message, "newer version"));
}

TEST(ModelFile, RefusesToSaveWhatCannotBeLoaded) {
  const TempFolder folder;
  const Sequential<float> net = small_net();
  const std::string path = folder.file("model");
  ModelInfo info = small_info();
  info.classes = 4;
  EXPECT_THROW(save_model(path, net, info), std::invalid_argument);
  info = small_info();
  info.metadata["nnkernels.mine"] = "x";
  EXPECT_THROW(save_model(path, net, info), std::invalid_argument);
  info = small_info();
  const auto refusal = [&]() -> std::string {
    try {
      save_model(path, net, info);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "no exception";
  };
  info.metadata["m\xfcller"] = "x";
  EXPECT_TRUE(contains(refusal(), "the metadata key \"m\\xfcller\" is no UTF-8"));
  info = small_info();
  info.metadata["m\xc3\xbcller"] = "\xff";
  EXPECT_TRUE(contains(refusal(), "the value of the metadata key \"m\\xc3\\xbcller\" is no UTF-8"));
  info = small_info();
  info.preprocessing.scale = std::numeric_limits<double>::infinity();
  EXPECT_THROW(save_model(path, net, info), std::invalid_argument);
  info = small_info();
  info.metadata["long"] = std::string(static_cast<std::size_t>(kMaxSafetensorsHeader), 'x');
  EXPECT_THROW(save_model(path, net, info), std::invalid_argument);
  EXPECT_TRUE(folder.names().empty());
}

// What no reader takes is not written, neither as a model nor for others.
TEST(ModelFile, RefusesToSaveBeyondTheLimitsOfReaders) {
  const TempFolder folder;
  Sequential<float> wide(Shape{1'000'001});
  wide.add(std::make_unique<Affine<float>>(1'000'001, 1));
  Sequential<float> deep(Shape{1, 2, 1, 1});
  deep.add(std::make_unique<Flatten<float>>());
  Sequential<float> many(Shape{3});
  for (int i = 0; i <= kMaxLayers; ++i) many.add(std::make_unique<ReLU<float>>());
  const Sequential<float> none(Shape{3});
  for (const Sequential<float>* net :
       std::array<const Sequential<float>*, 4>{&wide, &deep, &many, &none}) {
    const ModelInfo info{.preprocessing = {},
                         .classes = static_cast<std::int32_t>(net->output_shape()[0]),
                         .metadata = {}};
    EXPECT_THROW(save_model(folder.file("a.safetensors"), *net, info), std::invalid_argument);
    EXPECT_THROW(export_model(folder.file("a.npz"), *net, info, WeightLayout::ours),
                 std::invalid_argument);
  }
  ModelInfo info = small_info();
  info.preprocessing.scale = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(export_model(folder.file("a.npz"), small_net(), info, WeightLayout::ours),
               std::invalid_argument);
  info = small_info();
  info.classes = 4;
  EXPECT_THROW(export_model(folder.file("a.npz"), small_net(), info, WeightLayout::ours),
               std::invalid_argument);
  EXPECT_TRUE(folder.names().empty());
}

TEST(ModelFile, AFullDiskLeavesTheOldModel) {
  const TempFolder folder;
  const std::string path = saved_small(folder);
  const Bytes before = slurp(path);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit unlimited;
  ::getrlimit(RLIMIT_FSIZE, &unlimited);
  const rlimit small = {100, unlimited.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(save_model(path, small_net(), small_info()), WriteError);
  ::setrlimit(RLIMIT_FSIZE, &unlimited);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(slurp(path), before);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"model.safetensors"});
}

TEST(WeightsSha256, HashesTheValuesInOrder) {
  Sequential<float> net = build<float>({1}, "affine 2");
  net.parameters()[0]->value[0] = 1;
  net.parameters()[0]->value[1] = -2;
  net.parameters()[1]->value[0] = 0.5f;
  net.parameters()[1]->value[1] = 0;
  const Bytes bytes = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0, 0, 0, 0};
  EXPECT_EQ(weights_sha256(net), sha256(bytes));
  net.parameters()[1]->value[1] = -0.0f;
  EXPECT_NE(weights_sha256(net), sha256(bytes));
}

}  // namespace
}  // namespace nnkernels::nn
