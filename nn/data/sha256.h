// SHA-256 (FIPS 180-4).
#ifndef NNKERNELS_NN_DATA_SHA256_H_
#define NNKERNELS_NN_DATA_SHA256_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace nnkernels::nn {

/// The hash of bytes that arrive in pieces; where the pieces are cut does not matter.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::span<const std::uint8_t> bytes);
  /// The hash of everything since construction or the last hex(), as 64 lower-case digits; starts
  /// afresh.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The hash of one piece.
std::string sha256(std::span<const std::uint8_t> bytes);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_SHA256_H_
