// Folders and groups of files that are there as a whole or not at all.
#ifndef NNKERNELS_NN_DATA_NEW_FOLDER_H_
#define NNKERNELS_NN_DATA_NEW_FOLDER_H_

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace nnkernels::nn {

/// Writes what a folder is to hold: it is called with one that exists and is empty.
using FillFolder = std::function<void(const std::filesystem::path&)>;

/// Makes `dir` and what is missing above it; `dir` must not exist, or be an empty folder: `fill`
/// fills a folder beside it that is renamed to `dir` at the end. Whatever `fill` throws is thrown
/// on, std::filesystem's errors as WriteError, after the folder was removed. Throws WriteError also
/// if `dir` holds anything.
void write_new_folder(const std::string& dir, const FillFolder& fill);

/// Makes files that must not exist yet, all in one folder: `fill` writes them, under the last part
/// of their names, to a folder beside them; at the end those that it wrote are moved. Throws as
/// write_new_folder() does; none of the files is there then.
void write_new_files(const std::vector<std::string>& files, const FillFolder& fill);

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_DATA_NEW_FOLDER_H_
