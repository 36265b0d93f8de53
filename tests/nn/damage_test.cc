// What every reader of files promises: a damaged file is refused by a FileError, or read as what it
// still is, never as something else; memory that is not there is std::bad_alloc and no leak. The
// files are those of fuzz/corpus that are good.
#include <algorithm>
#include <functional>
#include <new>
#include <optional>
#include <random>
#include <string>

#include "nn/architecture.h"
#include "nn/augment.h"
#include "nn/data/csv.h"
#include "nn/data/idx.h"
#include "nn/data/image.h"
#include "nn/data/npy.h"
#include "nn/data/npz.h"
#include "nn/data/safetensors.h"
#include "nn/model_file.h"
#include "tests/nn/counting_new.h"
#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

template <class Numbers>
void add(std::string& text, const Numbers& numbers) {
  for (const auto number : numbers) text += std::to_string(number) + " ";
  text += "; ";
}

std::string text_of(const Dataset& data) {
  std::string text;
  add(text, std::vector<std::int64_t>{data.n, data.h, data.w, data.c, data.classes});
  add(text, data.pixels);
  add(text, data.values);
  add(text, data.labels);
  for (const std::string& name : data.class_names) text += name + ",";
  return text + std::to_string(data.full);
}

// What each reader makes of a file, as text.

std::string idx_text(const Bytes& file) {
  const int rank = file.size() > 3 && file[0] == 0 && file[3] >= 3 && file[3] <= 4 ? file[3] : 1;
  for (const int each : {rank, 3, 4}) {
    try {
      const Idx idx = parse_idx("x", file, each);
      std::string text;
      add(text, idx.dims);
      add(text, idx.values);
      return text;
    } catch (const FileError&) {
      if (each == 4) throw;
    }
  }
  return "";
}

std::string csv_text_of(const Bytes& file) { return text_of(parse_csv("x", file)); }

std::string npy_text(const Bytes& file) {
  const NpyArray array = parse_npy("x", file);
  std::string text = array.kind + std::to_string(array.item) + array.shape_text();
  add(text, array.bytes);
  return text;
}

std::string npz_text(const Bytes& file) {
  const TrainMaybeTest sets = parse_npz("x", file);
  return text_of(sets.train) + (sets.test ? text_of(*sets.test) : "");
}

std::string image_text(const Bytes& file) {
  const Picture picture = parse_picture("x", file);
  std::string text;
  add(text, std::vector<std::int64_t>{picture.w, picture.h, picture.c});
  add(text, picture.pixels);
  return text;
}

std::string safetensors_text(const Bytes& file) {
  const SafetensorsHeader header = parse_safetensors("x", file);
  std::string text;
  for (const auto& [key, value] : header.metadata) text += key + "=" + value + ",";
  for (const SafetensorsEntry& tensor : header.tensors) {
    text += tensor.name + tensor.dtype;
    add(text, tensor.shape);
  }
  return text + std::to_string(header.data_start);
}

std::string model_text(const Bytes& file) {
  const Model model = parse_model("x", file);
  return architecture_of(model.net) + weights_sha256(model.net);
}

struct Format {
  const char* name;  // of its folder in the corpus
  std::string (*read)(const Bytes&);
  /// How many bytes at the front decide how the others are read, where no checksum protects them:
  /// no flip of a bit of them may be accepted with another result.
  std::function<std::size_t(const Bytes&)> header;
  bool checksum = false;   // protects all bytes
  bool has_length = true;  // no part of a file is a file
};

std::size_t place_of(const Bytes& file, std::string_view text) {
  return static_cast<std::size_t>(std::search(file.begin(), file.end(), text.begin(), text.end()) -
                                  file.begin());
}

std::size_t nothing(const Bytes& /*file*/) { return 0; }

/// The magic number and the dimensions; a .gz is protected as a whole.
std::size_t idx_header(const Bytes& file) {
  return file[0] == 0x1f ? file.size() : 4 + 4 * std::size_t{file[3]};
}

/// The sizes; not the largest value, which no other number depends on.
std::size_t netpbm_header(const Bytes& file) {
  std::size_t at = 2;
  for (int number = 0; number < 2; ++number) {
    while (file[at] < '0' || file[at] > '9') ++at;
    while (file[at] >= '0' && file[at] <= '9') ++at;
  }
  return at;
}

const std::vector<Format>& formats() {
  static const std::vector<Format> kFormats = {
      {.name = "csv", .read = csv_text_of, .header = nothing, .has_length = false},
      {.name = "idx", .read = idx_text, .header = idx_header},
      {.name = "model", .read = model_text, .header = nothing, .checksum = true},
      {.name = "netpbm", .read = image_text, .header = netpbm_header, .has_length = false},
      {.name = "npy", .read = npy_text, .header = nothing},
      {.name = "png", .read = image_text, .header = nothing, .checksum = true},
      {.name = "safetensors", .read = safetensors_text, .header = nothing},
      {.name = "zip", .read = npz_text, .header = nothing, .checksum = true}};
  return kFormats;
}

/// What `format` makes of a file, or nothing if it refuses it, which it must do by a FileError of
/// one line.
std::optional<std::string> read(const Format& format, const Bytes& file) {
  try {
    return format.read(file);
  } catch (const FileError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return std::nullopt;
  }
}

struct Good {
  std::string path;
  Bytes bytes;
  std::string text;
};

/// The files of the corpus that are good.
std::vector<Good> good_files(const Format& format) {
  std::vector<Good> files;
  const std::filesystem::path folder = std::filesystem::path(NNKERNELS_CORPUS) / format.name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    Bytes bytes = slurp(entry.path().string());
    const std::optional<std::string> text = read(format, bytes);
    if (text) files.push_back({entry.path().string(), std::move(bytes), *text});
  }
  EXPECT_GE(files.size(), 2u) << format.name;
  return files;
}

class Damage : public testing::TestWithParam<const char*> {
 protected:
  const Format& format() const {
    return *std::find_if(formats().begin(), formats().end(), [](const Format& each) {
      return each.name == std::string_view(GetParam());
    });
  }
};

TEST_P(Damage, APartOfAFileIsNoFile) {
  for (const Good& good : good_files(format())) {
    SCOPED_TRACE(good.path);
    if (!format().has_length && good.bytes[0] != 0x1f) continue;
    for (std::size_t length = 0; length < good.bytes.size(); ++length) {
      EXPECT_FALSE(read(
          format(), {good.bytes.begin(), good.bytes.begin() + static_cast<std::ptrdiff_t>(length)}))
          << length;
    }
  }
}

TEST_P(Damage, AFlippedBitIsSeenOrChangesNothing) {
  for (const Good& good : good_files(format())) {
    SCOPED_TRACE(good.path);
    const std::size_t header = format().checksum ? good.bytes.size() : format().header(good.bytes);
    for (std::size_t bit = 0; bit < good.bytes.size() * 8; ++bit) {
      Bytes flipped = good.bytes;
      flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << bit % 8));
      const std::optional<std::string> text = read(format(), flipped);
      if (bit / 8 < header && text) {
        EXPECT_EQ(*text, good.text) << "bit " << bit;
      }
    }
  }
}

// Some thousand files a format: bytes changed, left out, put in, parts doubled and exchanged.
TEST_P(Damage, ManyFaultsAtOnceAreFaults) {
  std::mt19937 random(12345);
  const auto below = [&](std::size_t n) { return random() % n; };
  const std::vector<Good> files = good_files(format());
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    const Good& good = files[below(files.size())];
    const Bytes& other = files[below(files.size())].bytes;
    Bytes bytes = good.bytes;
    for (std::size_t change = below(4) + 1; change > 0 && !bytes.empty(); --change) {
      const auto at = static_cast<std::ptrdiff_t>(below(bytes.size()));
      const auto from = static_cast<std::ptrdiff_t>(below(other.size()));
      const auto count = static_cast<std::ptrdiff_t>(below(8) + 1);
      const auto some = std::min(count, static_cast<std::ptrdiff_t>(other.size()) - from);
      switch (below(4)) {
        case 0:
          bytes[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(random());
          break;
        case 1:
          bytes.erase(bytes.begin() + at, std::min(bytes.begin() + at + count, bytes.end()));
          break;
        case 2:
          bytes.insert(bytes.begin() + at, other.begin() + from, other.begin() + from + some);
          break;
        default:
          std::copy_n(other.begin() + from,
                      std::min<std::ptrdiff_t>(some, bytes.end() - bytes.begin() - at),
                      bytes.begin() + at);
      }
    }
    const std::optional<std::string> text = read(format(), bytes);
    refused += text ? 0 : 1;
    if (text && format().checksum) {
      // A change that takes a whole file from another one makes that file.
      EXPECT_TRUE(std::any_of(files.begin(), files.end(), [&](const Good& each) {
        return each.text == *text;
      })) << good.path;
    }
  }
  EXPECT_GT(refused, 300);
}

TEST_P(Damage, WithoutMemoryNothingIsLost) {
  for (const Good& good : good_files(format())) {
    SCOPED_TRACE(good.path);
    std::int64_t after = 0;
    for (bool failed = true; failed; ++after) {
      const std::int64_t before = live_allocations();
      fail_allocation(after);
      std::optional<bool> same;
      try {
        same = format().read(good.bytes) == good.text;
      } catch (const std::bad_alloc&) {
        // As it should be.
      }
      failed = allocation_failed();
      fail_allocation(-1);
      EXPECT_EQ(live_allocations(), before) << after;
      EXPECT_TRUE(failed || same.value_or(false)) << after;
      if (same) {
        EXPECT_TRUE(*same) << after;
      }
    }
    EXPECT_GT(after, 1);
  }
}

std::vector<const char*> names() {
  std::vector<const char*> names;
  names.reserve(formats().size());
  for (const Format& format : formats()) {
    if (NNKERNELS_HAVE_PNG || format.name != std::string_view("png")) names.push_back(format.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Formats, Damage, testing::ValuesIn(names()),
                         [](const auto& format) { return std::string(format.param); });

/// Lets every allocation of `work` fail in turn: each time std::bad_alloc comes out, and nothing is
/// left behind.
template <class Work>
void without_memory(const Work& work) {
  work();  // what is allocated once
  std::int64_t after = 0;
  for (bool failed = true; failed; ++after) {
    const std::int64_t before = live_allocations();
    bool whole = false;
    fail_allocation(after);
    try {
      work();
      whole = true;
    } catch (const std::bad_alloc&) {
      // As it should be.
    }
    failed = allocation_failed();
    fail_allocation(-1);
    EXPECT_EQ(live_allocations(), before) << after;
    EXPECT_EQ(whole, !failed) << after;
  }
  EXPECT_GT(after, 1);
}

TEST(WithoutMemory, TextsAreRefusedAsWell) {
  without_memory([] { augmentation_from_text("shift 2, rotate 10, scale 0.1, flip, cutout 8"); });
  without_memory([] {
    build<float>({8, 8, 1}, "conv 2 3x3, relu, batchnorm, maxpool 2, flatten, dropout, affine 3");
  });
}

// A text has no length. What is left of one is the same numbers, but for the last one, which may be
// short of digits.
TEST(DamageOfText, ACutCsvIsTheImagesBeforeTheCut) {
  const std::string whole = "1,0,10,200,255\n0,1,2,3,4\n3,55,66,77,88\n";
  const Dataset all = parse_csv("x", bytes_of_text(whole));
  int accepted = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    try {
      const Dataset data = parse_csv("x", bytes_of_text(whole.substr(0, length)));
      ++accepted;
      ASSERT_LE(data.n, all.n);
      EXPECT_TRUE(std::equal(data.labels.begin(), data.labels.end(), all.labels.begin()));
      EXPECT_TRUE(std::equal(data.pixels.begin(), data.pixels.end() - 1, all.pixels.begin()));
    } catch (const FileError&) {
      continue;
    }
  }
  // The first line, which says how many columns there are, after each digit behind a comma, and
  // whole; the second one and its LF; the third one after both digits.
  EXPECT_EQ(accepted, 9 + 1 + 2 + 2);
}

// Where a format has no checksum, a changed number is another number: only these bytes of an NPY
// header can change its meaning unseen, the order of the bytes of a number and its kind (and the
// shape, where there are no values).
TEST(DamageOfHeaders, AnNpyHeaderIsReadAsItIsOrNotAtAll) {
  for (const Good& good : good_files(formats()[4])) {
    SCOPED_TRACE(good.path);
    if (parse_npy("x", good.bytes).bytes.empty()) continue;
    const std::size_t values = place_of(good.bytes, "}");
    const std::size_t type = place_of(good.bytes, "'descr': '") + 10;
    for (std::size_t bit = 0; bit < values * 8; ++bit) {
      Bytes flipped = good.bytes;
      flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << bit % 8));
      const std::optional<std::string> text = read(formats()[4], flipped);
      if (text && *text != good.text) {
        EXPECT_TRUE(bit / 8 == type || bit / 8 == type + 1) << bit / 8;
      }
    }
  }
}

}  // namespace
}  // namespace nnkernels::nn
