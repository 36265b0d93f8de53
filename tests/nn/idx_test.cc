#include "nn/data/idx.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

const Bytes kValues = {0, 1, 2, 253, 254, 255, 7, 8, 9, 10, 11, 12};

std::string read_error(const TempFolder& folder, const Bytes& bytes, int rank) {
  const std::string path = folder.put("file", bytes);
  return file_error(path, [&] { read_idx(path, rank); });
}

TEST(ReadIdx, ReadsImagesAndLabelsPlainAndGzip) {
  const TempFolder folder;
  for (const bool gzip : {false, true}) {
    const auto put = [&](const Bytes& bytes) {
      return folder.put("any name", gzip ? gzip_bytes(bytes) : bytes);
    };
    const Idx images = read_idx(put(idx_bytes({2, 3, 2}, kValues)), 3);
    EXPECT_EQ(images.dims, (std::vector<std::int64_t>{2, 3, 2}));
    EXPECT_EQ(images.values, kValues);
    EXPECT_EQ(images.gzip, gzip);
    const Idx labels = read_idx(put(idx_bytes({12}, kValues)), 1);
    EXPECT_EQ(labels.dims, std::vector<std::int64_t>{12});
    EXPECT_EQ(labels.values, kValues);
  }
}

TEST(ReadIdx, ReadsMoreThanItsBuffersHold) {
  const TempFolder folder;
  Bytes values(3 * 700 * 701);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
  }
  const Bytes plain = idx_bytes({3, 700, 701}, values);
  EXPECT_EQ(read_idx(folder.put("plain", plain), 3).values, values);
  EXPECT_EQ(read_idx(folder.put("gzip", gzip_bytes(plain)), 3).values, values);
}

TEST(ReadIdx, GrowsInStepsBeyondTheFirst) {
  const TempFolder folder;
  const std::uint32_t side = 9000;  // 81 MB: two steps
  const Bytes values(std::size_t{side} * side, 5);
  const Idx idx = read_idx(folder.put("gzip", gzip_bytes(idx_bytes({1, side, side}, values))), 3);
  EXPECT_TRUE(idx.values == values);
}

TEST(ReadIdx, ReadsSeveralGzipMembers) {
  const TempFolder folder;
  const Bytes plain = idx_bytes({12}, kValues);
  for (const std::ptrdiff_t cut : {0, 5, 8, 13, 20}) {
    Bytes packed = gzip_bytes({plain.begin(), plain.begin() + cut});
    const Bytes second = gzip_bytes({plain.begin() + cut, plain.end()});
    packed.insert(packed.end(), second.begin(), second.end());
    EXPECT_EQ(read_idx(folder.put("file", packed), 1).values, kValues) << cut;
  }
}

TEST(ReadIdx, RefusesEveryTruncation) {
  const TempFolder folder;
  const Bytes plain = idx_bytes({2, 3, 2}, kValues);
  const Bytes packed = gzip_bytes(plain);
  for (const Bytes& whole : {plain, packed}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      SCOPED_TRACE(length);
      read_error(folder, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}, 3);
    }
  }
  EXPECT_TRUE(contains(read_error(folder, {}, 3),
                       "at byte 0: expected an IDX header of 16 bytes, found nothing"));
  EXPECT_TRUE(contains(read_error(folder, {packed.begin(), packed.end() - 1}, 3),
                       "at byte " + std::to_string(packed.size() - 1) + ": the gzip data ends"));
}

TEST(ReadIdx, RefusesEveryBitFlipInGzipValues) {
  const TempFolder folder;
  const Bytes packed = gzip_bytes(idx_bytes({2, 3, 2}, kValues));
  for (std::size_t bit = 10 * 8; bit < packed.size() * 8; ++bit) {  // after the gzip header
    Bytes flipped = packed;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1u << bit % 8));
    // A flip may turn one valid coding of the same bytes into another, which is no damage.
    const std::string path = folder.put("file", flipped);
    try {
      EXPECT_EQ(read_idx(path, 3).values, kValues);
    } catch (const FileError& error) {
      EXPECT_TRUE(contains(error.what(), path));
    }
  }
}

TEST(ReadIdx, RefusesGzipWithFewerValuesThanAnnounced) {
  const TempFolder folder;
  EXPECT_TRUE(contains(read_error(folder, gzip_bytes(idx_bytes({13}, kValues)), 1),
                       "at byte 20 of the inflated data: expected 13 bytes of values, the data "
                       "ends here"));
}

TEST(ReadIdx, SaysWhichGzipChecksumIsWrong) {
  const TempFolder folder;
  const Bytes packed = gzip_bytes(idx_bytes({2, 3, 2}, kValues));
  for (const auto& [from_end, problem] : {std::pair<std::size_t, const char*>{8, "data check"},
                                          std::pair<std::size_t, const char*>{4, "length check"}}) {
    Bytes damaged = packed;
    damaged[packed.size() - from_end] ^= 1;
    EXPECT_TRUE(contains(read_error(folder, damaged, 3),
                         "damaged gzip data (incorrect " + std::string(problem) + ")"));
  }
}

TEST(ReadIdx, RefusesTrailingBytes) {
  const TempFolder folder;
  Bytes plain = idx_bytes({12}, kValues);
  Bytes packed = gzip_bytes(plain);
  const Bytes second = packed;
  packed.push_back(0);
  EXPECT_TRUE(contains(read_error(folder, packed, 1), "expected the end of the file or more"));
  packed.pop_back();
  packed.insert(packed.end(), second.begin(), second.end());
  EXPECT_TRUE(contains(read_error(folder, packed, 1),
                       "at byte 20 of the inflated data: expected the end of the data"));
  plain.push_back(0);
  EXPECT_TRUE(contains(read_error(folder, plain, 1), "at byte 20: expected the end of the data"));
  EXPECT_TRUE(contains(read_error(folder, gzip_bytes(plain), 1),
                       "at byte 20 of the inflated data: expected the end of the data"));
}

TEST(ReadIdx, SaysWhatAWrongMagicNumberIs) {
  const TempFolder folder;
  EXPECT_TRUE(contains(read_error(folder, idx_bytes({12}, kValues), 3),
                       "expected the IDX magic number 0x00000803 (images), found 0x00000801 "
                       "(labels)"));
  EXPECT_TRUE(contains(read_error(folder, bytes_of_text("<!DOCTYPE html>"), 1),
                       "expected the IDX magic number 0x00000801 (labels), found 0x3c21444f"));
}

TEST(ReadIdx, RefusesSizesThatTheFileCannotHold) {
  const TempFolder folder;
  constexpr std::uint32_t kHuge = 0xffffffff;
  for (const bool gzip : {false, true}) {
    const auto error = [&](const Bytes& bytes) {
      return read_error(folder, gzip ? gzip_bytes(bytes) : bytes, 3);
    };
    EXPECT_TRUE(contains(error(idx_bytes({kHuge, kHuge, kHuge}, kValues)), "found 4294967295"));
    EXPECT_TRUE(contains(error(idx_bytes({0, 28, 28}, {})), "found 0"));
    EXPECT_TRUE(contains(error(idx_bytes({0x7fffffff, 0x7fffffff, 0x7fffffff}, kValues)),
                         "more than the limit"));
    EXPECT_TRUE(contains(error(idx_bytes({65536, 65536, 1}, kValues)), "announces 4294967296"));
    EXPECT_TRUE(contains(error(idx_bytes({65536, 65536, 2}, kValues)), "more than the limit"));
  }
}

TEST(ReadIdx, AGzipBombIsRefusedInBoundedMemory) {
  const TempFolder folder;
  // The header announces 300 MB, and the file is long enough for that to be possible.
  Bytes hollow = gzip_bytes(idx_bytes({300'000'000}, Bytes(1000)));
  hollow.resize(1 << 20, 0x55);
  rusage before;
  ::getrusage(RUSAGE_SELF, &before);
  EXPECT_TRUE(contains(read_error(folder, hollow, 1), "expected the end of the file or more"));
  rusage after;
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LE(after.ru_maxrss - before.ru_maxrss, 100 * 1024);  // in KiB

  // 200 MB of zeros where the header announces 10 values.
  const Bytes zeros = idx_bytes({10}, Bytes(200'000'000));
  EXPECT_TRUE(contains(read_error(folder, gzip_bytes(zeros), 1), "expected the end of the data"));
}

TEST(ReadIdx, RefusesAMissingFileAFolderAndAnotherRank) {
  const TempFolder folder;
  const std::string missing = folder.file("missing");
  EXPECT_TRUE(contains(file_error(missing, [&] { read_idx(missing, 1); }), "No such file"));
  EXPECT_TRUE(
      contains(file_error(folder.path(), [&] { read_idx(folder.path(), 1); }), "found a folder"));
  EXPECT_THROW(read_idx(missing, 2), std::invalid_argument);
}

}  // namespace
}  // namespace nnkernels::nn
