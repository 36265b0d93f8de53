#include "nn/data/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace nnkernels::nn {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const Bytes abc = {'a', 'b', 'c'};
  EXPECT_EQ(sha256(abc), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const Bytes million(1000000, 'a');
  EXPECT_EQ(sha256(million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnThePieces) {
  Bytes bytes(1000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  Sha256 hash;
  for (const std::size_t piece : {1u, 63u, 64u, 65u, 1000u}) {
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      hash.update(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    }
    EXPECT_EQ(hash.hex(), sha256(bytes)) << piece;
  }
}

}  // namespace
}  // namespace nnkernels::nn
