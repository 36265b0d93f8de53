// The sections of the page (cli/report.h) on what the network gets right and wrong.
#ifndef NNKERNELS_CLI_REPORT_RESULTS_H_
#define NNKERNELS_CLI_REPORT_RESULTS_H_

#include "cli/html.h"
#include "cli/report.h"

namespace nnkernels::cli {

/// The confusion matrix as a heat map; of more than 50 classes only a sentence.
void add_confusion(HtmlWriter& html, const ReportInput& input);
/// Precision, recall, F1 and support, and the most confused pairs beside them.
void add_classes(HtmlWriter& html, const ReportInput& input);
/// The worst mistakes as images with the probabilities of the likeliest classes.
void add_mistakes(HtmlWriter& html, const ReportInput& input);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_REPORT_RESULTS_H_
