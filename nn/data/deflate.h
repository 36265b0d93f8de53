// Compression of whole buffers, in the three wrappings that files use.
#ifndef NNKERNELS_NN_DATA_DEFLATE_H_
#define NNKERNELS_NN_DATA_DEFLATE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace nnkernels::nn {

/// What stands around the deflate stream (RFC 1951): nothing (zip), zlib's header (RFC 1950, PNG)
/// or gzip's (RFC 1952, without a name or a time).
enum class Wrapping { none, zlib, gzip };

/// `bytes` compressed at zlib's default level. The same bytes give the same result with one version
/// of zlib. `pause`, if given, is called after each MiB; what it throws ends the work.
std::vector<std::uint8_t> deflated(std::span<const std::uint8_t> bytes, Wrapping wrapping,
                                   const std::function<void()>& pause = {});

/// CRC-32 as zip, gzip and PNG use it (ISO 3309), of `bytes` after those that gave `before`.
std::uint32_t crc32_of(std::span<const std::uint8_t> bytes, std::uint32_t before = 0);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_DEFLATE_H_
