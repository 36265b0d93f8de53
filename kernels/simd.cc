#include "kernels/simd.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iterator>
#include <stdexcept>

#include "hwy/highway.h"

#if HWY_ARCH_X86
#include <cpuid.h>
#endif

namespace nnkernels {
namespace {

/// The targets of this build that the CPU can run, best first. Highway numbers better targets with
/// lower bits.
std::vector<std::int64_t> runnable_targets() {
  hwy::DisableTargets(0);
  std::vector<std::int64_t> targets;
  for (std::int64_t bits = hwy::SupportedTargets() & HWY_TARGETS; bits != 0; bits &= bits - 1) {
    targets.push_back(bits & -bits);
  }
  return targets;
}

const std::vector<std::int64_t>& targets() {
  static const std::vector<std::int64_t> list = runnable_targets();
  return list;
}

/// The target in use; 0 until somebody chooses.
std::int64_t& chosen() {
  static std::int64_t target = 0;
  return target;
}

std::string upper(std::string_view name) {
  std::string result(name);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

void choose(std::int64_t target) {
  // Everything better than the target is switched off; the dispatch tables look it up again.
  hwy::DisableTargets(target - 1);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  chosen() = target;
}

/// The target called `name`, or 0. "AVX512" is the best target with AVX-512, whose names all begin
/// with AVX3.
std::int64_t target_called(std::string_view name) {
  const std::string wanted = upper(name);
  if (wanted == "BEST") return targets().front();
  for (const std::int64_t target : targets()) {
    const std::string_view known = hwy::TargetName(target);
    if (wanted == known || (wanted == "AVX512" && known.starts_with("AVX3"))) return target;
  }
  return 0;
}

/// Before main, so that no kernel can run earlier.
const bool environment_applied = [] {
  const char* name = std::getenv("NNKERNELS_SIMD");
  const std::int64_t target = name == nullptr ? 0 : target_called(name);
  if (target != 0) choose(target);
  return target != 0;
}();

}  // namespace

std::vector<std::string> available_simd() {
  std::vector<std::string> names;
  for (const std::int64_t target : targets()) names.emplace_back(hwy::TargetName(target));
  return names;
}

bool detail::simd_environment_applied() { return environment_applied; }

bool detail::has_half_wide_units(unsigned signature) {
  constexpr unsigned kExtended = 15, kIntel = 6, kZen4 = 0x19, kZen5 = 0x1A;
  unsigned family = signature >> 8 & 15, model = signature >> 4 & 15;
  if (family == kExtended || family == kIntel) model += (signature >> 16 & 15) << 4;
  if (family == kExtended) family += signature >> 20 & 255;
  if (family == kZen5) return model >> 4 == 2 || model >> 4 == 6;  // Strix Point, Krackan Point
  if (family == kIntel) {
    // Cannon Lake, Ice Lake, Tiger Lake, Rocket Lake.
    constexpr unsigned kClients[] = {0x66, 0x7D, 0x7E, 0x8C, 0x8D, 0xA7};
    return std::find(std::begin(kClients), std::end(kClients), model) != std::end(kClients);
  }
  return family == kZen4;
}

bool detail::has_half_wide_units() {
#if HWY_ARCH_X86
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && has_half_wide_units(eax);
#else
  return false;
#endif
}

std::string simd() { return hwy::TargetName(chosen() == 0 ? targets().front() : chosen()); }

void set_simd(std::string_view name) {
  if (const std::int64_t target = target_called(name); target != 0) return choose(target);
  std::string message = "set_simd: no instruction set \"" + std::string(name) + "\" here; there is";
  for (const std::string& known : available_simd()) message += " " + known;
  throw std::invalid_argument(message);
}

}  // namespace nnkernels
