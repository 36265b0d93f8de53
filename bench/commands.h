// The commands of nnbench: each parses its flags, measures one family and prints the result.
#ifndef NNKERNELS_BENCH_COMMANDS_H_
#define NNKERNELS_BENCH_COMMANDS_H_

#include <string>
#include <vector>

#include "bench/case.h"

namespace nnkernels::bench {

/// What follows the command's name on the command line. Throws UsageError for flags that cannot be
/// understood, and any other std::exception for what fails later.
using Arguments = std::vector<std::string>;

void run_gemm(const Arguments& arguments);         // gemm.cc
void run_packed(const Arguments& arguments);       // gemm_ways.cc
void run_batched(const Arguments& arguments);      // gemm_ways.cc
void run_conv(const Arguments& arguments);         // conv.cc
void run_im2col(const Arguments& arguments);       // im2col.cc
void run_pool(const Arguments& arguments);         // pool.cc
void run_softmax(const Arguments& arguments);      // softmax.cc
void run_elementwise(const Arguments& arguments);  // elementwise.cc
void run_train(const Arguments& arguments);        // train.cc
void run_infer(const Arguments& arguments);        // infer.cc
void run_layers(const Arguments& arguments);       // layers.cc
void run_threads(const Arguments& arguments);      // threads.cc
void run_parallel(const Arguments& arguments);     // parallel.cc
void run_scaling(const Arguments& arguments);      // scaling.cc
void run_peak(const Arguments& arguments);         // machine.cc

/// What a command measures when no flag chooses, in f32 and without peers: for `threads`.
std::vector<Case> usual_gemm_cases();
std::vector<Case> usual_conv_cases();
std::vector<Case> usual_pool_cases();
std::vector<Case> usual_softmax_cases();
std::vector<Case> usual_elementwise_cases();
/// Training steps, and what comes before them.
std::vector<Case> usual_train_cases();
std::vector<Case> usual_infer_cases();

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_COMMANDS_H_
