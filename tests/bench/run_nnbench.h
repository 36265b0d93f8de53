// Runs nnbench as its users do.
#ifndef NNKERNELS_TESTS_BENCH_RUN_NNBENCH_H_
#define NNKERNELS_TESTS_BENCH_RUN_NNBENCH_H_

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace nnkernels::test {

struct Outcome {
  std::string out;  // stdout and stderr
  int status = -1;
};

inline Outcome run(const std::string& arguments, const std::string& redirection = "2>&1") {
  Outcome outcome;
  std::FILE* pipe = popen((NNKERNELS_NNBENCH " " + arguments + " " + redirection).c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> buffer;
  for (std::size_t count; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.out.append(buffer.data(), count);
  }
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

/// One quick repetition; the figures are worth nothing but must be there.
inline nlohmann::json measure(const std::string& command) {
  const Outcome outcome = run(command + " --min-time 0.001 --repetitions 1 --json -");
  EXPECT_EQ(outcome.status, 0) << outcome.out;
  // Standard error is there as well, and a sanitizer's symbolizer may say something.
  const std::size_t begin = std::min(outcome.out.find('{'), outcome.out.size());
  nlohmann::json document = nlohmann::json::parse(outcome.out.substr(begin), nullptr, false);
  EXPECT_TRUE(document.is_object()) << outcome.out;
  return document;
}

inline void expect_usage_error(const std::string& arguments, const std::string& excerpt) {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 2) << arguments;
  EXPECT_NE(outcome.out.find(excerpt), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1) << outcome.out;
}

}  // namespace nnkernels::test

#endif  // NNKERNELS_TESTS_BENCH_RUN_NNBENCH_H_
