#include "bench/blas.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "bench/library.h"
#include "kernels/simd.h"

namespace nnkernels::bench {
namespace {

/// "openblas" for a path that ends in libopenblas.so.0. Debian's alternatives are all called
/// libblas.so.3: the folder's name tells them apart.
std::string short_name(const std::string& path) {
  const std::filesystem::path file(path);
  std::string name = file.filename().string();
  name.resize(std::min(name.size(), name.find('.')));
  if (name == "libblas" && file.has_parent_path()) return file.parent_path().filename().string();
  return name.starts_with("lib") ? name.substr(3) : name;
}

std::string eigen_path() {
  const std::string simd = nnkernels::simd();
  const std::string variant = simd.starts_with("AVX3") ? "avx512"
                              : simd == "AVX2"         ? "avx2"
                                                       : "baseline";
  return beside_nnbench("libnnbench_eigen_" + variant + ".so");
}

/// The places where `which` may be.
std::vector<std::string> candidates(const std::string& which) {
  if (which == "onednn") return {"libdnnl.so.3", "libdnnl.so.2"};
  if (which == "eigen") return {eigen_path()};
  return {which};
}

/// The kernels that OpenBLAS says it runs. For a CPU newer than itself it takes its oldest ones,
/// without AVX.
std::string kernels_of_openblas(const std::string& core) {
  const bool knows_cpu = core != "Prescott" || !std::string(nnkernels::simd()).starts_with("AVX3");
  return core + " kernels" +
         (knows_cpu ? "" : ", since it does not know this CPU: set OPENBLAS_CORETYPE=SkylakeX");
}

std::string advice(const std::string& which) {
  if (which == "onednn") return " (Debian: apt install libdnnl2 or libdnnl3)";
  if (which == "eigen") {
    return " (nnbench was built without Eigen; Debian: apt install libeigen3-dev, then configure "
           "and build again)";
  }
  if (which.find('/') == std::string::npos) return " (expected a path, onednn or eigen)";
  return "";
}

template <class T>
GemmFunctions<T> functions(void* library, const char* cblas, const char* fortran) {
  GemmFunctions<T> result;
  result.cblas = symbol<CblasGemm<T>>(library, cblas);
  if (result.cblas == nullptr) result.fortran = symbol<FortranGemm<T>>(library, fortran);
  return result;
}

}  // namespace

Blas::Blas(const std::string& which) {
  std::string path, reason;
  for (const std::string& candidate : candidates(which)) {
    path = candidate;
    library_ = open_library(path, reason);
    if (library_ != nullptr) break;
  }
  if (library_ == nullptr) {
    throw std::runtime_error("--vs: cannot open the library: " + reason + advice(which));
  }
  f32_ = functions<float>(library_, "cblas_sgemm", "sgemm_");
  f64_ = functions<double>(library_, "cblas_dgemm", "dgemm_");
  if (!f32_.any()) f32_.dnnl = symbol<DnnlGemm>(library_, "dnnl_sgemm");
  if (!f32_.any() && !f64_.any()) {
    throw std::runtime_error("--vs: " + path + " has no cblas_sgemm, sgemm_ or dnnl_sgemm");
  }
  describe(path);
}

void Blas::describe(const std::string& path) {
  struct DnnlVersion {  // dnnl_version_t begins like this
    int major, minor, patch;
  };
  name_ = short_name(path);
  std::string version;
  if (const auto config = symbol<const char* (*)()>(library_, "openblas_get_config")) {
    std::istringstream(config()) >> name_ >> version;
    // The environment may have chosen other kernels than the CPU's: OPENBLAS_CORETYPE.
    if (const auto core = symbol<const char* (*)()>(library_, "openblas_get_corename")) {
      version += " (" + kernels_of_openblas(core()) + ")";
    }
  } else if (const auto blis = symbol<const char* (*)()>(library_, "bli_info_get_version_str")) {
    name_ = "BLIS";
    version = blis();
  } else if (const auto dnnl = symbol<const DnnlVersion* (*)()>(library_, "dnnl_version")) {
    name_ = "oneDNN";
    version = std::to_string(dnnl()->major) + '.' + std::to_string(dnnl()->minor) + '.' +
              std::to_string(dnnl()->patch);
  } else if (const auto eigen = symbol<const char* (*)()>(library_, "nnbench_eigen_version")) {
    name_ = "Eigen";
    version = eigen();
  }
  description_ = name_ + (version.empty() ? "" : ' ' + version) + " (" + path + ')';
}

bool Blas::uses_openmp() const { return bench::uses_openmp(library_); }

void Blas::set_threads(int threads) const { set_library_threads(library_, threads); }

}  // namespace nnkernels::bench
