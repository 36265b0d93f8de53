// What the tests of files share: a temporary folder, raw reading and writing, IDX and gzip bytes.
#ifndef NNKERNELS_TESTS_NN_FILE_FIXTURES_H_
#define NNKERNELS_TESTS_NN_FILE_FIXTURES_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "nn/file_error.h"

namespace nnkernels::nn {

using Bytes = std::vector<std::uint8_t>;

/// A folder of its own for one test, removed with all it holds.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "nnkernels-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  /// Writes a file and returns its path.
  std::string put(const std::string& name, const Bytes& bytes) const {
    // Some file systems write to the disk at once what replaces a file's content.
    std::filesystem::remove(file(name));
    std::ofstream stream(file(name), std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    return file(name);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::filesystem::path path_;
};

inline Bytes bytes_of_text(const std::string& text) { return {text.begin(), text.end()}; }

inline Bytes slurp(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline void put_big_endian(Bytes& bytes, std::uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) {
    bytes.push_back(static_cast<std::uint8_t>(value >> shift & 255));
  }
}

inline Bytes idx_bytes(std::initializer_list<std::uint32_t> dims, const Bytes& values) {
  Bytes bytes;
  put_big_endian(bytes, 0x800 + static_cast<std::uint32_t>(dims.size()));
  for (const std::uint32_t dim : dims) put_big_endian(bytes, dim);
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

inline Bytes gzip_bytes(const Bytes& plain) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY);
  Bytes packed(deflateBound(&stream, plain.size()));
  Bytes input = plain;
  stream.next_in = input.data();
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// The message of the FileError that `call` must throw; it must be one line and name `path`.
template <class Call>
std::string file_error(const std::string& path, Call&& call) {
  try {
    call();
  } catch (const FileError& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_EQ(message.rfind(path + ": ", 0), 0u) << message;
    EXPECT_EQ(error.path(), path);
    return message;
  }
  ADD_FAILURE() << "no FileError for " << path;
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace nnkernels::nn

#endif  // NNKERNELS_TESTS_NN_FILE_FIXTURES_H_
