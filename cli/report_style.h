// The style sheet of the page of cli/report.h.
#ifndef NNKERNELS_CLI_REPORT_STYLE_H_
#define NNKERNELS_CLI_REPORT_STYLE_H_

#include <string_view>

namespace nnkernels::cli {

/// CSS without any of & < > and quotes: it is the same text in HTML and in XML. For light and dark
/// surroundings, narrow and wide windows, and paper.
std::string_view report_style();

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_REPORT_STYLE_H_
