#include "bench/conv_shapes.h"

#include <algorithm>
#include <utility>

namespace nnkernels::bench {
namespace {

/// Square images and kernels.
NamedConv square(std::string network, std::int64_t n, std::int64_t size, std::int64_t ic,
                 std::int64_t oc, std::int64_t kernel, std::int64_t stride = 1,
                 std::int64_t pad = 0, std::int64_t groups = 1) {
  ConvShape shape;
  shape.n = n;
  shape.ih = shape.iw = size;
  shape.ic = ic;
  shape.oc = oc;
  shape.kh = shape.kw = kernel;
  shape.stride_h = shape.stride_w = stride;
  shape.pad_h = shape.pad_w = pad;
  shape.groups = groups;
  return {std::move(network), shape};
}

constexpr std::int64_t kMost = 1 << 14;  // of any size that a flag gives

std::string times(std::int64_t a, std::int64_t b) {
  return std::to_string(a) + 'x' + std::to_string(b);
}

}  // namespace

const std::vector<NamedConv>& named_convs() {
  static const std::vector<NamedConv> list = {
      square("mnist", 100, 28, 1, 30, 5),  // nncli's cnn
      square("mnist", 64, 28, 1, 32, 3),   // PyTorch's example
      square("mnist", 64, 26, 32, 64, 3),
      square("mnist", 64, 28, 1, 24, 5),
      square("mnist", 64, 12, 24, 32, 3),
      square("lenet", 64, 28, 1, 20, 5),  // Caffe's
      square("lenet", 64, 12, 20, 50, 5),
      square("vgg", 1, 224, 3, 64, 3, 1, 1),
      square("vgg", 1, 112, 64, 128, 3, 1, 1),
      square("vgg", 1, 28, 256, 512, 3, 1, 1),
      square("resnet", 1, 224, 3, 64, 7, 2, 3),
      square("resnet", 4, 56, 64, 64, 3, 1, 1),
      square("resnet", 4, 56, 128, 128, 3, 2, 1),
      square("resnet", 4, 14, 256, 256, 3, 1, 1),
      square("resnet", 4, 7, 512, 512, 3, 1, 1),
      square("pointwise", 4, 56, 64, 256, 1),
      square("pointwise", 4, 14, 256, 256, 1),
      square("pointwise", 4, 14, 1024, 256, 1),
      square("mobilenet", 1, 224, 3, 32, 3, 2, 1),
      square("mobilenet", 1, 112, 32, 32, 3, 1, 1, 32),
      square("mobilenet", 1, 112, 64, 64, 3, 2, 1, 64),
      square("mobilenet", 1, 14, 512, 512, 3, 1, 1, 512),
      square("resnext", 1, 56, 128, 128, 3, 1, 1, 32),
      square("resnext", 1, 14, 512, 512, 3, 1, 1, 32),
      // Some of each kind, small enough to be measured together: the table of docs/convolution.md.
      square("survey", 32, 28, 1, 30, 5),
      square("survey", 32, 28, 1, 6, 5, 1, 2),
      square("survey", 32, 14, 6, 16, 5),
      square("survey", 32, 12, 20, 50, 5),
      square("survey", 32, 12, 24, 32, 3),
      square("survey", 8, 26, 32, 64, 3),
      square("survey", 2, 112, 3, 64, 3, 1, 1),
      square("survey", 2, 56, 64, 64, 3, 1, 1),
      square("survey", 4, 14, 256, 256, 3, 1, 1),
      square("survey", 2, 112, 3, 64, 7, 2, 3),
      square("survey", 4, 28, 64, 256, 1),
      square("survey", 4, 28, 256, 512, 1, 2),
      square("survey", 4, 28, 128, 128, 3, 2, 1),
      square("survey", 2, 112, 3, 32, 3, 2, 1),
      square("survey", 4, 28, 128, 128, 1),
      square("survey", 4, 28, 128, 128, 3, 1, 1, 128),
      square("survey", 4, 56, 64, 64, 3, 2, 1, 64),
      square("survey", 4, 14, 128, 128, 3, 1, 1, 32),
  };
  return list;
}

std::vector<std::string> conv_network_names() {
  std::vector<std::string> names;
  for (const NamedConv& conv : named_convs()) {
    if (names.empty() || names.back() != conv.network) names.push_back(conv.network);
  }
  return names;
}

std::string conv_name(const NamedConv& conv) {
  const ConvShape& s = conv.shape;
  std::string name = conv.network + ' ' + std::to_string(s.ic) + "->" + std::to_string(s.oc) + ' ' +
                     times(s.kh, s.kw);
  if (s.stride_h != 1 || s.stride_w != 1) name += '/' + std::to_string(s.stride_h);
  if (s.pad_h != 0 || s.pad_w != 0) name += " p" + std::to_string(s.pad_h);
  if (s.dilation_h != 1 || s.dilation_w != 1) name += " d" + std::to_string(s.dilation_h);
  if (s.groups != 1) name += " g" + std::to_string(s.groups);
  return name + " on " + times(s.ih, s.iw) + " n" + std::to_string(s.n);
}

Json conv_parameters(const ConvShape& s) {
  Json json;
  json.add("n", s.n).add("ih", s.ih).add("iw", s.iw).add("ic", s.ic).add("oc", s.oc);
  json.add("kh", s.kh).add("kw", s.kw).add("stride_h", s.stride_h).add("stride_w", s.stride_w);
  json.add("pad_h", s.pad_h).add("pad_w", s.pad_w);
  json.add("dilation_h", s.dilation_h).add("dilation_w", s.dilation_w);
  json.add("groups", s.groups);
  return json;
}

void ConvFlags::add_to(Options& options) {
  options.choices("networks", "whose convolutions", conv_network_names(), networks);
  options.integer("n", "N", "images in a batch; 0 for that of the list (of one shape, 1)", n, 0,
                  kMost);
  options.integer("size", "N",
                  "height and width of the images; this or any flag below replaces the lists by "
                  "one shape",
                  size, 1, kMost);
  options.integer("ic", "N", "channels in", single.ic, 1, kMost);
  options.integer("oc", "N", "channels out", single.oc, 1, kMost);
  options.integer("kernel", "N", "height and width of the kernel", kernel, 1, kMost);
  options.integer("stride", "N", "stride in both directions", stride, 1, kMost);
  options.integer("pad", "N", "zeros on each side of the images", pad, 0, kMost);
  options.integer("dilation", "N", "distance of the kernel's pixels", dilation, 1, kMost);
}

void ConvFlags::add_groups_to(Options& options) {
  options.integer("groups", "N", "groups of channels; as many as channels: depthwise",
                  single.groups, 1, kMost);
}

std::vector<NamedConv> ConvFlags::chosen(const Options& options) const {
  const auto given = [&options](const char* flag) { return options.given(flag); };
  constexpr const char* kSingle[] = {"size",   "ic",  "oc",       "kernel",
                                     "stride", "pad", "dilation", "groups"};
  std::vector<NamedConv> result;
  if (std::any_of(std::begin(kSingle), std::end(kSingle), given)) {
    if (options.given("networks")) {
      throw UsageError("--networks excludes the flags that describe one shape");
    }
    NamedConv one = square("shape", std::max<std::int64_t>(n, 1), size, single.ic, single.oc,
                           kernel, stride, pad, single.groups);
    one.shape.dilation_h = one.shape.dilation_w = dilation;
    checked("conv", [&one] { check(one.shape, "shape"); });
    result.push_back(one);
    return result;
  }
  for (const NamedConv& conv : named_convs()) {
    if (std::find(networks.begin(), networks.end(), conv.network) == networks.end()) continue;
    result.push_back(conv);
    if (n > 0) result.back().shape.n = n;
  }
  return result;
}

}  // namespace nnkernels::bench
