#include "nn/data/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

namespace nnkernels::nn {
namespace {

/// What deflateInit2() takes for a window of 32 KiB in this wrapping.
int window_bits(Wrapping wrapping) {
  constexpr int kWindow = 15;
  if (wrapping == Wrapping::none) return -kWindow;
  return wrapping == Wrapping::gzip ? kWindow + 16 : kWindow;
}

constexpr std::size_t kStep = std::size_t{1} << 20;

/// zlib counts in 32 bits.
uInt at_most_4_gib(std::size_t size) {
  return static_cast<uInt>(std::min<std::size_t>(size, std::numeric_limits<uInt>::max()));
}

}  // namespace

std::vector<std::uint8_t> deflated(std::span<const std::uint8_t> bytes, Wrapping wrapping,
                                   const std::function<void()>& pause) {
  z_stream stream = {};
  constexpr int kMemory = 8;  // zlib's default
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits(wrapping), kMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  struct End {
    z_stream& stream;
    ~End() { deflateEnd(&stream); }
  } const end{stream};
  std::vector<std::uint8_t> result(deflateBound(&stream, static_cast<uLong>(bytes.size())));
  std::size_t used = 0;
  std::size_t filled = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const auto in = static_cast<uInt>(std::min(bytes.size() - used, kStep));
    const uInt out = at_most_4_gib(result.size() - filled);
    // zlib does not write to its input, but its interface is older than const there.
    stream.next_in = const_cast<Bytef*>(bytes.data() + used);
    stream.avail_in = in;
    stream.next_out = result.data() + filled;
    stream.avail_out = out;
    state = deflate(&stream, used + in == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    used += in - stream.avail_in;
    filled += out - stream.avail_out;
    if (pause) pause();
  }
  result.resize(filled);
  return result;
}

std::uint32_t crc32_of(std::span<const std::uint8_t> bytes, std::uint32_t before) {
  return static_cast<std::uint32_t>(crc32_z(before, bytes.data(), bytes.size()));
}

}  // namespace nnkernels::nn
