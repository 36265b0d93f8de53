// Runs nncli for a test, in surroundings that the test chooses.
#ifndef NNKERNELS_TESTS_CLI_PROCESS_H_
#define NNKERNELS_TESTS_CLI_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace nnkernels::cli::test {

/// A folder of its own for a test, removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct Result {
  int code = -1;                 // exit code, or minus the signal that ended the process
  std::int64_t peak_memory = 0;  // bytes resident
  std::string out;
  std::string err;
};

/// What is special about a run.
struct Surroundings {
  std::filesystem::path cwd = {};             // empty: this process's
  std::vector<std::string> environment = {};  // "NAME=value", added
  std::string stdout_path = {};               // instead of a file that is read into Result::out
  bool closed_pipe = false;                   // stdout is a pipe that nobody reads
  std::int64_t file_size_limit = -1;          // bytes a file may grow to
  std::filesystem::path full_disk = {};       // this folder becomes a file system of 64 KiB
  std::filesystem::path read_only = {};       // nobody can write in this folder
};

/// The code of a run whose surroundings this system does not allow.
inline constexpr int kCannotPrepare = 126;

/// Runs nncli to its end.
Result nncli(const std::vector<std::string>& arguments, const Surroundings& surroundings = {});

/// An nncli that runs beside the test.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments,
                   const Surroundings& surroundings = {});
  /// With standard error on that terminal.
  Process(const std::vector<std::string>& arguments, int terminal);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// What it has written to standard error so far.
  std::string err() const;
  /// Waits until err() holds `text`; false after half a minute.
  bool wait_for(std::string_view text) const;
  void send(int signal) const;
  Result wait();

 private:
  void start(const std::vector<std::string>& arguments, const Surroundings& surroundings,
             int terminal);
  TempDir dir_;
  pid_t pid_ = -1;
};

/// The bytes of a file; none if it cannot be read.
std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace nnkernels::cli::test

#endif  // NNKERNELS_TESTS_CLI_PROCESS_H_
