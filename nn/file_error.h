// What goes wrong with files: one exception for what is read, one for what is written.
#ifndef NNKERNELS_NN_FILE_ERROR_H_
#define NNKERNELS_NN_FILE_ERROR_H_

#include <cstdint>
#include <stdexcept>
#include <string>

namespace nnkernels::nn {

/// A file that is missing, unreadable, damaged or not what was expected. what() is one line:
///
///     train-labels-idx1-ubyte.gz: at byte 9 of the inflated data: expected a label from 0 to 9,
///     ...
class FileError : public std::runtime_error {
 public:
  /// What an offset counts from: the file's first byte, or that of what it inflates to.
  enum class Origin { file, inflated };

  /// A fault of the file as a whole: "PATH: PROBLEM".
  FileError(const std::string& path, const std::string& problem)
      : std::runtime_error(path + ": " + problem), path_(path) {}
  /// A fault at one place: "PATH: at byte OFFSET: PROBLEM".
  FileError(const std::string& path, std::int64_t offset, const std::string& problem,
            Origin origin = Origin::file)
      : std::runtime_error(path + ": at byte " + std::to_string(offset) +
                           (origin == Origin::file ? ": " : " of the inflated data: ") + problem),
        path_(path),
        offset_(offset) {}

  const std::string& path() const { return path_; }
  /// The byte at which the fault was noticed, or -1.
  std::int64_t offset() const { return offset_; }

 private:
  std::string path_;
  std::int64_t offset_ = -1;
};

/// A file that could not be written: "cannot write PATH: No space left on device".
class WriteError : public std::runtime_error {
 public:
  WriteError(const std::string& path, const std::string& reason)
      : std::runtime_error("cannot write " + path + ": " + reason), path_(path) {}

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_FILE_ERROR_H_
