// Zip archives: the container of NPZ files.
#ifndef NNKERNELS_NN_DATA_ZIP_H_
#define NNKERNELS_NN_DATA_ZIP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nnkernels::nn {

/// The most files that an archive may have: 1000.
inline constexpr std::int64_t kMaxZipEntries = 1000;

/// A file in an archive, as the central directory describes it.
struct ZipEntry {
  std::string name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;  // 0 stored, 8 deflated
  std::uint32_t crc = 0;
  std::int64_t packed_size = 0;
  std::int64_t size = 0;
  std::int64_t header = 0;  // where its local header begins
};

/// A zip archive in memory. Only the central directory is believed; the sizes in the local headers,
/// which writers of streams leave empty, are not looked at. ZIP64 is understood in both places.
/// Names are keys; nothing is ever written under them.
/// Source: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 6.3.
class ZipArchive {
 public:
  /// `path` is for messages. `file` is borrowed. Throws FileError if there is no central directory,
  /// or one that its entries do not fill; if there are more than kMaxZipEntries; if an entry is not
  /// within the file, overlaps another one, has a local header of another name, claims to inflate
  /// to more than kMaxInflation times its size, or has the name of another entry or one that could
  /// be a way out of a folder (rooted, with "..", or with a zero byte).
  ZipArchive(std::string path, std::span<const std::uint8_t> file);

  const std::string& path() const { return path_; }
  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The entry of that name, or null.
  const ZipEntry* find(std::string_view name) const;
  /// The bytes of an entry as they lie in the file. Throws FileError if its local header is damaged
  /// or names another file.
  std::span<const std::uint8_t> packed(const ZipEntry& entry) const;

 private:
  [[noreturn]] void fail(std::int64_t offset, const std::string& problem) const;
  /// Where the central directory is, and how many entries it has.
  struct Directory {
    std::int64_t offset = 0;
    std::int64_t size = 0;
    std::int64_t count = 0;
  };
  Directory find_directory() const;
  /// Reads the entry at `at` and returns where the next one is.
  std::int64_t read_entry(std::int64_t at, std::int64_t end);
  /// Throws if an entry overlaps another one or the directory.
  void check_places(std::int64_t directory) const;

  std::string path_;
  std::span<const std::uint8_t> file_;
  std::vector<ZipEntry> entries_;
};

/// Reads an entry from its start to its end, inflating it if it is compressed.
class ZipReader {
 public:
  /// Both are borrowed. Throws FileError for an entry that is encrypted or compressed otherwise
  /// than by deflate.
  ZipReader(const ZipArchive& archive, const ZipEntry& entry);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  /// Fills `to` and returns how much that was: less than to.size() only at the end. Throws
  /// FileError where the compressed data are damaged, or, at the last byte, if the length, packed
  /// or not, or the CRC-32 is not what the directory says.
  std::size_t read(std::span<std::uint8_t> to);

  /// Throws the FileError of a fault in this entry: "PATH: ENTRY: PROBLEM".
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  struct Inflation;

  void check_end();

  const ZipArchive& archive_;
  const ZipEntry& entry_;
  std::span<const std::uint8_t> pending_;
  std::unique_ptr<Inflation> inflation_;  // of a compressed entry
  std::uint32_t crc_ = 0;
  std::int64_t delivered_ = 0;
};

/// Builds an archive of deflated files, without ZIP64 and without times: the same files give the
/// same bytes.
class ZipWriter {
 public:
  /// `pause` as deflated() takes it. Throws std::invalid_argument if the archive would be 4 GiB or
  /// larger.
  void add(const std::string& name, std::span<const std::uint8_t> bytes,
           const std::function<void()>& pause = {});
  /// The whole archive; the writer is empty after that.
  std::vector<std::uint8_t> finish();

 private:
  std::vector<std::uint8_t> file_;
  std::vector<std::uint8_t> directory_;
  std::uint16_t count_ = 0;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_ZIP_H_
