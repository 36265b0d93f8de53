#include "nn/data/file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <span>
#include <string>
#include <thread>

#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

/// Makes every write beyond `bytes` of a file fail, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now = {bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_;
  sighandler_t handler_;
};

template <class Call>
std::string write_error(Call&& call) {
  try {
    call();
  } catch (const WriteError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no WriteError";
  return "";
}

TEST(ReadFile, ReturnsEveryByte) {
  const TempFolder folder;
  for (const std::size_t size : {0, 1, 65535, 65536, 65537, 200000}) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
    const std::string path = folder.put("file", bytes);
    EXPECT_EQ(read_file(path, 1 << 20), bytes);
    EXPECT_EQ(read_file(path, static_cast<std::int64_t>(size)), bytes);
    if (size > 0) {
      EXPECT_TRUE(
          contains(file_error(path, [&] { read_file(path, static_cast<std::int64_t>(size) - 1); }),
                   "expected at most " + std::to_string(size - 1) + " bytes, found " +
                       std::to_string(size)));
    }
  }
}

TEST(ReadFile, ReadsPipesAndStopsAtTheLimit) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string path = "/dev/fd/" + std::to_string(ends[0]);
  const Bytes bytes(5000, 17);
  ASSERT_EQ(::write(ends[1], bytes.data(), bytes.size()), 5000);
  ::close(ends[1]);
  EXPECT_EQ(read_file(path, 5000), bytes);
  ::close(ends[0]);
  EXPECT_TRUE(contains(file_error("/dev/zero", [] { read_file("/dev/zero", 1000); }), "at most"));
}

TEST(ReadFile, NamesWhatIsWrong) {
  const TempFolder folder;
  const std::string missing = folder.file("missing");
  EXPECT_TRUE(contains(file_error(missing, [&] { read_file(missing, 10); }), "No such file"));
  EXPECT_TRUE(contains(file_error(folder.path(), [&] { read_file(folder.path(), 10); }),
                       "expected a file, found a folder"));
}

TEST(WriteFileAtomically, CreatesAndReplaces) {
  const TempFolder folder;
  const std::string path = folder.file("file");
  for (const std::string text : {"first", "", "a second, longer one"}) {
    write_file_atomically(path, text);
    EXPECT_EQ(slurp(path), bytes_of_text(text));
    EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
  }
  const mode_t mask = ::umask(0027);
  write_file_atomically(path, std::string_view("x"));
  ::umask(mask);
  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0640u);
}

TEST(WriteFileAtomically, WorksInTheCurrentFolder) {
  const TempFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("here", std::string_view("x"));
  std::filesystem::current_path(before);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"here"});
}

TEST(WriteFileAtomically, AFullDiskLeavesTheOldFileAndNothingElse) {
  const TempFolder folder;
  const std::string path = folder.put("file", bytes_of_text("old"));
  const Bytes large(100000, 1);
  std::string message;
  {
    const FileSizeLimit limit(40000);
    message = write_error([&] { write_file_atomically(path, large); });
  }
  EXPECT_EQ(message, "cannot write " + path + ": File too large");
  EXPECT_EQ(slurp(path), bytes_of_text("old"));
  EXPECT_EQ(folder.names(), std::vector<std::string>{"file"});
}

TEST(WriteFileAtomically, KeepsTheOldFileAndIsNeverWithoutOne) {
  const TempFolder folder;
  const std::string path = folder.put("file", bytes_of_text("0"));
  const std::string kept = folder.file("kept");
  std::atomic<bool> done = false;
  std::atomic<int> missed = 0;
  std::thread reader([&] {
    while (!done) missed += ::access(path.c_str(), F_OK) != 0 ? 1 : 0;
  });
  for (int i = 1; i <= 100; ++i) {
    const Bytes text = bytes_of_text(std::to_string(i));
    const std::span<const std::uint8_t> piece(text);
    write_file_atomically(path, std::span(&piece, 1), kept);
    EXPECT_EQ(slurp(path), text);
    EXPECT_EQ(slurp(kept), bytes_of_text(std::to_string(i - 1)));
  }
  done = true;
  reader.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(folder.names().size(), 2u);
}

TEST(WriteFileAtomically, RefusesWhatIsNoFile) {
  const TempFolder folder;
  EXPECT_TRUE(
      contains(write_error([&] { write_file_atomically(folder.path(), std::string_view("x")); }),
               "Is a directory"));
  EXPECT_TRUE(
      contains(write_error([&] { write_file_atomically("/dev/null", std::string_view("x")); }),
               "Not a regular file"));
  EXPECT_TRUE(contains(
      write_error([&] { write_file_atomically(folder.file("no/such"), std::string_view("x")); }),
      "No such file or directory"));
  EXPECT_TRUE(folder.names().empty());
}

TEST(WriteFileAtomically, TakesDescriptor0IfThatIsFree) {
  const TempFolder folder;
  const std::string path = folder.file("file");
  const int input = ::dup(0);
  ::close(0);
  write_file_atomically(path, std::string_view("text"));
  if (input >= 0) {
    ::dup2(input, 0);
    ::close(input);
  }
  EXPECT_EQ(slurp(path), bytes_of_text("text"));
}

TEST(AppendLine, AddsLines) {
  const TempFolder folder;
  const std::string path = folder.file("log");
  append_line(path, "{\"epoch\": 1}");
  append_line(path, "{\"epoch\": 2}");
  EXPECT_EQ(slurp(path), bytes_of_text("{\"epoch\": 1}\n{\"epoch\": 2}\n"));
}

TEST(AppendLine, LeavesNoPartOfALineBehind) {
  const TempFolder folder;
  const std::string path = folder.put("log", bytes_of_text("first\n"));
  std::string message;
  {
    const FileSizeLimit limit(10);
    message = write_error([&] { append_line(path, "second line"); });
  }
  EXPECT_EQ(message, "cannot write " + path + ": File too large");
  EXPECT_EQ(slurp(path), bytes_of_text("first\n"));
  EXPECT_TRUE(contains(write_error([] { append_line("/dev/full", "x"); }), "No space left"));
  const std::string empty = folder.put("empty", {});
  {
    const FileSizeLimit limit(10);
    message = write_error([&] { append_line(empty, "the first line"); });
  }
  EXPECT_EQ(message, "cannot write " + empty + ": File too large");
  EXPECT_EQ(slurp(empty), Bytes());
}

TEST(Printable, EscapesAndCuts) {
  EXPECT_EQ(printable("abc"), "\"abc\"");
  EXPECT_EQ(printable(std::string_view("\0\n\"\\\xff", 5)), "\"\\x00\\x0a\\x22\\x5c\\xff\"");
  EXPECT_EQ(printable(std::string(41, 'x')), '"' + std::string(40, 'x') + "\"...");
}

}  // namespace
}  // namespace nnkernels::nn
