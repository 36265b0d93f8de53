// nnbench infer: what a trained network takes to say what an image shows.
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/network_source.h"
#include "bench/runner.h"
#include "nn/batch.h"
#include "nn/metrics.h"

namespace nnkernels::bench {
namespace {

constexpr const char* kForward = "forward";
constexpr const char* kPredict = "predict";

std::vector<std::string> all_parts() { return {kForward, kPredict}; }

/// A network in use, on as many images as MNIST has for testing.
class Inference {
 public:
  Inference(const NetworkSource& network, std::int64_t batch_size)
      : net_(network.make()),
        data_(random_images(kImages, batch_size, net_)),
        x_(net_.input_shape().batch(batch_size)),
        labels_(static_cast<std::size_t>(batch_size)),
        predicted_(labels_.size()),
        order_(static_cast<std::size_t>(data_.n)) {
    net_.freeze();
    net_.plan(batch_size);
    std::iota(order_.begin(), order_.end(), std::int64_t{0});
    gather();
  }

  void run(const std::string& part) {
    if (part == kPredict) gather();
    const nn::TensorView<const float> y = net_.forward(x_.view());
    if (part == kPredict) nn::predict_classes<float>(y, predicted_);
  }

 private:
  static constexpr std::int64_t kImages = 10000;

  /// Collects the next batch.
  void gather() {
    if (next_ + labels_.size() > order_.size()) next_ = 0;
    nn::gather_batch<float>(data_, {}, std::span(order_).subspan(next_, labels_.size()), x_.view(),
                            labels_);
    next_ += labels_.size();
  }

  nn::Sequential<float> net_;
  nn::Dataset data_;
  nn::Tensor<float> x_;
  std::vector<std::int32_t> labels_, predicted_;
  std::vector<std::int64_t> order_;
  std::size_t next_ = 0;
};

std::vector<Case> cases(const std::vector<NetworkSource>& networks,
                        const std::vector<std::int64_t>& batch_sizes,
                        const std::vector<std::string>& parts) {
  std::vector<Case> result;
  for (const NetworkSource& network : networks) {
    for (const std::int64_t batch_size : batch_sizes) {
      for (const std::string& part : parts) {
        Case one;
        one.name = network.name + " batch " + std::to_string(batch_size) + ' ' + part;
        one.parameters.add("network", network.name)
            .add("architecture", network.architecture)
            .add("batch_size", batch_size)
            .add("part", part);
        one.items = static_cast<double>(batch_size);
        one.prepare = [network, batch_size, part] {
          return timed([inference = std::make_shared<Inference>(network, batch_size), part] {
            inference->run(part);
          });
        };
        result.push_back(one);
      }
    }
  }
  return result;
}

std::vector<NetworkSource> usual_networks() {
  return {network_source("mlp"), network_source("cnn")};
}

std::vector<std::int64_t> usual_batch_sizes() { return {1, 16, 256}; }

}  // namespace

std::vector<Case> usual_infer_cases() {
  return cases(usual_networks(), usual_batch_sizes(), all_parts());
}

void run_infer(const Arguments& arguments) {
  CommonOptions common;
  std::vector<std::string> models, parts = all_parts();
  std::vector<std::int64_t> batch_sizes = usual_batch_sizes();
  Options flags("infer", "measures what a network takes to classify images");
  flags.texts("model", "MODEL",
              "a network, the first of which may come without the flag (default mlp and cnn): " +
                  std::string(kNetworkHelp),
              models);
  flags.integers("batch-size", "images in a batch", batch_sizes, 1, 1 << 16);
  flags.choices("part",
                "forward: the forward pass on one batch; predict: also collecting the next batch "
                "out of 10,000 images, and the most likely classes, as nncli eval does",
                all_parts(), parts);
  common.add_to(flags);
  if (!parse(flags, common, with_model_flag(arguments))) return;

  apply(common);
  std::vector<NetworkSource> networks;
  networks.reserve(models.size());
  for (const std::string& model : models) {
    networks.push_back(checked("infer", [&model] { return network_source(model); }));
  }
  if (networks.empty()) networks = usual_networks();
  run_cases("infer", common, cases(networks, batch_sizes, parts));
}

}  // namespace nnkernels::bench
