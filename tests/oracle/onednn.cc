#include "tests/oracle/onednn.h"

#include <algorithm>

namespace nnkernels::oracle {

dnnl::memory::desc plain(const dnnl::memory::dims& dims, Tag tag) {
  return {dims, dnnl::memory::data_type::f32, tag};
}

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

namespace {

void reorder(dnnl::memory from, dnnl::memory to) {
  dnnl::stream stream(engine());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
}

}  // namespace

dnnl::memory given(const Floats& elements, const dnnl::memory::desc& ours,
                   const dnnl::memory::desc& theirs) {
  // oneDNN does not write to the source of a reorder.
  const dnnl::memory from(ours, engine(), const_cast<float*>(elements.data()));
  dnnl::memory to(theirs, engine());
  reorder(from, to);
  return to;
}

Floats taken(const dnnl::memory& from, const dnnl::memory::desc& ours) {
  Floats elements(ours.get_size() / sizeof(float));
  reorder(from, dnnl::memory(ours, engine(), elements.data()));
  return elements;
}

void execute(const dnnl::primitive& primitive, const Arguments& arguments) {
  dnnl::stream stream(engine());
  primitive.execute(stream, arguments);
  stream.wait();
}

Floats absolute(Floats x) {
  for (float& each : x) each = std::abs(each);
  return x;
}

void compare_sums(const Floats& ours, const Floats& theirs, const Floats& size, Data data,
                  std::int64_t terms, const std::string& name, Outcome& outcome) {
  if (ours.size() != theirs.size() || ours.size() != size.size()) {
    outcome.wrong = name + " has another size in oneDNN";
    return;
  }
  const double of_size = 1 - gamma<float>(static_cast<double>(terms));
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const std::string where = name + "[" + std::to_string(i) + "]";
    const auto want = static_cast<double>(theirs[i]);
    if (data == Data::integers) {
      compare_exactly(ours[i], want, where, outcome);
    } else {
      // Twice, since both are off.
      compare(ours[i], want, 2 * static_cast<double>(size[i]) / of_size, terms, 2.0, where,
              outcome);
    }
  }
}

void compare_within(double ours, double theirs, double bound, const std::string& name,
                    std::int64_t i, Outcome& outcome) {
  const double error = std::abs(ours - theirs);
  // Written so that NaN is wrong.
  if (!(error <= bound) && outcome.wrong.empty()) {
    outcome.wrong = name + "[" + std::to_string(i) + "] is " + std::to_string(ours) +
                    ", expected " + std::to_string(theirs) + ", error / bound " +
                    std::to_string(error / bound);
  }
  if (error > 0) outcome.ratio = std::max(outcome.ratio, error / bound);
}

}  // namespace nnkernels::oracle
