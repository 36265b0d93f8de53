// A small, strict parser of command lines: `nnbench COMMAND --name value --switch`.
#ifndef NNKERNELS_BENCH_OPTIONS_H_
#define NNKERNELS_BENCH_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace nnkernels::bench {

/// A command line that cannot be understood; what() is one line that says what to write instead.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// f(); an argument that it refuses came from the command line, from `flag`. The function that
/// refuses it, a word and a colon, is nobody's concern there.
template <class F>
auto checked(const std::string& flag, F f) {
  try {
    return f();
  } catch (const std::invalid_argument& error) {
    const std::string what = error.what();
    const std::size_t colon = what.find(": ");
    const bool named = colon < what.find(' ');
    throw UsageError(flag + ": " + (named ? what.substr(colon + 2) : what));
  }
}

/// ": did you mean X?" for the known word closest to `word`, or "" if none is close.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

/// The flags of one command. Each is bound to a variable, which holds the default before parse()
/// and the given value after it; the variables must outlive the parser.
///
///     std::int64_t m = 256;
///     Options options("gemm", "measures the matrix product");
///     options.integer("m", "N", "rows of C", m, 1, 1 << 20);
///     options.parse({"--m", "512"});
class Options {
 public:
  Options(std::string command, std::string summary);

  void toggle(std::string name, std::string help, bool& target);
  void integer(std::string name, std::string unit, const std::string& help, std::int64_t& target,
               std::int64_t lowest, std::int64_t highest);
  /// Several whole numbers, separated by commas or given by repeating the flag.
  void integers(std::string name, const std::string& help, std::vector<std::int64_t>& target,
                std::int64_t lowest, std::int64_t highest);
  void number(std::string name, std::string unit, const std::string& help, double& target,
              double lowest, double highest);
  void text(std::string name, std::string unit, const std::string& help, std::string& target);
  /// One of `choices`.
  void choice(std::string name, const std::string& help, std::vector<std::string> choices,
              std::string& target);
  /// Several of `choices`, separated by commas or given by repeating the flag.
  void choices(std::string name, const std::string& help, std::vector<std::string> choices,
               std::vector<std::string>& target);
  /// Any text; the flag may be repeated.
  void texts(std::string name, std::string unit, std::string help,
             std::vector<std::string>& target);

  /// Reads "--name value", "--name=value" and switches. Throws UsageError for anything else: an
  /// unknown flag, a flag given twice, a missing or malformed value, a stray word.
  void parse(const std::vector<std::string>& arguments);

  /// Whether the last parse() met the flag.
  bool given(std::string_view name) const;

  /// The page that --help prints.
  std::string help() const;

 private:
  struct Flag {
    std::string name;
    std::string unit;  // what stands for the value in the help; empty for a switch
    std::string help;
    bool repeatable = false;
    bool given = false;
    std::function<void(const std::string& value)> set;
  };

  Flag& find(const std::string& name);
  [[noreturn]] void fail(const std::string& message) const;

  std::string command_;
  std::string summary_;
  std::vector<Flag> flags_;
};

/// What stands for standard output where a file is named.
inline constexpr const char* kStandardOutput = "-";

/// The flags that every command has.
struct CommonOptions {
  bool help = false;
  bool no_pin = false;
  std::string json;                         // file for the JSON document, or kStandardOutput
  std::vector<std::int64_t> threads = {1};  // to be measured one after the other
  std::string simd;                         // empty: what the library chooses
  double min_time = 0.1;
  std::int64_t repetitions = 5;

  void add_to(Options& options);
  /// The same without --min-time and --repetitions.
  void add_machine_to(Options& options);
  /// Whether standard output belongs to the JSON document.
  bool silent() const { return json == kStandardOutput; }
};

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_OPTIONS_H_
