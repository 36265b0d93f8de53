#include "nn/data/idx.h"

#include <array>
#include <cstdio>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>

#include "nn/data/byte_source.h"

namespace nnkernels::nn {
namespace {

std::uint32_t big_endian(std::span<const std::uint8_t> bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | bytes[3];
}

std::string magic_text(std::uint32_t magic) {
  std::array<char, 11> hex;
  std::snprintf(hex.data(), hex.size(), "0x%08x", magic);
  std::string text = hex.data();
  if (magic == 0x801) return text + " (labels)";
  if (magic == 0x803) return text + " (images)";
  if (magic == 0x804) return text + " (images with channels)";
  return text;
}

std::vector<std::int64_t> read_dims(ByteSource& source, int rank) {
  const std::string expected_header =
      "expected an IDX header of " + std::to_string(4 + 4 * rank) + " bytes, found ";
  std::array<std::uint8_t, 4> word;
  const auto read_word = [&](int i) {
    const std::size_t count = source.read(word);
    if (count == word.size()) return big_endian(word);
    source.fail_here(expected_header + (count == 0 && i == 0 ? "nothing" : "the end of the file"));
  };
  const std::uint32_t magic = read_word(0);
  const std::uint32_t expected = 0x800 + static_cast<std::uint32_t>(rank);
  if (magic != expected) {
    source.fail(0, "expected the IDX magic number " + magic_text(expected) + ", found " +
                       magic_text(magic));
  }
  std::vector<std::int64_t> dims;
  for (int i = 1; i <= rank; ++i) {
    const std::int64_t dim = read_word(i);
    if (dim < 1 || dim > std::numeric_limits<std::int32_t>::max()) {
      source.fail(std::int64_t{4} * i,
                  "expected a dimension from 1 to 2147483647, found " + std::to_string(dim));
    }
    dims.push_back(dim);
  }
  return dims;
}

/// The product of the dimensions, which the limits and the file's size must justify.
std::int64_t checked_size(const ByteSource& source, const std::vector<std::int64_t>& dims) {
  std::int64_t size = 1;
  for (const std::int64_t dim : dims) {
    if (dim > kMaxDataBytes / size) {
      source.fail(4, "the dimensions give more than the limit of " + std::to_string(kMaxDataBytes) +
                         " bytes");
    }
    size *= dim;
  }
  const auto header = static_cast<std::int64_t>(4 + 4 * dims.size());
  const std::int64_t capacity = source.capacity();
  if (capacity >= 0 && header + size > capacity) {
    source.fail(4, "the header announces " + std::to_string(size) + " bytes of values, the file " +
                       (source.gzip() ? "is too short to inflate to so many"
                                      : "has " + std::to_string(capacity - header)));
  }
  return size;
}

void check_rank(int rank) {
  if (rank != 1 && rank != 3 && rank != 4) {
    throw std::invalid_argument("read_idx: expected rank 1, 3 or 4, got " + std::to_string(rank));
  }
}

Idx read(ByteSource& source, int rank) {
  Idx idx;
  idx.gzip = source.gzip();
  idx.dims = read_dims(source, rank);
  const std::int64_t size = checked_size(source, idx.dims);
  const auto header = static_cast<std::int64_t>(4 + 4 * idx.dims.size());
  if (source.inflate_whole(header + size, idx.values)) {
    idx.values.erase(idx.values.begin(), idx.values.begin() + header);
    return idx;
  }
  const auto deliver = [&source](std::span<std::uint8_t> to) { return source.read(to); };
  if (!read_in_steps(deliver, size, idx.values)) {
    source.fail_here("expected " + std::to_string(size) + " bytes of values, the data ends here");
  }
  std::array<std::uint8_t, 1> beyond;
  if (source.read(beyond) != 0) {
    source.fail(header + size, "expected the end of the data, found more");
  }
  return idx;
}

}  // namespace

Idx read_idx(const std::string& path, int rank) {
  check_rank(rank);
  ByteSource source(path);
  return read(source, rank);
}

Idx parse_idx(const std::string& path, std::span<const std::uint8_t> file, int rank) {
  check_rank(rank);
  ByteSource source(path, file);
  return read(source, rank);
}

std::vector<std::uint8_t> idx_file(const std::vector<std::int64_t>& dims,
                                   std::span<const std::uint8_t> values) {
  const std::size_t rank = dims.size();
  if (rank != 1 && rank != 3 && rank != 4) {
    throw std::invalid_argument("idx_file: expected rank 1, 3 or 4, got " + std::to_string(rank));
  }
  std::vector<std::uint8_t> file;
  file.reserve(4 + 4 * rank + values.size());
  const auto put = [&file](std::int64_t word) {
    for (const int shift : {24, 16, 8, 0}) {
      file.push_back(static_cast<std::uint8_t>(word >> shift & 0xff));
    }
  };
  put(0x800 + static_cast<std::int64_t>(rank));
  // In double a product that overflows is merely large, and so unequal.
  double size = 1;
  for (const std::int64_t dim : dims) {
    if (dim < 1 || dim > std::numeric_limits<std::int32_t>::max()) {
      throw std::invalid_argument("idx_file: expected dimensions from 1 to 2147483647, got " +
                                  std::to_string(dim));
    }
    size *= static_cast<double>(dim);
    put(dim);
  }
  if (size != static_cast<double>(values.size())) {
    throw std::invalid_argument("idx_file: the dimensions do not give the " +
                                std::to_string(values.size()) + " values that there are");
  }
  file.insert(file.end(), values.begin(), values.end());
  return file;
}

}  // namespace nnkernels::nn
