// Named convolutions of well-known networks.
#ifndef NNKERNELS_BENCH_CONV_SHAPES_H_
#define NNKERNELS_BENCH_CONV_SHAPES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/options.h"
#include "bench/report.h"
#include "kernels/conv.h"

namespace nnkernels::bench {

struct NamedConv {
  std::string network;
  ConvShape shape;
};

/// Convolutions, network by network, with the batch that each is usually measured with.
const std::vector<NamedConv>& named_convs();
std::vector<std::string> conv_network_names();

/// "mnist 1->30 5x5 on 28x28 n100", with "/2" behind the kernel for stride 2, "p1" for a pad and
/// "g32" for groups.
std::string conv_name(const NamedConv& conv);
Json conv_parameters(const ConvShape& shape);

/// The flags that choose convolutions: --networks, or one shape by its sizes.
struct ConvFlags {
  std::vector<std::string> networks = conv_network_names();
  std::int64_t n = 0;  // 0: that of the list; of a single shape, 1
  ConvShape single;
  std::int64_t size = 28, kernel = 3, stride = 1, pad = 0, dilation = 1;

  void add_to(Options& options);
  /// For those to whom groups of channels make a difference.
  void add_groups_to(Options& options);
  /// What was chosen. Throws UsageError if both a network and a single shape were.
  std::vector<NamedConv> chosen(const Options& options) const;
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_CONV_SHAPES_H_
