#include "bench/gemm_shapes.h"

#include <algorithm>
#include <stdexcept>

namespace nnkernels::bench {
namespace {

struct Size {
  std::int64_t m, n, k;
};

/// The three products of an Affine layer: y = x w, dw = x' dy and dx = dy w'.
void add_affine(std::int64_t batch, std::int64_t in, std::int64_t out, bool first,
                std::vector<GemmShape>& shapes) {
  shapes.push_back({"mlp", false, false, batch, out, in});
  shapes.push_back({"mlp", true, false, in, out, batch});
  if (!first)
    shapes.push_back({"mlp", false, true, batch, in, out});  // nobody needs the pixels' gradient
}

std::vector<GemmShape> mlp() {
  std::vector<GemmShape> shapes;
  add_affine(64, 784, 128, true, shapes);
  add_affine(64, 128, 64, false, shapes);
  add_affine(64, 64, 10, false, shapes);
  add_affine(128, 784, 512, true, shapes);
  add_affine(128, 512, 10, false, shapes);
  add_affine(100, 4320, 100, false, shapes);  // behind the convolution of nncli's cnn
  add_affine(100, 100, 10, false, shapes);
  return shapes;
}

/// A convolution after im2col: pixels x oc x (kh kw ic), and its two gradients.
std::vector<GemmShape> conv() {
  std::vector<GemmShape> shapes;
  for (const Size& forward : {Size{57600, 30, 25}, Size{12800, 64, 288}, Size{25088, 32, 144},
                              Size{3136, 64, 576}, Size{784, 128, 1152}, Size{196, 256, 2304}}) {
    shapes.push_back({"conv", false, false, forward.m, forward.n, forward.k});
    shapes.push_back({"conv", true, false, forward.k, forward.n, forward.m});
    shapes.push_back({"conv", false, true, forward.m, forward.k, forward.n});
  }
  return shapes;
}

/// Products by weights that stay: dx = dy w' in training, y = x w in inference.
std::vector<GemmShape> weights() {
  return {{"weights", false, true, 100, 4320, 100}, {"weights", false, true, 64, 784, 128},
          {"weights", false, true, 64, 128, 64},    {"weights", false, true, 128, 768, 768},
          {"weights", false, false, 1, 100, 4320},  {"weights", false, false, 16, 100, 4320},
          {"weights", false, false, 8, 1000, 2048}, {"weights", false, false, 16, 1000, 2048}};
}

std::vector<Size> squares() {
  std::vector<Size> sizes;
  for (const std::int64_t size :
       {4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096}) {
    sizes.push_back({size, size, size});
  }
  return sizes;
}

/// Sizes around, and far from, multiples of vectors and tiles.
std::vector<Size> odd() {
  std::vector<Size> sizes;
  for (const std::int64_t size :
       {5, 7, 13, 17, 31, 33, 63, 65, 100, 127, 129, 255, 257, 511, 1023}) {
    sizes.push_back({size, size, size});
  }
  sizes.insert(sizes.end(), {{101, 37, 211}, {333, 77, 55}, {19, 1000, 123}, {1000, 19, 123}});
  return sizes;
}

std::vector<Size> skinny() {
  std::vector<Size> sizes;
  for (const std::int64_t thin : {1, 2, 4, 8, 16}) {
    sizes.insert(sizes.end(), {{thin, 512, 512}, {512, thin, 512}, {512, 512, thin}});
  }
  return sizes;
}

/// Few rows, for which the product takes as long as reading B.
std::vector<Size> rows() {
  return {{1, 100, 4320},  {1, 1024, 1024}, {1, 4096, 4096},  {2, 1024, 1024},
          {2, 4096, 4096}, {3, 256, 1024},  {4, 1024, 1024},  {4, 4096, 4096},
          {8, 1024, 4096}, {8, 4096, 4096}, {16, 1024, 1024}, {16, 4096, 4096}};
}

std::vector<Size> inference() {
  std::vector<Size> sizes;
  for (const std::int64_t batch : {1, 2, 4, 8, 16}) {
    sizes.insert(sizes.end(), {{batch, 128, 784},
                               {batch, 100, 4320},
                               {batch, 1024, 1024},
                               {batch, 1000, 2048},
                               {batch, 4096, 4096}});
  }
  return sizes;
}

/// A block of width 768 with 12 heads on 128 tokens.
std::vector<Size> transformer() {
  return {{128, 768, 768}, {128, 2304, 768}, {128, 128, 64},
          {128, 64, 128},  {128, 3072, 768}, {128, 768, 3072}};
}

struct FreeList {
  const char* name;
  std::vector<Size> (*sizes)();
};
struct FixedList {
  const char* name;
  std::vector<GemmShape> (*shapes)();
};
constexpr FreeList kFreeLists[] = {{"squares", squares},     {"odd", odd},
                                   {"skinny", skinny},       {"rows", rows},
                                   {"inference", inference}, {"transformer", transformer}};
constexpr FixedList kFixedLists[] = {{"mlp", mlp}, {"conv", conv}, {"weights", weights}};

}  // namespace

std::string GemmShape::layout() const {
  return std::string(transpose_a ? "t" : "n") + (transpose_b ? "t" : "n");
}

std::string GemmShape::name() const {
  return layout() + ' ' + std::to_string(m) + 'x' + std::to_string(n) + 'x' + std::to_string(k);
}

double GemmShape::flops() const {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

std::vector<std::string> gemm_layouts() { return {"nn", "nt", "tn", "tt"}; }

GemmShape with_layout(const std::string& set, const std::string& layout, std::int64_t m,
                      std::int64_t n, std::int64_t k) {
  return {set, layout[0] == 't', layout[1] == 't', m, n, k};
}

std::vector<std::string> gemm_list_names() {
  std::vector<std::string> names;
  for (const FreeList& list : kFreeLists) names.emplace_back(list.name);
  for (const FixedList& list : kFixedLists) names.emplace_back(list.name);
  return names;
}

std::vector<GemmShape> gemm_list(const std::string& name, const std::vector<std::string>& layouts) {
  for (const FixedList& list : kFixedLists) {
    if (name == list.name) return list.shapes();
  }
  const auto* found = std::find_if(std::begin(kFreeLists), std::end(kFreeLists),
                                   [&name](const FreeList& list) { return name == list.name; });
  if (found == std::end(kFreeLists)) {
    throw std::invalid_argument("gemm_list: no list \"" + name + "\"");
  }
  std::vector<GemmShape> shapes;
  for (const std::string& layout : layouts) {
    for (const Size& size : found->sizes()) {
      shapes.push_back(with_layout(name, layout, size.m, size.n, size.k));
    }
  }
  return shapes;
}

void GemmFlags::add_to(Options& options) {
  constexpr std::int64_t kLargest = 1 << 20;
  options.choices("shapes", "lists of shapes", gemm_list_names(), lists);
  options.integer("m", "N", "rows of C; --m, --n or --k replace the lists by one shape", m, 1,
                  kLargest);
  options.integer("n", "N", "columns of C", n, 1, kLargest);
  options.integer("k", "N", "length of the sums", k, 1, kLargest);
  options.choices("layout",
                  "how A and B are stored, t for transposed; the lists mlp, conv and weights have "
                  "their own",
                  gemm_layouts(), layouts);
}

std::vector<GemmShape> GemmFlags::chosen(const Options& options) const {
  std::vector<GemmShape> shapes;
  if (options.given("m") || options.given("n") || options.given("k")) {
    if (options.given("shapes")) throw UsageError("--shapes excludes --m, --n and --k");
    for (const std::string& layout : layouts) {
      shapes.push_back(with_layout("shape", layout, m, n, k));
    }
    return shapes;
  }
  for (const std::string& list : lists) {
    const std::vector<GemmShape> more = gemm_list(list, layouts);
    shapes.insert(shapes.end(), more.begin(), more.end());
  }
  return shapes;
}

}  // namespace nnkernels::bench
