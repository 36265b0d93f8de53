#include "nn/data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>

#include "kernels/aligned_buffer.h"
#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

/// No deflate stream yields more than this many bytes for one of its own (zlib, "Technical
/// details": maximum compression factor).
constexpr std::int64_t kMaxInflation = 1032;
/// How far memory may run ahead of what the file has delivered. MNIST's largest file fits, so
/// that it is read without a copy.
constexpr std::int64_t kFirstStep = std::int64_t{64} << 20;
constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

/// The bytes of a file, inflated on the way if it is gzip.
class Source {
 public:
  explicit Source(const std::string& path) : file_(path), buffer_(kBufferBytes) {
    refill();
    // After refill(). NOLINTNEXTLINE(cppcoreguidelines-prefer-member-initializer)
    gzip_ = pending_.size() >= 2 && pending_[0] == 0x1f && pending_[1] == 0x8b;
    // 16: a gzip wrapper and nothing else; 15: the largest window, which every file may use.
    if (gzip_ && inflateInit2(&stream_, 16 + 15) != Z_OK) throw std::bad_alloc();
  }
  ~Source() {
    if (gzip_) inflateEnd(&stream_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Fills `to`; less only at the end.
  std::size_t read(std::span<std::uint8_t> to) {
    const std::size_t count = gzip_ ? inflate_into(to) : copy_into(to);
    delivered_ += static_cast<std::int64_t>(count);
    return count;
  }

  bool gzip() const { return gzip_; }
  /// The most that the file can deliver, or -1 if its size is not known.
  std::int64_t capacity() const {
    return file_.size() < 0 ? -1 : file_.size() * (gzip_ ? kMaxInflation : 1);
  }

  /// A fault at byte `offset` of what read() delivers.
  [[noreturn]] void fail(std::int64_t offset, const std::string& problem) const {
    throw FileError(file_.path(), offset, problem,
                    gzip_ ? FileError::Origin::inflated : FileError::Origin::file);
  }
  [[noreturn]] void fail_here(const std::string& problem) const { fail(delivered_, problem); }

 private:
  void refill() {
    const std::size_t count = file_.read(buffer_);
    pending_ = std::span(buffer_).first(count);
    read_ += static_cast<std::int64_t>(count);
  }

  std::size_t copy_into(std::span<std::uint8_t> to) {
    const std::size_t count = std::min(to.size(), pending_.size());
    std::copy_n(pending_.begin(), count, to.begin());
    pending_ = pending_.subspan(count);
    return count + file_.read(to.subspan(count));
  }

  std::size_t inflate_into(std::span<std::uint8_t> to) {
    std::size_t filled = 0;
    while (filled < to.size() && !at_end()) {
      const std::size_t room =
          std::min<std::size_t>(to.size() - filled, std::numeric_limits<uInt>::max());
      stream_.next_in = pending_.data();
      stream_.avail_in = static_cast<uInt>(pending_.size());
      stream_.next_out = to.data() + filled;
      stream_.avail_out = static_cast<uInt>(room);
      const int result = inflate(&stream_, Z_NO_FLUSH);
      pending_ = pending_.last(stream_.avail_in);
      filled += room - stream_.avail_out;
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      if (result == Z_STREAM_END) {
        between_members_ = true;
        inflateReset(&stream_);
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        fail_in_file(std::string("damaged gzip data (") +
                     (stream_.msg != nullptr ? stream_.msg : "a dictionary is asked for") + ")");
      }
    }
    return filled;
  }

  /// True after the last member; refills on the way. Throws if the file ends within a member.
  bool at_end() {
    if (pending_.empty()) refill();
    if (!pending_.empty()) {
      if (between_members_ && pending_[0] != 0x1f) {
        fail_in_file("expected the end of the file or more gzip data, found something else");
      }
      between_members_ = false;
      return false;
    }
    if (!between_members_) fail_in_file("the gzip data ends early: the file is cut");
    return true;
  }

  [[noreturn]] void fail_in_file(const std::string& problem) const {
    throw FileError(file_.path(), read_ - static_cast<std::int64_t>(pending_.size()), problem);
  }

  InputFile file_;
  std::vector<std::uint8_t> buffer_;
  std::span<std::uint8_t> pending_;  // read from the file, not yet used
  std::int64_t read_ = 0;
  std::int64_t delivered_ = 0;
  bool gzip_ = false;
  bool between_members_ = false;
  z_stream stream_ = {};
};

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
  return text;
}

std::vector<std::int64_t> read_dims(Source& source, int rank) {
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
std::int64_t checked_size(const Source& source, const std::vector<std::int64_t>& dims) {
  std::int64_t size = 1;
  for (const std::int64_t dim : dims) {
    if (dim > kMaxIdxBytes / size) {
      source.fail(4, "the dimensions give more than the limit of " + std::to_string(kMaxIdxBytes) +
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

}  // namespace

Idx read_idx(const std::string& path, int rank) {
  if (rank != 1 && rank != 3) {
    throw std::invalid_argument("read_idx: expected rank 1 or 3, got " + std::to_string(rank));
  }
  Source source(path);
  Idx idx;
  idx.gzip = source.gzip();
  idx.dims = read_dims(source, rank);
  const std::int64_t size = checked_size(source, idx.dims);
  for (std::int64_t filled = 0; filled < size;) {
    const std::int64_t next = std::min(size, std::max(kFirstStep, 2 * filled));
    idx.values.reserve(static_cast<std::size_t>(next));
    use_huge_pages(idx.values.data(), idx.values.capacity());  // batches read it in random order
    idx.values.resize(static_cast<std::size_t>(next));
    const std::span rest = std::span(idx.values).subspan(static_cast<std::size_t>(filled));
    if (source.read(rest) < rest.size()) {
      source.fail_here("expected " + std::to_string(size) + " bytes of values, the data ends here");
    }
    filled = next;
  }
  std::array<std::uint8_t, 1> beyond;
  if (source.read(beyond) != 0) {
    source.fail(static_cast<std::int64_t>(4 + 4 * idx.dims.size()) + size,
                "expected the end of the data, found more");
  }
  return idx;
}

}  // namespace nnkernels::nn
