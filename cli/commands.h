// The commands of nncli: each takes its options, does its work, prints its result to standard
// output and returns the process's exit code (cli/exit_code.h). Errors are exceptions: UsageError,
// nn::FileError, nn::WriteError, nn::Diverged and others, for main() to report.
#ifndef NNKERNELS_CLI_COMMANDS_H_
#define NNKERNELS_CLI_COMMANDS_H_

#include "cli/options.h"

namespace nnkernels::cli {

/// Trains a network, telling progress on standard error, and leaves a run folder
/// (cli/run_folder.h), or one for each of several seeds; or goes on with the run options.resume.
/// The model is saved after each epoch, checkpoints from time to time. The first SIGINT or SIGTERM
/// stops after the batch at hand and saves both at once; SIGHUP saves a checkpoint, and training
/// goes on.
int train(const TrainOptions& options);

/// The recipes (cli/recipes.h): what each is, where it comes from, how it is trained.
int list_recipes(const RecipesOptions& options);

/// Accuracy, loss, confusion matrix and classification report of a trained network on the test set;
/// kMissedAccuracy if the accuracy is below options.min_accuracy.
int eval(const EvalOptions& options);

/// Writes the page of cli/report.h about a trained network on the test set.
int make_report(const ReportOptions& options);

/// Layers, shapes, parameters, multiply-adds and memory of a network that is trained, or that a
/// text describes.
int inspect(const InspectOptions& options);

/// The class of each image and the probabilities of all classes. An image that cannot be read is
/// reported on standard error, the others are still predicted, and the code is kBadFile.
int predict(const PredictOptions& options);

/// Writes a model in the format and layout of another library, or reads one from there.
int convert(const ConvertOptions& options);

/// Writes a model as ONNX.
int export_onnx(const ExportOptions& options);

/// The numerical gradient check of a built-in network in double precision, tensor by tensor;
/// kFailure if one is off.
int gradcheck(const GradcheckOptions& options);

/// Version, instruction sets, threads, CPU, data folder.
int info(const InfoOptions& options);

/// What is in a data set: format, counts, shape, the balance of the classes, statistics of the
/// numbers, and a contact sheet: an image of each class, drawn with characters.
int data_info(const DataInfoOptions& options);

/// Writes a data set as PNG files, one folder a class.
int data_export(const DataExportOptions& options);

/// Writes a data set as NPZ, CSV or IDX.
int data_convert(const DataConvertOptions& options);

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_COMMANDS_H_
