// What nncli's exit codes mean, and the exceptions that lead to them.
#ifndef NNKERNELS_CLI_EXIT_CODE_H_
#define NNKERNELS_CLI_EXIT_CODE_H_

#include <stdexcept>

namespace nnkernels::cli {

enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,  // anything that has no code of its own: a full disk, a failed gradient check
  kUsage = 2,    // the command line
  kBadFile = 3,  // a data set, an image or a model that is missing or damaged
  kMissedAccuracy = 4,  // less than --min-accuracy
  kDiverged = 5,        // the loss became infinite or NaN
  kSignalBase = 128,    // + the signal's number: 130 after Ctrl-C
};

/// The command line asks for something that does not exist; what() is one line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_EXIT_CODE_H_
