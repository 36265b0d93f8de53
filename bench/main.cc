// nnbench: how fast the kernels are on this machine.
#include <algorithm>
#include <array>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "bench/affinity.h"
#include "bench/commands.h"
#include "bench/options.h"

namespace nnkernels::bench {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;

struct Command {
  const char* name;
  const char* summary;
  void (*run)(const Arguments& arguments);
};

constexpr std::array<Command, 15> kCommands = {{
    {"gemm", "the matrix product; --vs races it against any BLAS, oneDNN, Eigen", run_gemm},
    {"packed", "the matrix product with a right operand packed before, against gemm", run_packed},
    {"batched", "many matrix products of one shape, against a loop of gemm", run_batched},
    {"conv", "convolution, forward and both backward passes; --vs onednn", run_conv},
    {"im2col", "im2col and col2im", run_im2col},
    {"pool", "max and average pooling, forward and backward; --vs onednn", run_pool},
    {"softmax", "softmax, log-softmax and cross-entropy; --vs onednn", run_softmax},
    {"elementwise", "activations, optimizer updates, vector kernels; --vs onednn", run_elementwise},
    {"train", "one training step of whole networks", run_train},
    {"infer", "classifying images with whole networks, for several batch sizes", run_infer},
    {"layers", "where the time of a training step goes, layer by layer", run_layers},
    {"threads", "what several threads gain over one, hot and after idling", run_threads},
    {"parallel", "what it costs to share a loop among threads", run_parallel},
    {"scaling", "what more threads should give a training step, computed", run_scaling},
    {"peak", "what this machine can do: multiply-adds and copies", run_peak},
}};

std::string help() {
  std::string page = "nnbench " NNKERNELS_VERSION
                     ": how fast the kernels are, beside the peak of this machine\n\n"
                     "usage: nnbench COMMAND [FLAGS]\n\ncommands:\n";
  for (const Command& command : kCommands) {
    std::string line = "  " + std::string(command.name);
    line.resize(16, ' ');
    page += line + command.summary + '\n';
  }
  return page +
         "\nnnbench COMMAND --help lists the flags of a command.\n"
         "Exit status: 0 fine, 1 failure, 2 wrong usage.\n";
}

void run(const std::vector<std::string>& words) {
  if (words.empty()) throw UsageError("no command given (see nnbench --help)");
  if (words[0] == "--help" || words[0] == "-h") {
    std::cout << help();
    return;
  }
  if (words[0] == "--version") {
    std::cout << "nnbench " NNKERNELS_VERSION "\n";
    return;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (words[0] == command.name) return command.run({words.begin() + 1, words.end()});
    names.emplace_back(command.name);
  }
  throw UsageError("unknown command \"" + words[0] + "\"" + suggestion(words[0], names) +
                   " (see nnbench --help)");
}

int run_and_report(const std::vector<std::string>& words) {
  try {
    // A reader that has gone or a full disk ends the measuring at once.
    std::cout.exceptions(std::ios::badbit | std::ios::failbit);
    std::cerr.tie(nullptr);  // or reporting would try to write there again
    process_cpus();
    run(words);
    std::cout.flush();
    return 0;
  } catch (const UsageError& error) {
    std::cerr << "nnbench: " << error.what() << '\n';
    return kUsage;
  } catch (const std::ios_base::failure&) {
    std::cerr << "nnbench: cannot write to standard output\n";
    return kFailure;
  } catch (const std::bad_alloc&) {
    std::cerr << "nnbench: not enough memory\n";
    return kFailure;
  } catch (const std::exception& error) {
    std::cerr << "nnbench: " << error.what() << '\n';
    return kFailure;
  }
}

}  // namespace
}  // namespace nnkernels::bench

int main(int argc, char** argv) {
  return nnkernels::bench::run_and_report({argv + std::min(argc, 1), argv + argc});
}
