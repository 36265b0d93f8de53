// What is done with every input that a fuzzer thinks of, by format. The same functions run over
// fuzz/corpus in every build (replay.cc).
#ifndef NNKERNELS_FUZZ_TARGETS_H_
#define NNKERNELS_FUZZ_TARGETS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "nn/file_error.h"

namespace nnkernels::fuzz {

using Bytes = std::span<const std::uint8_t>;

/// Reads `bytes` as one format. What is accepted must have the properties that the reader promises
/// (most often: written and read again it is the same); what is refused must be so by the
/// documented exception, in one line. Anything else ends the program.
using Run = void (*)(Bytes bytes);

struct Target {
  const char* name;  // of its folder in fuzz/corpus
  Run run;
};

/// All of them.
std::span<const Target> targets();

/// The targets, by the file that they are in.
void run_gzip(Bytes bytes);
void run_idx(Bytes bytes);
void run_npy(Bytes bytes);
void run_npz(Bytes bytes);
void run_zip(Bytes bytes);
void run_model(Bytes bytes);
void run_safetensors(Bytes bytes);
void run_netpbm(Bytes bytes);
void run_png(Bytes bytes);
void run_architecture(Bytes bytes);
void run_augmentation(Bytes bytes);
void run_config(Bytes bytes);
void run_csv(Bytes bytes);
void run_record(Bytes bytes);

/// Ends the program unless `holds`.
void require(bool holds, const char* property);
/// Ends the program unless the message is one line about the file called kPath.
inline constexpr const char* kPath = "input";
void require_message(const nn::FileError& error);

/// Calls `read` and returns true; false if it threw a proper FileError.
template <class Read>
bool accepted(const Read& read) {
  try {
    read();
    return true;
  } catch (const nn::FileError& error) {
    require_message(error);
    return false;
  }
}

inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace nnkernels::fuzz

#endif  // NNKERNELS_FUZZ_TARGETS_H_
