#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <span>
#include <string_view>

#include "cli/output.h"

namespace nnkernels::cli {
namespace {

constexpr std::size_t kUsualColumns = 80;

bool stderr_redraws() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::size_t terminal_columns() {
  struct winsize size = {};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

/// As many of the fields as fit into the columns.
std::string fitting(std::span<const std::string> fields, std::size_t columns) {
  std::string line;
  for (const std::string& field : fields) {
    const std::string longer = line.empty() ? field : line + "  " + field;
    // Many terminals break the line after its last column is written.
    if (longer.size() >= columns) break;
    line = longer;
  }
  return line;
}

std::string position(std::string_view what, std::int64_t at, std::int64_t of) {
  const std::string total = std::to_string(of);
  return std::string(what) + " " + right(std::to_string(at), total.size()) + "/" + total;
}

std::string rate(double images_per_second) {
  return grouped(std::llround(std::min(images_per_second, 1e15))) + " images/s";
}

/// Back to the first column, erase to the end of the line (ECMA-48): all the control that is used.
constexpr std::string_view kRestart = "\r\x1b[K";

}  // namespace

std::string live_line(const nn::BatchProgress& progress, double images_per_second,
                      double seconds_left, std::size_t columns) {
  const std::array<std::string, 5> fields = {
      position("epoch", progress.epoch, progress.epochs),
      position("batch", progress.batch, progress.batches), "loss " + loss_text(progress.loss),
      rate(images_per_second), duration(seconds_left) + " left"};
  return fitting(fields, columns);
}

std::string epoch_line(const nn::EpochResult& result, const nn::Evaluation& judged,
                       std::string_view set) {
  const std::array<std::string, 5> fields = {
      position("epoch", result.epoch, result.epochs), "loss " + loss_text(result.loss),
      std::string(set) + " accuracy " + percent(judged.accuracy), duration(result.epoch_seconds),
      rate(static_cast<double>(result.samples) / result.epoch_seconds)};
  return fitting(fields, kUsualColumns);
}

Progress::Progress(bool quiet) : quiet_(quiet), live_(!quiet && stderr_redraws()) {}

Progress::~Progress() { clear(); }

void Progress::batch(const nn::BatchProgress& progress) {
  if (!live_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_draw_) return;
  next_draw_ = now + std::chrono::milliseconds(100);

  const double per_epoch = static_cast<double>(progress.samples) /
                           static_cast<double>(progress.batch) *
                           static_cast<double>(progress.batches);
  const double images = images_before_ + static_cast<double>(progress.samples);
  const double speed = images / (seconds_before_ + progress.epoch_seconds);
  const double left = (static_cast<double>(progress.epochs - progress.epoch + 1) * per_epoch -
                       static_cast<double>(progress.samples)) /
                      speed;
  const std::string line = live_line(progress, speed, left, terminal_columns());
  draw(std::string(kRestart) + line);
  drawn_ = true;
}

void Progress::epoch(const nn::EpochResult& result, const nn::Evaluation& judged,
                     std::string_view set) {
  seconds_before_ += result.epoch_seconds;
  images_before_ += static_cast<double>(result.samples);
  note(epoch_line(result, judged, set));
}

void Progress::note(const std::string& line) {
  if (quiet_) return;
  clear();
  report(line);
}

void Progress::clear() {
  if (drawn_) draw(kRestart);
  drawn_ = false;
}

}  // namespace nnkernels::cli
