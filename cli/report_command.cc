#include <filesystem>
#include <system_error>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/machine.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/run_folder.h"
#include "cli/trained.h"

namespace nnkernels::cli {

int make_report(const ReportOptions& options) {
  use_machine(options.machine);
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(options.run, ignored);
  if (options.out.empty() && !is_folder && std::filesystem::exists(options.run, ignored)) {
    throw UsageError("report: " + options.run.string() +
                     " is a file; say with --out FILE where the page is to go");
  }
  refuse_run_files("--out", options.run, options.out, Output::page);
  Trained trained = load_trained(options.run, options.data);
  refuse_input("--out", trained.data.path, options.out);
  const nn::Evaluation evaluation =
      nn::evaluate(trained.model.net, trained.data.sets.test, trained.model.info.preprocessing, 500,
                   trained.loss);
  const std::filesystem::path page =
      options.out.empty() ? options.run / "report.html" : options.out;
  write_report(page, report_input(options.run, trained.model.net, trained.model.info, trained.data,
                                  evaluation));
  print(page.string() + "\n");
  return kSuccess;
}

}  // namespace nnkernels::cli
