// The bytes of a file that may be compressed by gzip.
#ifndef NNKERNELS_NN_DATA_BYTE_SOURCE_H_
#define NNKERNELS_NN_DATA_BYTE_SOURCE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/aligned_buffer.h"
#include "nn/data/file.h"

namespace nnkernels::nn {

/// No deflate stream yields more than this many bytes for one of its own.
/// Source: zlib, "Technical details", maximum compression factor.
inline constexpr std::int64_t kMaxInflation = 1032;

/// The largest data set, or array of one, that the readers accept, in bytes: 4 GiB.
inline constexpr std::int64_t kMaxDataBytes = std::int64_t{1} << 32;

/// Reads a file from its start to its end, inflating it on the way if it is gzip (RFC 1952, any
/// number of members, checksums verified); its content decides that, not its name. Needs a buffer
/// of 256 KiB whatever the file's size, unless it is asked for everything at once. Neither copied
/// nor moved.
class ByteSource {
 public:
  /// Throws FileError as InputFile does.
  explicit ByteSource(const std::string& path);
  /// The content of a file, borrowed; `path` is for messages.
  ByteSource(const std::string& path, std::span<const std::uint8_t> content);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Fills `to` and returns how much that was: less than to.size() only at the end. Throws
  /// FileError if the gzip data are damaged or cut.
  std::size_t read(std::span<std::uint8_t> to);

  /// To be called when only the first bytes have been read, but some. If the file is one gzip
  /// member of `size` bytes, sets `all` to them, the first ones included, in less than half of the
  /// time that read() takes, and returns true: the end is reached. Otherwise returns false, with
  /// anything in `all`, and read() goes on where it was. That is no verdict: the file may also be a
  /// pipe, of several members, damaged, or it or `size` above 64 MiB. Memory is the file and `all`.
  /// Throws FileError if the system cannot read.
  bool inflate_whole(std::int64_t size, std::vector<std::uint8_t>& all);

  const std::string& path() const { return file_.path(); }
  bool gzip() const { return inflation_ != nullptr; }
  /// The most that the file can deliver, or -1 if its size is not known.
  std::int64_t capacity() const;

  /// Throws the FileError of a fault at byte `offset` of what read() delivers, or at the next byte
  /// that it would deliver.
  [[noreturn]] void fail(std::int64_t offset, const std::string& problem) const;
  [[noreturn]] void fail_here(const std::string& problem) const { fail(delivered_, problem); }

 private:
  struct Inflation;

  void start();
  void refill();
  void buffer_all();
  std::size_t copy_into(std::span<std::uint8_t> to);
  std::size_t inflate_into(std::span<std::uint8_t> to);
  /// True after the last member; refills on the way. Throws if the file ends within a member.
  bool at_end();
  [[noreturn]] void fail_in_file(const std::string& problem) const;

  InputFile file_;
  AlignedBuffer<std::uint8_t> buffer_;
  std::span<std::uint8_t> pending_;  // read from the file, not yet used
  std::int64_t read_ = 0;
  std::int64_t delivered_ = 0;
  std::unique_ptr<Inflation> inflation_;  // of a gzip file
};

/// Fills `values` with the next `size` bytes that `read` delivers (it does what ByteSource::read()
/// does) and returns true; false if there are fewer. Memory is at most 64 MiB ahead of, or twice,
/// what has really been delivered, so that a header that lies costs nothing.
bool read_in_steps(const std::function<std::size_t(std::span<std::uint8_t>)>& read,
                   std::int64_t size, std::vector<std::uint8_t>& values);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_BYTE_SOURCE_H_
