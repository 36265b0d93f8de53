// The page about a run: one HTML file that holds all it shows and needs neither network nor script.
#ifndef NNKERNELS_CLI_REPORT_H_
#define NNKERNELS_CLI_REPORT_H_

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cli/dataset.h"
#include "nn/classification_report.h"
#include "nn/classifier_loss.h"
#include "nn/data/run_record.h"
#include "nn/model_file.h"

namespace nnkernels::cli {

/// What a page is about. `net` and `test` are looked at only, and outlive it.
struct ReportInput {
  std::string title;  // "mlp on mnist"
  std::string run;    // where it is
  const nn::Sequential<float>* net = nullptr;
  const nn::Dataset* test = nullptr;
  std::vector<std::string> class_names;
  nn::Evaluation evaluation;
  nn::LossKind loss = nn::LossKind::softmax;  // what `evaluation` holds
  nn::ClassificationReport classes;
  std::vector<nn::Mistake> mistakes;
  std::vector<nn::EpochRecord> epochs;                      // empty: nothing is known
  std::vector<std::pair<std::string, std::string>> config;  // names and values; empty: unknown
};

/// Gathers it: reads the run folder's metrics.jsonl and config.json where they are (a model file
/// has none beside it), and runs `net` on the test set once more for the worst mistakes. Throws
/// nn::FileError if a record is damaged.
ReportInput report_input(const std::filesystem::path& run, nn::Sequential<float>& net,
                         const nn::ModelInfo& info, const NamedData& data,
                         const nn::Evaluation& evaluation);

/// The page. Sections about which nothing is known are left out.
std::string report_page(const ReportInput& input);

/// Writes the page, by nn::write_file_atomically(). Throws nn::WriteError.
void write_report(const std::filesystem::path& path, const ReportInput& input);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_REPORT_H_
