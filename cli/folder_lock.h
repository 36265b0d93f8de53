// So that two processes do not write to one run folder.
#ifndef NNKERNELS_CLI_FOLDER_LOCK_H_
#define NNKERNELS_CLI_FOLDER_LOCK_H_

#include <filesystem>
#include <string>
#include <utility>

namespace nnkernels::cli {

/// A lock on a folder that other FolderLocks respect, in this process and in others. It stays with
/// the folder when that is renamed, leaves no file behind, and ends with the object, at the latest
/// with the process, however that ends.
class FolderLock {
 public:
  /// Throws std::runtime_error, which ends with `advice`, if another process holds the lock. Where
  /// the file system knows no locks, nothing is locked.
  FolderLock(const std::filesystem::path& folder, const std::string& advice);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  int descriptor_;
};

}  // namespace nnkernels::cli

#endif  // NNKERNELS_CLI_FOLDER_LOCK_H_
