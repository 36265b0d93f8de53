#include "tests/cli/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace nnkernels::cli::test {

namespace fs = std::filesystem;

namespace {

bool write_line(const char* path, const std::string& line) {
  const int fd = open(path, O_WRONLY);
  const bool written = fd >= 0 && write(fd, line.data(), line.size()) == std::ssize(line);
  close(fd);
  return written;
}

/// Gives this process file systems of its own: nothing of them is seen outside or left behind, and
/// no privilege is needed where the kernel allows user name spaces.
bool own_mounts() {
  const std::string user = std::to_string(geteuid());
  const std::string group = std::to_string(getegid());
  return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
         write_line("/proc/self/uid_map", user + " " + user + " 1") &&
         write_line("/proc/self/setgroups", "deny") &&
         write_line("/proc/self/gid_map", group + " " + group + " 1");
}

/// Covers `folder` by a file system of 64 KiB.
bool mount_small_disk(const std::string& folder) {
  return own_mounts() && mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") == 0;
}

/// Lets nobody write in `folder`, root included, whom permissions do not stop.
bool mount_read_only(const std::string& folder) {
  return own_mounts() && mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
         mount(nullptr, folder.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
}

/// Prepares the forked child and becomes nncli.
[[noreturn]] void become_nncli(const std::vector<char*>& argv, const Surroundings& surroundings,
                               const std::string& out, const std::string& err, int terminal) {
  std::signal(SIGINT, SIG_DFL);
  const int out_fd = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err_fd =
      terminal >= 0 ? terminal : open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  bool ready = dup2(out_fd, STDOUT_FILENO) >= 0 && dup2(err_fd, STDERR_FILENO) >= 0;
  if (surroundings.closed_pipe) {
    int ends[2];
    ready = ready && pipe(ends) == 0 && close(ends[0]) == 0 && dup2(ends[1], STDOUT_FILENO) >= 0;
  }
  if (surroundings.file_size_limit >= 0) {
    const rlimit limit = {static_cast<rlim_t>(surroundings.file_size_limit),
                          static_cast<rlim_t>(surroundings.file_size_limit)};
    ready = ready && setrlimit(RLIMIT_FSIZE, &limit) == 0;
  }
  if (!surroundings.full_disk.empty()) {
    ready = ready && mount_small_disk(surroundings.full_disk);
  }
  if (!surroundings.read_only.empty()) {
    ready = ready && mount_read_only(surroundings.read_only);
  }
  if (!surroundings.cwd.empty()) ready = ready && chdir(surroundings.cwd.c_str()) == 0;
  for (const std::string& variable : surroundings.environment) {
    const std::size_t equals = variable.find('=');
    setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  if (ready) execv(argv[0], argv.data());
  _exit(kCannotPrepare);
}

}  // namespace

TempDir::TempDir() {
  std::string name = (fs::temp_directory_path() / "nncli-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Process::Process(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  start(arguments, surroundings, -1);
}

Process::Process(const std::vector<std::string>& arguments, int terminal) {
  start(arguments, {.environment = {"TERM=xterm"}}, terminal);
}

Process::~Process() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::start(const std::vector<std::string>& arguments, const Surroundings& surroundings,
                    int terminal) {
  std::vector<std::string> words = {NNCLI_PATH};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string out =
      surroundings.stdout_path.empty() ? (dir_ / "out").string() : surroundings.stdout_path;
  const std::string err = (dir_ / "err").string();
  pid_ = fork();
  if (pid_ == 0) become_nncli(argv, surroundings, out, err, terminal);
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

std::string Process::err() const { return read_file(dir_ / "err"); }

bool Process::wait_for(std::string_view text) const {
  for (int i = 0; i < 3000; ++i) {
    if (err().find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

void Process::send(int signal) const { kill(pid_, signal); }

Result Process::wait() {
  int status = 0;
  rusage used = {};
  wait4(pid_, &status, 0, &used);
  pid_ = -1;
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
          .peak_memory = std::int64_t{used.ru_maxrss} * 1024,
          .out = read_file(dir_ / "out"),
          .err = err()};
}

Result nncli(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  return Process(arguments, surroundings).wait();
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace nnkernels::cli::test
