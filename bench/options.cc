#include "bench/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

namespace nnkernels::bench {
namespace {

/// How many letters must be inserted, deleted or replaced to turn a into b (V. Levenshtein, 1966).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string result;
  for (const std::string& word : words) {
    if (!result.empty()) result += separator;
    result += word;
  }
  return result;
}

/// The whole of `text` as a number in [lowest, highest]; anything else is an error.
template <class Number>
Number parsed(const std::string& text, Number lowest, Number highest, const char* kind) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || !(lowest <= value && value <= highest)) {
    const auto shown = [](Number number) {
      char buffer[32];
      return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
    };
    throw UsageError("expected " + std::string(kind) + " from " + shown(lowest) + " to " +
                     shown(highest) + ", got \"" + text + "\"");
  }
  return value;
}

void require_choice(const std::string& value, const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
    throw UsageError("expected " + joined(choices, ", ") + ", got \"" + value + "\"");
  }
}

/// The parts between the commas.
std::vector<std::string> split(const std::string& value) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find(',', begin), value.size());
    words.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::string with_default(const std::string& help, const std::string& value) {
  return value.empty() ? help : help + " (default " + value + ")";
}

}  // namespace

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : "; did you mean " + *best + "?";
}

Options::Options(std::string command, std::string summary)
    : command_(std::move(command)), summary_(std::move(summary)) {}

void Options::toggle(std::string name, std::string help, bool& target) {
  flags_.push_back({std::move(name), "", std::move(help), false, false,
                    [&target](const std::string&) { target = true; }});
}

void Options::integer(std::string name, std::string unit, const std::string& help,
                      std::int64_t& target, std::int64_t lowest, std::int64_t highest) {
  flags_.push_back({std::move(name), std::move(unit), with_default(help, std::to_string(target)),
                    false, false, [&target, lowest, highest](const std::string& value) {
                      target = parsed(value, lowest, highest, "a whole number");
                    }});
}

void Options::integers(std::string name, const std::string& help, std::vector<std::int64_t>& target,
                       std::int64_t lowest, std::int64_t highest) {
  std::vector<std::string> defaults;
  defaults.reserve(target.size());
  for (const std::int64_t value : target) defaults.push_back(std::to_string(value));
  // The first value replaces the default, later ones are added to it.
  flags_.push_back({std::move(name), "N[,N...]", with_default(help, joined(defaults, ",")), true,
                    false,
                    [&target, lowest, highest, first = true](const std::string& value) mutable {
                      if (std::exchange(first, false)) target.clear();
                      for (const std::string& word : split(value)) {
                        target.push_back(parsed(word, lowest, highest, "a whole number"));
                      }
                    }});
}

void Options::number(std::string name, std::string unit, const std::string& help, double& target,
                     double lowest, double highest) {
  char buffer[32];
  const std::string value(buffer, std::to_chars(buffer, buffer + sizeof buffer, target).ptr);
  flags_.push_back({std::move(name), std::move(unit), with_default(help, value), false, false,
                    [&target, lowest, highest](const std::string& text) {
                      target = parsed(text, lowest, highest, "a number");
                    }});
}

void Options::text(std::string name, std::string unit, const std::string& help,
                   std::string& target) {
  flags_.push_back({std::move(name), std::move(unit), with_default(help, target), false, false,
                    [&target](const std::string& value) { target = value; }});
}

void Options::choice(std::string name, const std::string& help, std::vector<std::string> choices,
                     std::string& target) {
  std::string page = with_default(help + ": " + joined(choices, ", "), target);
  flags_.push_back({std::move(name), "NAME", std::move(page), false, false,
                    [&target, choices = std::move(choices)](const std::string& value) {
                      require_choice(value, choices);
                      target = value;
                    }});
}

void Options::choices(std::string name, const std::string& help, std::vector<std::string> choices,
                      std::vector<std::string>& target) {
  std::string page = with_default(help + ": " + joined(choices, ", "), joined(target, ","));
  // The first value replaces the default, later ones are added to it.
  flags_.push_back(
      {std::move(name), "NAME[,NAME...]", std::move(page), true, false,
       [&target, choices = std::move(choices), first = true](const std::string& value) mutable {
         if (std::exchange(first, false)) target.clear();
         for (const std::string& word : split(value)) {
           require_choice(word, choices);
           target.push_back(word);
         }
       }});
}

void Options::texts(std::string name, std::string unit, std::string help,
                    std::vector<std::string>& target) {
  flags_.push_back({std::move(name), std::move(unit), std::move(help), true, false,
                    [&target](const std::string& value) { target.push_back(value); }});
}

void Options::fail(const std::string& message) const {
  throw UsageError(command_ + ": " + message + " (see nnbench " + command_ + " --help)");
}

Options::Flag& Options::find(const std::string& name) {
  std::vector<std::string> known;
  for (Flag& flag : flags_) {
    if (flag.name == name) return flag;
    known.push_back("--" + flag.name);
  }
  fail("unknown flag --" + name + suggestion("--" + name, known));
}

void Options::parse(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string argument = arguments[i] == "-h" ? "--help" : arguments[i];
    if (!argument.starts_with("--")) fail("unexpected argument \"" + argument + "\"");
    const std::size_t equals = argument.find('=');
    Flag& flag = find(argument.substr(2, equals == std::string::npos ? equals : equals - 2));
    const std::string shown = "--" + flag.name;
    if (flag.given && !flag.repeatable) fail(shown + " is given twice");
    flag.given = true;

    std::string value;
    if (flag.unit.empty()) {
      if (equals != std::string::npos) fail(shown + " takes no value");
    } else if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (++i < arguments.size()) {
      value = arguments[i];
    } else {
      fail(shown + " needs a value (" + flag.unit + ")");
    }
    try {
      flag.set(value);
    } catch (const UsageError& error) {
      fail(shown + ": " + error.what());
    }
  }
}

bool Options::given(std::string_view name) const {
  return std::any_of(flags_.begin(), flags_.end(),
                     [name](const Flag& flag) { return flag.name == name && flag.given; });
}

std::string Options::help() const {
  constexpr std::size_t kHelpColumn = 28;
  constexpr std::size_t kWidth = 96;
  std::string page = "nnbench " + command_ + ": " + summary_ + "\n\nusage: nnbench " + command_ +
                     " [FLAGS]\n\nflags:\n";
  for (const Flag& flag : flags_) {
    std::string line = "  --" + flag.name + (flag.unit.empty() ? "" : " " + flag.unit);
    if (line.size() + 1 > kHelpColumn) {
      page += line + '\n';
      line.clear();
    }
    line.resize(kHelpColumn, ' ');
    for (std::size_t begin = 0; begin < flag.help.size();) {
      const std::size_t end = std::min(flag.help.find(' ', begin), flag.help.size());
      if (line.size() + end - begin > kWidth && line.size() > kHelpColumn) {
        line.pop_back();
        page += line + '\n';
        line.assign(kHelpColumn, ' ');
      }
      line.append(flag.help, begin, end - begin) += ' ';
      begin = end + 1;
    }
    line.pop_back();
    page += line + '\n';
  }
  return page;
}

void CommonOptions::add_to(Options& options) {
  options.number("min-time", "SECONDS", "how long each repetition runs at least", min_time, 1e-4,
                 60.0);
  options.integer("repetitions", "N", "repetitions; their median is reported", repetitions, 1,
                  1000);
  add_machine_to(options);
}

void CommonOptions::add_machine_to(Options& options) {
  options.integers(
      "threads",
      "threads of the kernels, and of the peak they are compared with; several numbers "
      "are measured one after the other",
      threads, 1, 1024);
  options.text("simd", "NAME", "instruction set to use, or lower it to (AVX3, AVX2, SSE4...)",
               simd);
  options.toggle("no-pin", "do not bind threads to CPUs", no_pin);
  options.text("json", "FILE",
               "write all results as one JSON document; - prints it instead of the tables", json);
  options.toggle("help", "print this page", help);
}

}  // namespace nnkernels::bench
