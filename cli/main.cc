// nncli: parse the command line, run the command, report what went wrong.
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "nn/file_error.h"
#include "nn/trainer.h"

namespace nnkernels::cli {
namespace {

struct Run {
  int operator()(const TrainOptions& options) const { return train(options); }
  int operator()(const RecipesOptions& options) const { return list_recipes(options); }
  int operator()(const EvalOptions& options) const { return eval(options); }
  int operator()(const ReportOptions& options) const { return make_report(options); }
  int operator()(const InspectOptions& options) const { return inspect(options); }
  int operator()(const PredictOptions& options) const { return predict(options); }
  int operator()(const ConvertOptions& options) const { return convert(options); }
  int operator()(const ExportOptions& options) const { return export_onnx(options); }
  int operator()(const GradcheckOptions& options) const { return gradcheck(options); }
  int operator()(const InfoOptions& options) const { return info(options); }
  int operator()(const DataInfoOptions& options) const { return data_info(options); }
  int operator()(const DataExportOptions& options) const { return data_export(options); }
  int operator()(const DataConvertOptions& options) const { return data_convert(options); }
  int operator()(const PrintText& text) const {
    print(text.text);
    return kSuccess;
  }
};

int fail(const std::string& what, ExitCode code) {
  report("nncli: " + one_line(what));
  return code;
}

/// What to do about a file that could not be written.
std::string advice(const nn::WriteError& error) {
  const std::string_view what = error.what();
  const auto because_of = [what](std::errc cause) {
    return what.ends_with(std::make_error_code(cause).message());
  };
  return because_of(std::errc::no_space_on_device) || because_of(std::errc::file_too_large)
             ? "; free some space or choose another place"
             : "; choose another place";
}

int run(int argc, const char* const* argv) {
  turn_write_signals_into_errors();
  try {
    return std::visit(Run{}, parse_options(argc, argv));
  } catch (const UsageError& error) {
    return fail(error.what(), kUsage);
  } catch (const nn::FileError& error) {
    return fail(error.what(), kBadFile);
  } catch (const nn::Diverged& error) {
    return fail(error.what(), kDiverged);
  } catch (const nn::WriteError& error) {
    return fail(error.what() + advice(error), kFailure);
  } catch (const std::bad_alloc&) {
    return fail("not enough memory", kFailure);
  } catch (const std::exception& error) {
    return fail(error.what(), kFailure);
  }
}

}  // namespace
}  // namespace nnkernels::cli

int main(int argc, char** argv) { return nnkernels::cli::run(argc, argv); }
