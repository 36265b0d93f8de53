// What the campaigns against oneDNN share.
#ifndef NNKERNELS_TESTS_ORACLE_ONEDNN_H_
#define NNKERNELS_TESTS_ORACLE_ONEDNN_H_

#include <cmath>
#include <cstdint>
#include <dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/oracle/campaign.h"

namespace nnkernels::oracle {

Outcome onednn_conv_case(Values& values);
Outcome onednn_pool_case(Values& values);
Outcome onednn_softmax_case(Values& values);
Outcome onednn_batch_norm_case(Values& values);

using Floats = std::vector<float>;
using Tag = dnnl::memory::format_tag;
using Arguments = std::unordered_map<int, dnnl::memory>;

inline std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Floats in the plain order of `tag`.
dnnl::memory::desc plain(const dnnl::memory::dims& dims, Tag tag);
const dnnl::engine& engine();
/// A copy of `elements`, which are in the order `ours`, in the order `theirs`.
dnnl::memory given(const Floats& elements, const dnnl::memory::desc& ours,
                   const dnnl::memory::desc& theirs);
inline dnnl::memory given(const Floats& elements, const dnnl::memory::desc& ours) {
  return given(elements, ours, ours);
}
/// And back.
Floats taken(const dnnl::memory& from, const dnnl::memory::desc& ours);
void execute(const dnnl::primitive& primitive, const Arguments& arguments);

Floats absolute(Floats x);

/// Both results are sums of `terms` - 3 products or fewer, each within gamma_terms G of the exact
/// one (campaign.h), where G is the sum of the absolute values. `size` is G as oneDNN computes it,
/// by the same pass over absolute values, hence at least (1 - gamma_terms) G: nothing here rests on
/// what this project believes a convolution or a pooling to be. Integers must agree in every bit.
void compare_sums(const Floats& ours, const Floats& theirs, const Floats& size, Data data,
                  std::int64_t terms, const std::string& name, Outcome& outcome);

/// Whether |ours - theirs| <= bound.
void compare_within(double ours, double theirs, double bound, const std::string& name,
                    std::int64_t i, Outcome& outcome);

}  // namespace nnkernels::oracle

#endif  // NNKERNELS_TESTS_ORACLE_ONEDNN_H_
