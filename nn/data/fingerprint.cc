#include "nn/data/fingerprint.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <sstream>
#include <vector>

#include "kernels/parallel.h"
#include "nn/data/bytes.h"
#include "nn/data/sha256.h"
#include "nn/number_text.h"

namespace nnkernels::nn {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr double kPieceMicroseconds = 700;  // to hash a piece

/// The hashes of the pieces, one after the other.
std::string tree(std::span<const std::uint8_t> bytes) {
  const std::size_t count = (bytes.size() + kPiece - 1) / kPiece;
  std::vector<std::string> hashes(count);
  const auto pieces = static_cast<std::int64_t>(count);
  parallel_for(pieces, kPieceMicroseconds * static_cast<double>(pieces),
               [&](std::int64_t piece, int /*slot*/) {
                 const std::size_t first = static_cast<std::size_t>(piece) * kPiece;
                 hashes[static_cast<std::size_t>(piece)] =
                     sha256(bytes.subspan(first, std::min(kPiece, bytes.size() - first)));
               });
  std::string text;
  for (const std::string& hash : hashes) text += hash + "\n";
  return text;
}

}  // namespace

std::string fingerprint(const Dataset& data) {
  std::ostringstream text;
  text << data.n << " " << data.h << " " << data.w << " " << data.c << " " << data.classes << " "
       << number_text(data.full) << "\npixels\n"
       << tree(bytes_of(data.pixels)) << "values\n"
       << tree(bytes_of(data.values)) << "labels\n"
       << tree(bytes_of(data.labels));
  const std::string all = text.str();
  return sha256(bytes_of(all));
}

}  // namespace nnkernels::nn
