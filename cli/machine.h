// The machine: how many CPUs, what they are called, and how nncli uses them.
#ifndef NNKERNELS_CLI_MACHINE_H_
#define NNKERNELS_CLI_MACHINE_H_

#include <string>

#include "cli/options.h"

namespace nnkernels::cli {

/// Sets threads, instruction set and pinning of the kernels. Throws UsageError if the instruction
/// set, from --simd or the environment variable NNKERNELS_SIMD, is not one of those there are.
void use_machine(const MachineOptions& options);

/// "AMD EPYC 9554 64-Core Processor", or "unknown".
std::string cpu_name();

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_MACHINE_H_
