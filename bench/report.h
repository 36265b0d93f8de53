// How results are written: tables for people, JSON for scripts.
#ifndef NNKERNELS_BENCH_REPORT_H_
#define NNKERNELS_BENCH_REPORT_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace nnkernels::bench {

/// A JSON object, built member by member.
class Json {
 public:
  /// Numbers that are not finite become null, as JSON knows none.
  Json& add(std::string_view key, double value);
  Json& add(std::string_view key, std::string_view value);
  Json& add(std::string_view key, const Json& value);
  Json& add(std::string_view key, const std::vector<Json>& values);
  Json& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  template <std::integral Integer>
  Json& add(std::string_view key, Integer value) {
    if constexpr (std::is_same_v<Integer, bool>) {
      return add_raw(key, value ? "true" : "false");
    } else {
      return add_raw(key, std::to_string(value));
    }
  }

  std::string text() const { return "{" + members_ + "}"; }

 private:
  Json& add_raw(std::string_view key, std::string_view value);

  std::string members_;
};

/// `value` with that many digits behind the point; "-" if it is not finite.
std::string fixed(double value, int digits);

/// "1.23 us"; three digits that count, in the unit that suits.
std::string duration(double seconds);

/// "64 KB", "1.5 MB".
std::string byte_size(double bytes);

/// A table whose rows are printed, and flushed, as they come.
class Table {
 public:
  struct Column {
    std::string title;
    std::size_t width;
  };

  /// The first column is aligned to the left, all others to the right. With `silent` nothing is
  /// printed.
  Table(std::vector<Column> columns, bool silent);

  void row(const std::vector<std::string>& cells) const;

 private:
  std::vector<Column> columns_;
  bool silent_;
};

/// The value that half of `values` lie below; of an even number, the mean of the two in the middle.
/// `values` must not be empty.
double median(std::vector<double> values);

/// (largest - smallest) / median.
double spread(const std::vector<double>& values);

/// Of positive values.
double geometric_mean(const std::vector<double>& values);

}  // namespace nnkernels::bench

#endif  // NNKERNELS_BENCH_REPORT_H_
