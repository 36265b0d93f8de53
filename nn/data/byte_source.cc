#include "nn/data/byte_source.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

/// How far memory may run ahead of what the file has delivered, and the most that is inflated at
/// once. MNIST's largest file fits.
constexpr std::int64_t kFirstStep = std::int64_t{64} << 20;
constexpr std::int64_t kBufferBytes = std::int64_t{1} << 18;

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* decompressor) const {
    libdeflate_free_decompressor(decompressor);
  }
};

std::span<std::uint8_t> span_of(const AlignedBuffer<std::uint8_t>& buffer) {
  return {buffer.data(), static_cast<std::size_t>(buffer.size())};
}

void resize_in_huge_pages(std::vector<std::uint8_t>& values, std::int64_t size) {
  values.reserve(static_cast<std::size_t>(size));
  use_huge_pages(values.data(), values.capacity());  // batches read it in random order
  values.resize(static_cast<std::size_t>(size));
}

}  // namespace

struct ByteSource::Inflation {
  Inflation() {
    // 16: a gzip wrapper and nothing else; 15: the largest window, which every file may use.
    if (inflateInit2(&stream, 16 + 15) != Z_OK) throw std::bad_alloc();
  }
  ~Inflation() { inflateEnd(&stream); }
  Inflation(const Inflation&) = delete;
  Inflation& operator=(const Inflation&) = delete;

  z_stream stream = {};
  bool between_members = false;
};

ByteSource::ByteSource(const std::string& path) : file_(path), buffer_(kBufferBytes) { start(); }

ByteSource::ByteSource(const std::string& path, std::span<const std::uint8_t> content)
    : file_(path, content),
      buffer_(std::min(kBufferBytes, static_cast<std::int64_t>(content.size()) + 1)) {
  start();
}

void ByteSource::start() {
  refill();
  if (pending_.size() >= 2 && pending_[0] == 0x1f && pending_[1] == 0x8b) {
    inflation_ = std::make_unique<Inflation>();
  }
}

ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(std::span<std::uint8_t> to) {
  const std::size_t count = gzip() ? inflate_into(to) : copy_into(to);
  delivered_ += static_cast<std::int64_t>(count);
  return count;
}

std::int64_t ByteSource::capacity() const {
  return file_.size() < 0 ? -1 : file_.size() * (gzip() ? kMaxInflation : 1);
}

void ByteSource::fail(std::int64_t offset, const std::string& problem) const {
  throw FileError(file_.path(), offset, problem,
                  gzip() ? FileError::Origin::inflated : FileError::Origin::file);
}

void ByteSource::refill() {
  const std::size_t count = file_.read(span_of(buffer_));
  pending_ = span_of(buffer_).first(count);
  read_ += static_cast<std::int64_t>(count);
}

bool ByteSource::inflate_whole(std::int64_t size, std::vector<std::uint8_t>& all) {
  // What has been delivered shows that zlib accepts the gzip header, whose checksum libdeflate
  // skips.
  if (!gzip() || delivered_ == 0 || size > kFirstStep || file_.size() > kFirstStep ||
      file_.size() < read_) {
    return false;
  }
  const std::int64_t in_buffer =
      pending_.data() - buffer_.data() + static_cast<std::int64_t>(pending_.size());
  if (in_buffer != read_) return false;  // the start is there no more
  buffer_all();
  if (read_ != file_.size()) return false;  // it changes while it is read
  const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(
      libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  resize_in_huge_pages(all, size);
  std::size_t used;
  // The null pointer stands for the size of the output, which must then be that of `all`. What
  // libdeflate accepts and zlib does not (codes that stand for nothing) has its checksum, too.
  const libdeflate_result result = libdeflate_gzip_decompress_ex(
      decompressor.get(), buffer_.data(), static_cast<std::size_t>(read_), all.data(), all.size(),
      &used, nullptr);
  if (result != LIBDEFLATE_SUCCESS || used != static_cast<std::size_t>(read_)) return false;
  pending_ = {buffer_.data() + read_, 0};
  delivered_ = size;
  inflation_->between_members = true;
  return true;
}

/// Reads the rest of the file behind its start, which the buffer holds; what is pending stays so.
void ByteSource::buffer_all() {
  const std::int64_t used = read_ - static_cast<std::int64_t>(pending_.size());
  // One byte more than there was shows whether the file has grown.
  AlignedBuffer<std::uint8_t> whole(file_.size() + 1);
  std::copy_n(buffer_.data(), read_, whole.data());
  read_ += static_cast<std::int64_t>(
      file_.read(span_of(whole).subspan(static_cast<std::size_t>(read_))));
  buffer_ = std::move(whole);
  pending_ = {buffer_.data() + used, buffer_.data() + read_};
}

std::size_t ByteSource::copy_into(std::span<std::uint8_t> to) {
  const std::size_t count = std::min(to.size(), pending_.size());
  std::copy_n(pending_.begin(), count, to.begin());
  pending_ = pending_.subspan(count);
  return count + file_.read(to.subspan(count));
}

std::size_t ByteSource::inflate_into(std::span<std::uint8_t> to) {
  z_stream& stream = inflation_->stream;
  std::size_t filled = 0;
  while (filled < to.size() && !at_end()) {
    const std::size_t room =
        std::min<std::size_t>(to.size() - filled, std::numeric_limits<uInt>::max());
    stream.next_in = pending_.data();
    stream.avail_in = static_cast<uInt>(pending_.size());
    stream.next_out = to.data() + filled;
    stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream, Z_NO_FLUSH);
    pending_ = pending_.last(stream.avail_in);
    filled += room - stream.avail_out;
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (result == Z_STREAM_END) {
      inflation_->between_members = true;
      inflateReset(&stream);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      fail_in_file(std::string("damaged gzip data (") +
                   (stream.msg != nullptr ? stream.msg : "a dictionary is asked for") + ")");
    }
  }
  return filled;
}

bool ByteSource::at_end() {
  if (pending_.empty()) refill();
  if (!pending_.empty()) {
    if (inflation_->between_members && pending_[0] != 0x1f) {
      fail_in_file("expected the end of the file or more gzip data, found something else");
    }
    inflation_->between_members = false;
    return false;
  }
  if (!inflation_->between_members) fail_in_file("the gzip data ends early: the file is cut");
  return true;
}

void ByteSource::fail_in_file(const std::string& problem) const {
  throw FileError(file_.path(), read_ - static_cast<std::int64_t>(pending_.size()), problem);
}

bool read_in_steps(const std::function<std::size_t(std::span<std::uint8_t>)>& read,
                   std::int64_t size, std::vector<std::uint8_t>& values) {
  for (std::int64_t filled = 0; filled < size;) {
    const std::int64_t next = std::min(size, std::max(kFirstStep, 2 * filled));
    resize_in_huge_pages(values, next);
    const std::span rest = std::span(values).subspan(static_cast<std::size_t>(filled));
    if (read(rest) < rest.size()) return false;
    filled = next;
  }
  return true;
}

}  // namespace nnkernels::nn
