// The machine: how many CPUs, what they are called, and how nncli uses them.
#ifndef NNKERNELS_CLI_MACHINE_H_
#define NNKERNELS_CLI_MACHINE_H_

#include <string>

#include "cli/options.h"

namespace nnkernels::cli {

/// Sets threads, instruction set and pinning of the kernels: each by its option, else by its
/// environment variable (NNKERNELS_THREADS, NNKERNELS_SIMD, NNKERNELS_PIN), else by default:
/// threads are pinned if the machine is free. Throws UsageError for an instruction set that there
/// is not, and for a variable that makes no sense unless the option overrides it.
void use_machine(const MachineOptions& options);

/// "AMD EPYC 9554 64-Core Processor", or "unknown".
std::string cpu_name();

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_MACHINE_H_
