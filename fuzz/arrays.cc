// IDX, gzip, NPY, zip and NPZ.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz/targets.h"
#include "nn/data/byte_source.h"
#include "nn/data/deflate.h"
#include "nn/data/idx.h"
#include "nn/data/npy.h"
#include "nn/data/npz.h"
#include "nn/data/zip.h"

namespace nnkernels::fuzz {
namespace {

constexpr std::size_t kMostInflated = std::size_t{1} << 15;  // keeps a run short

/// All that a source delivers, up to kMostInflated bytes, in pieces of `step`; and what it said.
struct Delivered {
  std::vector<std::uint8_t> bytes;
  bool whole = false;
  bool gzip = false;
};

Delivered deliver(Bytes bytes, std::size_t step) {
  Delivered result;
  result.whole = accepted([&] {
    nn::ByteSource source(kPath, bytes);
    result.gzip = source.gzip();
    for (std::size_t count = step; count == step && result.bytes.size() < kMostInflated;) {
      const std::size_t filled = result.bytes.size();
      result.bytes.resize(filled + step);
      count = source.read(std::span(result.bytes).subspan(filled));
      result.bytes.resize(filled + count);
      require(static_cast<std::int64_t>(result.bytes.size()) <= source.capacity(),
              "no more bytes than the capacity");
    }
  });
  return result;
}

/// ByteSource::inflate_whole() after the first byte.
bool inflated_whole(Bytes bytes, std::int64_t size, std::vector<std::uint8_t>& all) {
  nn::ByteSource source(kPath, bytes);
  std::uint8_t first;
  return source.read({&first, 1}) == 1 && source.inflate_whole(size, all);
}

bool same(const nn::NpyArray& a, const nn::NpyArray& b) {
  return a.kind == b.kind && a.item == b.item && a.shape == b.shape && a.bytes == b.bytes;
}

bool same(const nn::Dataset& a, const nn::Dataset& b) {
  return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c && a.pixels == b.pixels &&
         a.labels == b.labels && a.classes == b.classes && a.values == b.values &&
         a.full == b.full && a.class_names == b.class_names;
}

/// What must hold of a data set that a reader returned.
void require_sound(const nn::Dataset& data) {
  const std::int64_t size = data.n * data.h * data.w * data.c;
  require(size >= 1 && data.size() == static_cast<std::size_t>(size), "as many numbers as n h w c");
  require(data.pixels.empty() || data.values.empty(), "numbers of one kind");
  require(data.labels.size() == static_cast<std::size_t>(data.n), "a label an image");
  require(std::all_of(data.labels.begin(), data.labels.end(),
                      [&](std::int32_t label) { return label >= 0 && label < data.classes; }),
          "labels within the classes");
  require(std::all_of(data.values.begin(), data.values.end(),
                      [](float value) { return value - value == 0; }),
          "finite numbers");
}

void check_npz(Bytes file) {
  nn::TrainMaybeTest sets;
  if (!accepted([&] { sets = nn::parse_npz(kPath, file); })) return;
  require_sound(sets.train);
  if (!sets.test) return;
  require_sound(*sets.test);
  // Floats that were rounded from doubles may be ones that bytes can hold.
  if (!sets.train.values.empty()) return;
  const std::vector<std::uint8_t> written = nn::npz_file({.train = sets.train, .test = *sets.test});
  const nn::TrainMaybeTest again = nn::parse_npz(kPath, written);
  require(same(again.train, sets.train) && same(*again.test, *sets.test), "NPZ reads back");
}

}  // namespace

void run_gzip(Bytes bytes) {
  const Delivered at_once = deliver(bytes, kMostInflated);
  const Delivered in_pieces = deliver(bytes, 7777);
  require(at_once.whole == in_pieces.whole || at_once.bytes.size() >= kMostInflated,
          "the size of the pieces does not matter");
  if (!at_once.whole || at_once.bytes.size() >= kMostInflated) return;
  require(at_once.bytes == in_pieces.bytes, "the size of the pieces does not matter");
  if (!at_once.gzip) require(std::ranges::equal(at_once.bytes, bytes), "plain bytes are unchanged");
  const auto size = static_cast<std::int64_t>(at_once.bytes.size());
  std::vector<std::uint8_t> all;
  if (inflated_whole(bytes, size, all)) {
    require(all == at_once.bytes, "inflated as a whole it is the same");
  }
  require(!inflated_whole(bytes, size + 1, all), "it is no longer");

  const std::vector<std::uint8_t> packed = nn::deflated(at_once.bytes, nn::Wrapping::gzip);
  const Delivered again = deliver(packed, 7777);
  require(again.whole && again.bytes == at_once.bytes, "gzip reads back");
  require(size == 0 || (inflated_whole(packed, size, all) && all == at_once.bytes),
          "gzip reads back as a whole");
}

void run_idx(Bytes bytes) {
  const Delivered inflated = deliver(bytes, kMostInflated);
  const bool streamed = inflated.gzip && inflated.whole && inflated.bytes.size() < kMostInflated;
  int ranks = 0;
  for (const int rank : {1, 3, 4}) {
    nn::Idx idx;
    const bool read = accepted([&] { idx = nn::parse_idx(kPath, bytes, rank); });
    if (streamed) {
      require(read == accepted([&] { nn::parse_idx(kPath, inflated.bytes, rank); }),
              "gzip is as good as what it inflates to");
    }
    if (!read) continue;
    ++ranks;
    const std::vector<std::uint8_t> file = nn::idx_file(idx.dims, idx.values);
    require(idx.gzip || std::ranges::equal(file, bytes), "a plain IDX file is its values");
    require(!streamed || file == inflated.bytes, "a gzip IDX file inflates to its values");
    const nn::Idx again = nn::parse_idx(kPath, file, rank);
    require(again.dims == idx.dims && again.values == idx.values, "IDX reads back");
  }
  require(ranks <= 1, "an IDX file has one rank");
}

void run_npy(Bytes bytes) {
  nn::NpyArray array;
  if (!accepted([&] { array = nn::parse_npy(kPath, bytes); })) return;
  require(same(nn::parse_npy(kPath, nn::npy_file(array)), array), "NPY reads back");
}

/// The archive's members, each once.
void run_zip(Bytes bytes) {
  accepted([&] {
    const nn::ZipArchive archive(kPath, bytes);
    for (const nn::ZipEntry& entry : archive.entries()) {
      require(archive.find(entry.name) == &entry, "an entry is found by its name");
      accepted([&] {
        nn::ZipReader reader(archive, entry);
        std::vector<std::uint8_t> content(
            static_cast<std::size_t>(std::min<std::int64_t>(entry.size, kMostInflated)));
        reader.read(content);
        if (static_cast<std::int64_t>(content.size()) < entry.size) return;
        require(nn::crc32_of(content) == entry.crc, "the checksum holds");
      });
    }
  });
  check_npz(bytes);
}

/// Arrays in an archive that is sound: the fuzzer need not guess checksums. The input is the
/// arrays, one after the other, each with its length, 16 bits, in front.
void run_npz(Bytes bytes) {
  nn::ZipWriter writer;
  for (const char* name :
       {"x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy", "class_names.npy"}) {
    if (bytes.size() < 2) break;
    const std::size_t length = std::min<std::size_t>(bytes[0] + 256U * bytes[1], bytes.size() - 2);
    writer.add(name, bytes.subspan(2, length));
    bytes = bytes.subspan(2 + length);
  }
  check_npz(writer.finish());
}

}  // namespace nnkernels::fuzz
