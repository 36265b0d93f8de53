#include "nn/data/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "nn/data/bytes.h"
#include "nn/file_error.h"

namespace nnkernels::nn {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

/// A descriptor that is closed when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }
  /// For writers: some file systems report a failed write only here.
  int close() {
    const int result = ::close(value_);
    value_ = -1;
    return result;
  }

 private:
  int value_;
};

int open_file(const std::string& path, int flags, mode_t mode = 0) {
  int descriptor;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

/// Writes everything; false (and errno) if that fails.
bool write_all(int descriptor, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

bool sync(int descriptor) {
  int result;
  do {
    result = ::fsync(descriptor);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// A new file beside `path`, removed unless it was moved into place.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string target) : target_(std::move(target)), descriptor_(create()) {}
  ~TemporaryFile() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::span<const std::uint8_t> bytes) {
    if (!write_all(descriptor_.get(), bytes)) throw WriteError(target_, reason(errno));
  }
  void finish() {
    if (!sync(descriptor_.get()) || descriptor_.close() != 0) {
      throw WriteError(target_, reason(errno));
    }
  }
  /// `kept`: where the file goes that was in this place; empty: nowhere.
  void move_into_place(const std::string& kept) {
    const std::string second = name_ + "-kept";
    if (!kept.empty() && ::link(target_.c_str(), second.c_str()) == 0) {
      return move_with_link(second, kept);
    }
    // There is no file to keep, or the file system knows no second names.
    const bool moved = !kept.empty() && ::rename(target_.c_str(), kept.c_str()) == 0;
    if (!kept.empty() && !moved && errno != ENOENT) throw WriteError(kept, reason(errno));
    if (::rename(name_.c_str(), target_.c_str()) != 0) {
      const int error = errno;
      if (moved) ::rename(kept.c_str(), target_.c_str());
      throw WriteError(target_, reason(error));
    }
    name_.clear();
  }

 private:
  /// `second` is another name of the file in this place. There is always one, and whatever fails,
  /// it and the one that was kept before are what they were.
  void move_with_link(const std::string& second, const std::string& kept) {
    if (::rename(name_.c_str(), target_.c_str()) != 0) {
      const int error = errno;
      ::unlink(second.c_str());
      throw WriteError(target_, reason(error));
    }
    name_.clear();
    if (::rename(second.c_str(), kept.c_str()) != 0) {
      const int error = errno;
      ::rename(second.c_str(), target_.c_str());
      throw WriteError(kept, reason(error));
    }
    // Renaming one name of a file to another of the same file leaves both.
    ::unlink(second.c_str());
  }

  /// Not mkstemp(): its files are for the owner alone, and the umask cannot be read safely while
  /// other threads run.
  int create() {
    static std::atomic<unsigned> counter{0};
    for (;;) {
      std::string name = target_ + ".tmp-" + std::to_string(::getpid()) + "-" +
                         std::to_string(counter.fetch_add(1));
      const int descriptor = open_file(name, O_WRONLY | O_CREAT | O_EXCL, 0666);
      if (descriptor >= 0) {
        name_ = std::move(name);
        return descriptor;
      }
      if (errno != EEXIST) throw WriteError(target_, reason(errno));
    }
  }

  std::string target_;
  std::string name_;  // empty: nothing to remove
  Descriptor descriptor_;
};

}  // namespace

InputFile::InputFile(const std::string& path)
    : path_(path), descriptor_(open_file(path, O_RDONLY)) {
  if (descriptor_ < 0) throw FileError(path, reason(errno));
  struct stat status;
  if (::fstat(descriptor_, &status) == 0) {
    if (S_ISREG(status.st_mode)) size_ = status.st_size;
    if (S_ISDIR(status.st_mode)) {
      ::close(descriptor_);
      throw FileError(path, "expected a file, found a folder");
    }
  }
}

InputFile::InputFile(std::string path, std::span<const std::uint8_t> content)
    : path_(std::move(path)), content_(content), size_(static_cast<std::int64_t>(content.size())) {}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t InputFile::read(std::span<std::uint8_t> to) {
  if (descriptor_ < 0) {
    const std::size_t count = std::min(to.size(), content_.size());
    std::copy_n(content_.begin(), count, to.begin());
    content_ = content_.subspan(count);
    return count;
  }
  std::size_t filled = 0;
  while (filled < to.size()) {
    const ssize_t count = ::read(descriptor_, to.data() + filled, to.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileError(path_, offset_, reason(errno));
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
    offset_ += count;
  }
  return filled;
}

std::vector<std::uint8_t> read_file(const std::string& path, std::int64_t max_bytes) {
  constexpr std::size_t kStep = std::size_t{1} << 16;
  InputFile file(path);
  const auto refuse_above_limit = [&](std::int64_t size) {
    if (size > max_bytes) {
      throw FileError(path, "expected at most " + std::to_string(max_bytes) + " bytes, found " +
                                (file.size() >= 0 ? std::to_string(file.size()) : "more"));
    }
  };
  refuse_above_limit(file.size());
  std::vector<std::uint8_t> bytes;
  // One byte more than a regular file has, to meet its end in the first read.
  std::size_t step = file.size() >= 0 ? static_cast<std::size_t>(file.size()) + 1 : kStep;
  for (std::size_t filled = 0;;) {
    bytes.resize(filled + step);
    const std::size_t count = file.read(std::span(bytes).subspan(filled));
    filled += count;
    refuse_above_limit(static_cast<std::int64_t>(filled));
    if (count < step) {
      bytes.resize(filled);
      return bytes;
    }
    step = kStep;
  }
}

void write_file_atomically(const std::string& path,
                           std::span<const std::span<const std::uint8_t>> pieces,
                           const std::string& kept) {
  // Renaming would put a file in the place of a device such as /dev/null.
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw WriteError(path, S_ISDIR(status.st_mode) ? reason(EISDIR) : "Not a regular file");
  }
  TemporaryFile file(path);
  for (const auto& piece : pieces) file.write(piece);
  file.finish();
  file.move_into_place(kept);
  // The new content is in place and valid. That the folder could not be synced (some file systems
  // cannot) costs only the promise that it survives a power cut from this moment on.
  const Descriptor folder(open_file(folder_of(path), O_RDONLY | O_DIRECTORY));
  if (folder.get() >= 0 && !sync(folder.get()) && (errno == EIO || errno == ENOSPC)) {
    throw WriteError(path, reason(errno));
  }
}

void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes) {
  write_file_atomically(path, std::span(&bytes, 1));
}

void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, bytes_of(text));
}

void sync_file(const std::string& path) {
  const Descriptor file(open_file(path, O_RDONLY));
  if (file.get() < 0 || !sync(file.get())) throw WriteError(path, reason(errno));
}

void write_new_file(const std::string& path, std::span<const std::uint8_t> bytes) {
  Descriptor file(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0666));
  if (file.get() < 0 || !write_all(file.get(), bytes) || file.close() != 0) {
    throw WriteError(path, reason(errno));
  }
}

void append_line(const std::string& path, std::string_view line) {
  Descriptor file(open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0666));
  if (file.get() < 0) throw WriteError(path, reason(errno));
  const off_t end = ::lseek(file.get(), 0, SEEK_END);
  if (!write_all(file.get(), bytes_of(std::string(line) + '\n'))) {
    const int error = errno;
    const bool undone = end >= 0 && ::ftruncate(file.get(), end) == 0;
    throw WriteError(path, reason(error) + (undone ? "" : " (part of a line may be left in it)"));
  }
  if (file.close() != 0) throw WriteError(path, reason(errno));
}

std::string printable(std::string_view bytes) {
  constexpr std::size_t kMost = 40;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : bytes.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      text += c;
    } else {
      text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return text + (bytes.size() > kMost ? "\"..." : "\"");
}

}  // namespace nnkernels::nn
