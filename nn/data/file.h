// Whole files: read with a limit, written so that a crash or a full disk never leaves half of one.
#ifndef NNKERNELS_NN_DATA_FILE_H_
#define NNKERNELS_NN_DATA_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nnkernels::nn {

/// A file that is open for reading from its start to its end. Neither copied nor moved.
class InputFile {
 public:
  /// Throws FileError if the file is missing, unreadable or a folder.
  explicit InputFile(const std::string& path);
  /// The content of a file, borrowed; `path` is for messages.
  InputFile(std::string path, std::span<const std::uint8_t> content);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  /// The length in bytes, or -1 if that is not known in advance (a pipe).
  std::int64_t size() const { return size_; }
  /// Fills `to` with what comes next and returns how much that was: less than to.size() only at the
  /// end of the file. Throws FileError if the system cannot read.
  std::size_t read(std::span<std::uint8_t> to);

 private:
  std::string path_;
  int descriptor_ = -1;                    // -1: what is read is content_
  std::span<const std::uint8_t> content_;  // what is left of it
  std::int64_t size_ = -1;
  std::int64_t offset_ = 0;
};

/// All bytes of a file (a pipe will do). Throws FileError as InputFile does, and, having read no
/// more than that, if there are more than `max_bytes`.
std::vector<std::uint8_t> read_file(const std::string& path, std::int64_t max_bytes);

/// Replaces or creates a file so that, whenever the process or the machine stops, `path` holds
/// either all of its old content or all of the new: writes to a temporary file in the same folder,
/// syncs it, renames it over `path` and syncs the folder. Permissions are those of any new file
/// (0666 less the umask). If `path` is a symbolic link, the link itself is replaced.
///
/// Throws WriteError with the system's reason; the temporary file is then removed and `path` is
/// what it was. An existing `path` that is no regular file (a device, a folder) is refused.
void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes);
void write_file_atomically(const std::string& path, std::string_view text);
/// The same for content that lies in pieces. If `kept` is not empty, the file that was `path` is
/// then called that, in the place of any that was, in the same folder. Whenever the process stops,
/// there is a whole file under `path`, if there was one before; where the file system knows no hard
/// links, under one of the two names.
void write_file_atomically(const std::string& path,
                           std::span<const std::span<const std::uint8_t>> pieces,
                           const std::string& kept = {});

/// Makes what has been written to a file survive a power cut. Throws WriteError.
void sync_file(const std::string& path);

/// Writes a file that must not exist yet; not synced, and not removed where that fails: for the
/// files of a folder that gets its name when it is whole. Throws WriteError.
void write_new_file(const std::string& path, std::span<const std::uint8_t> bytes);

/// Adds `line` and a newline to the end of a file, which is created if need be. Not synced: for
/// logs such as JSON lines. Throws WriteError; the file then ends where it
/// ended before, or the message says otherwise.
void append_line(const std::string& path, std::string_view line);

/// Bytes of a file as they may stand in a one-line message: quoted, everything but printable ASCII
/// as \xHH, cut after 40 bytes.
std::string printable(std::string_view bytes);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_FILE_H_
