#include "nn/data/zip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "nn/data/byte_source.h"
#include "nn/data/deflate.h"
#include "nn/data/file.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kCentralHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::int64_t kLocalBytes = 30;
constexpr std::int64_t kCentralBytes = 46;
constexpr std::int64_t kEndBytes = 22;
constexpr std::int64_t kEnd64Bytes = 56;
constexpr std::int64_t kEnd64LocatorBytes = 20;
constexpr std::int64_t kLongestComment = 65535;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint16_t kEncrypted = 1;      // bit of the flags
constexpr std::uint16_t kZip64Extra = 1;     // kind of an extra field
constexpr std::uint32_t kIn64 = 0xffffffff;  // the value is in the ZIP64 field
constexpr std::int64_t kMost = std::int64_t{1} << 62;

template <class Integer>
Integer little_endian(Bytes bytes, std::int64_t at) {
  Integer value = 0;
  for (std::size_t i = sizeof(Integer); i > 0; --i) {
    value = static_cast<Integer>(value << 8 | bytes[static_cast<std::size_t>(at) + i - 1]);
  }
  return value;
}

std::uint16_t u16(Bytes bytes, std::int64_t at) { return little_endian<std::uint16_t>(bytes, at); }
std::uint32_t u32(Bytes bytes, std::int64_t at) { return little_endian<std::uint32_t>(bytes, at); }

/// Sizes beyond 2^62 are lies; what is left can be added without overflow.
std::int64_t size64(Bytes bytes, std::int64_t at) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(little_endian<std::uint64_t>(bytes, at), kMost));
}

Bytes part(Bytes bytes, std::int64_t begin, std::int64_t size) {
  return bytes.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size));
}

std::int64_t size_of(Bytes bytes) { return static_cast<std::int64_t>(bytes.size()); }

/// Replaces those of an entry's values that are kept in its ZIP64 field; false if that lacks one.
bool read_zip64(Bytes extra, ZipEntry& entry) {
  while (extra.size() >= 4) {
    const std::uint16_t kind = u16(extra, 0);
    const std::int64_t size = u16(extra, 2);
    extra = extra.subspan(4);
    if (size > size_of(extra)) return false;
    Bytes field = part(extra, 0, size);
    extra = part(extra, size, size_of(extra) - size);
    if (kind != kZip64Extra) continue;
    // In this order, and only those that do not fit into 32 bits.
    for (std::int64_t* value : {&entry.size, &entry.packed_size, &entry.header}) {
      if (*value != std::int64_t{kIn64}) continue;
      if (field.size() < 8) return false;
      *value = size64(field, 0);
      field = field.subspan(8);
    }
    return true;
  }
  return entry.size != std::int64_t{kIn64} && entry.packed_size != std::int64_t{kIn64} &&
         entry.header != std::int64_t{kIn64};
}

/// Not a name that could lead out of a folder. Nothing is written under any name, but an archive
/// that has such a one was made to do harm.
bool is_key(std::string_view name) {
  if (name.empty() || name[0] == '/' || name.find('\0') != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find_first_of("/\\", begin), name.size());
    if (name.substr(begin, end - begin) == "..") return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

ZipArchive::ZipArchive(std::string path, Bytes file) : path_(std::move(path)), file_(file) {
  const Directory directory = find_directory();
  if (directory.count > kMaxZipEntries) {
    throw FileError(path_, "expected an archive of at most " + std::to_string(kMaxZipEntries) +
                               " files, found " + std::to_string(directory.count));
  }
  const std::int64_t end = directory.offset + directory.size;
  std::int64_t at = directory.offset;
  for (std::int64_t i = 0; i < directory.count; ++i) at = read_entry(at, end);
  // More entries than the count says, or other bytes, are what another program might read.
  if (at != end) fail(at, "damaged zip archive: expected the end of the central directory");
  check_places(directory.offset);
}

void ZipArchive::check_places(std::int64_t directory) const {
  struct Place {
    std::int64_t begin;
    std::int64_t end;
  };
  std::vector<Place> places;
  places.reserve(entries_.size());
  for (const ZipEntry& entry : entries_) {
    const Bytes bytes = packed(entry);
    places.push_back({entry.header, bytes.data() + bytes.size() - file_.data()});
  }
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return a.begin < b.begin; });
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].end > (i + 1 < places.size() ? places[i + 1].begin : directory)) {
      fail(places[i].begin, "damaged zip archive: two of its parts overlap");
    }
  }
}

void ZipArchive::fail(std::int64_t offset, const std::string& problem) const {
  throw FileError(path_, offset, problem);
}

ZipArchive::Directory ZipArchive::find_directory() const {
  // The end record is the last thing in the file but for a comment, whose length it holds.
  const std::int64_t last = size_of(file_) - kEndBytes;
  std::int64_t at = last;
  const auto is_end = [&] { return u32(file_, at) == kEnd && u16(file_, at + 20) == last - at; };
  while (at >= 0 && at >= last - kLongestComment && !is_end()) --at;
  if (at < 0 || at < last - kLongestComment) {
    throw FileError(path_,
                    "expected a zip archive (NPZ), found no central directory: the file is "
                    "cut, or something else");
  }
  Directory directory{
      .offset = u32(file_, at + 16), .size = u32(file_, at + 12), .count = u16(file_, at + 10)};
  const std::int64_t locator = at - kEnd64LocatorBytes;
  if (locator >= 0 && u32(file_, locator) == kEnd64Locator) {
    const std::int64_t record = size64(file_, locator + 8);
    if (record > locator - kEnd64Bytes || u32(file_, record) != kEnd64) {
      fail(locator, "damaged zip archive: no ZIP64 directory where one is announced");
    }
    directory = {.offset = size64(file_, record + 48),
                 .size = size64(file_, record + 40),
                 .count = size64(file_, record + 32)};
  }
  if (directory.offset > at || directory.size > at - directory.offset) {
    fail(at, "damaged zip archive: the central directory is not within the file");
  }
  return directory;
}

std::int64_t ZipArchive::read_entry(std::int64_t at, std::int64_t end) {
  if (end - at < kCentralBytes || u32(file_, at) != kCentralHeader) {
    fail(at, "damaged zip archive: expected an entry of the central directory");
  }
  const std::int64_t name_size = u16(file_, at + 28);
  const std::int64_t extra_size = u16(file_, at + 30);
  const std::int64_t next = at + kCentralBytes + name_size + extra_size + u16(file_, at + 32);
  if (next > end) fail(at, "damaged zip archive: an entry exceeds the central directory");
  const Bytes name = part(file_, at + kCentralBytes, name_size);
  ZipEntry entry{.name = {name.begin(), name.end()},
                 .flags = u16(file_, at + 8),
                 .method = u16(file_, at + 10),
                 .crc = u32(file_, at + 16),
                 .packed_size = u32(file_, at + 20),
                 .size = u32(file_, at + 24),
                 .header = u32(file_, at + 42)};
  if (!read_zip64(part(file_, at + kCentralBytes + name_size, extra_size), entry)) {
    fail(at, "damaged zip archive: the ZIP64 field is cut");
  }
  if (entry.header > size_of(file_) - kLocalBytes ||
      entry.packed_size > size_of(file_) - kLocalBytes - entry.header) {
    fail(at, "damaged zip archive: " + printable(entry.name) + " is not within the file");
  }
  const bool possible = entry.method == kStored ? entry.size == entry.packed_size
                                                : entry.size <= entry.packed_size * kMaxInflation;
  if (!possible) {
    fail(at, "damaged zip archive: " + printable(entry.name) + " has " +
                 std::to_string(entry.packed_size) + " bytes and claims to hold " +
                 std::to_string(entry.size));
  }
  if (!is_key(entry.name)) {
    fail(at, "damaged zip archive: the name " + printable(entry.name) + " is refused");
  }
  if (find(entry.name) != nullptr) {
    fail(at, "damaged zip archive: " + printable(entry.name) + " is there twice");
  }
  entries_.push_back(std::move(entry));
  return next;
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [name](const ZipEntry& entry) { return entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

Bytes ZipArchive::packed(const ZipEntry& entry) const {
  const std::int64_t at = entry.header;
  if (u32(file_, at) != kLocalHeader) fail(at, "damaged zip archive: expected a local header");
  const std::int64_t name_size = u16(file_, at + 26);
  const std::int64_t begin = at + kLocalBytes + name_size + u16(file_, at + 28);
  if (begin > size_of(file_) || entry.packed_size > size_of(file_) - begin) {
    fail(at, "damaged zip archive: " + printable(entry.name) + " is not within the file");
  }
  const Bytes name = part(file_, at + kLocalBytes, name_size);
  if (!std::equal(name.begin(), name.end(), entry.name.begin(), entry.name.end())) {
    fail(at, "damaged zip archive: expected the local header of " + printable(entry.name));
  }
  return part(file_, begin, entry.packed_size);
}

struct ZipReader::Inflation {
  Inflation() {
    if (inflateInit2(&stream, -15) != Z_OK) throw std::bad_alloc();  // no header, largest window
  }
  ~Inflation() { inflateEnd(&stream); }
  Inflation(const Inflation&) = delete;
  Inflation& operator=(const Inflation&) = delete;

  z_stream stream = {};
  bool ended = false;
};

ZipReader::ZipReader(const ZipArchive& archive, const ZipEntry& entry)
    : archive_(archive), entry_(entry), pending_(archive.packed(entry)) {
  if ((entry.flags & kEncrypted) != 0) fail("is encrypted");
  if (entry.method == kDeflated) {
    inflation_ = std::make_unique<Inflation>();
  } else if (entry.method != kStored) {
    fail("expected no compression or deflate (method 0 or 8), found method " +
         std::to_string(entry.method));
  }
}

ZipReader::~ZipReader() = default;

void ZipReader::fail(const std::string& problem) const {
  throw FileError(archive_.path(), entry_.name + ": " + problem);
}

std::size_t ZipReader::read(std::span<std::uint8_t> to) {
  // Whatever the stream would deliver beyond the size that the directory gives does not exist.
  to = to.first(static_cast<std::size_t>(
      std::min(static_cast<std::int64_t>(to.size()), entry_.size - delivered_)));
  std::size_t filled = 0;
  if (inflation_ == nullptr) {
    filled = std::min(to.size(), pending_.size());
    std::copy_n(pending_.begin(), filled, to.begin());
    pending_ = pending_.subspan(filled);
  }
  constexpr std::size_t kStep = std::numeric_limits<uInt>::max();  // zlib counts in 32 bits
  while (filled < to.size() && inflation_ != nullptr) {
    z_stream& stream = inflation_->stream;
    const std::size_t in = std::min(pending_.size(), kStep);
    const std::size_t room = std::min(to.size() - filled, kStep);
    // zlib does not write to its input, but its interface is older than const there.
    stream.next_in = const_cast<Bytef*>(pending_.data());
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = to.data() + filled;
    stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream, Z_NO_FLUSH);
    pending_ = pending_.subspan(in - stream.avail_in);
    filled += room - stream.avail_out;
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    inflation_->ended = result == Z_STREAM_END;
    if (inflation_->ended) break;
    if (result != Z_OK) fail("damaged compressed data");
  }
  crc_ = crc32_of(to.first(filled), crc_);
  delivered_ += static_cast<std::int64_t>(filled);
  if (filled < to.size()) {
    fail("expected " + std::to_string(entry_.size) + " bytes, the data ends after " +
         std::to_string(delivered_));
  }
  if (delivered_ == entry_.size) check_end();
  return filled;
}

void ZipReader::check_end() {
  if (crc_ != entry_.crc) fail("damaged: the CRC-32 is wrong");
  if (inflation_ == nullptr) return;
  // The stream may have its end still before it, and must have nothing else.
  z_stream& stream = inflation_->stream;
  std::uint8_t beyond = 0;
  stream.next_in = const_cast<Bytef*>(pending_.data());  // as above
  stream.avail_in =
      static_cast<uInt>(std::min<std::size_t>(pending_.size(), std::numeric_limits<uInt>::max()));
  stream.next_out = &beyond;
  stream.avail_out = 1;
  if (!inflation_->ended) inflation_->ended = inflate(&stream, Z_NO_FLUSH) == Z_STREAM_END;
  pending_ = pending_.last(stream.avail_in);
  if (!inflation_->ended || stream.avail_out == 0 || stream.avail_in != 0) {
    fail("damaged: expected the end of the compressed data, found more");
  }
}

namespace {

void put(std::vector<std::uint8_t>& bytes, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace

void ZipWriter::add(const std::string& name, Bytes bytes, const std::function<void()>& pause) {
  const std::vector<std::uint8_t> packed = deflated(bytes, Wrapping::none, pause);
  const std::size_t offset = file_.size();
  if (bytes.size() >= kIn64 || packed.size() >= kIn64 - offset - (std::size_t{1} << 20)) {
    throw std::invalid_argument("ZipWriter: " + name + " makes the archive larger than 4 GiB");
  }
  std::vector<std::uint8_t> common;
  put(common, 20, 2);  // deflate needs version 2.0
  put(common, 0, 2);
  put(common, kDeflated, 2);
  put(common, 0, 2);       // 00:00:00
  put(common, 0x0021, 2);  // 1980-01-01, the first day that there is
  put(common, crc32_of(bytes), 4);
  put(common, packed.size(), 4);
  put(common, bytes.size(), 4);
  put(common, name.size(), 2);
  put(common, 0, 2);  // no extra field

  put(file_, kLocalHeader, 4);
  file_.insert(file_.end(), common.begin(), common.end());
  file_.insert(file_.end(), name.begin(), name.end());
  file_.insert(file_.end(), packed.begin(), packed.end());

  put(directory_, kCentralHeader, 4);
  put(directory_, 20, 2);  // made by version 2.0
  directory_.insert(directory_.end(), common.begin(), common.end());
  put(directory_, 0, 8);  // no comment, disk 0, no attributes
  put(directory_, 0, 2);
  put(directory_, offset, 4);
  directory_.insert(directory_.end(), name.begin(), name.end());
  ++count_;
}

std::vector<std::uint8_t> ZipWriter::finish() {
  const std::size_t offset = file_.size();
  file_.insert(file_.end(), directory_.begin(), directory_.end());
  put(file_, kEnd, 4);
  put(file_, 0, 4);  // disk 0 of 0
  put(file_, count_, 2);
  put(file_, count_, 2);
  put(file_, directory_.size(), 4);
  put(file_, offset, 4);
  put(file_, 0, 2);  // no comment
  directory_.clear();
  count_ = 0;
  return std::exchange(file_, {});
}

}  // namespace nnkernels::nn
