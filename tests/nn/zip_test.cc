#include "nn/data/zip.h"

#include <algorithm>

#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

constexpr std::size_t kCentral = 46;  // bytes of an entry in the directory, without its name
constexpr std::size_t kEnd = 22;

/// Two entries, "one" and "two".
Bytes two_entries() {
  ZipWriter writer;
  writer.add("one", bytes_of_text("the first one"));
  writer.add("two", bytes_of_text("another"));
  return writer.finish();
}

std::size_t directory_of(const Bytes& file) { return file.size() - kEnd - 2 * (kCentral + 3); }

void put_u32(Bytes& file, std::size_t at, std::size_t value) {
  for (std::size_t i = 0; i < 4; ++i) file[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::string error_of(const Bytes& file) {
  return file_error("x", [&] { const ZipArchive archive("x", file); });
}

Bytes content(const Bytes& file, const char* name) {
  const ZipArchive archive("x", file);
  const ZipEntry* const entry = archive.find(name);
  Bytes bytes(static_cast<std::size_t>(entry->size));
  ZipReader reader(archive, *entry);
  reader.read(bytes);
  return bytes;
}

TEST(ZipArchive, ReadsWhatIsWrittenAndNoMore) {
  const Bytes file = two_entries();
  EXPECT_EQ(content(file, "one"), bytes_of_text("the first one"));
  EXPECT_EQ(content(file, "two"), bytes_of_text("another"));
  EXPECT_EQ(ZipArchive("x", file).find("three"), nullptr);
  // In pieces, and again at the end.
  const ZipArchive archive("x", file);
  ZipReader reader(archive, archive.entries()[0]);
  Bytes piece(5);
  EXPECT_EQ(reader.read(piece), 5u);
  EXPECT_EQ(reader.read(piece), 5u);
  EXPECT_EQ(reader.read(piece), 3u);
  EXPECT_EQ(reader.read(piece), 0u);
}

/// Where an entry of the directory keeps its sizes and the offset of its local header.
constexpr std::size_t kPackedSize = 20, kSize = 24, kHeader = 42;

/// two_entries() where 0xffffffff stands in `places` of the first entry and `extra` behind its
/// name.
Bytes with_extra(const std::vector<std::size_t>& places, const Bytes& extra) {
  Bytes file = two_entries();
  const std::size_t entry = directory_of(file);
  for (const std::size_t place : places) put_u32(file, entry + place, 0xffffffff);
  file[entry + 30] = static_cast<std::uint8_t>(extra.size());
  const std::size_t end = file.size() - kEnd;
  put_u32(file, end + 12, end - entry + extra.size());
  file.insert(file.begin() + static_cast<std::ptrdiff_t>(entry + kCentral + 3), extra.begin(),
              extra.end());
  return file;
}

/// A field of numbers of 64 bits, as the ZIP64 field (kind 1) is.
Bytes field(std::uint8_t kind, const std::vector<std::uint8_t>& numbers) {
  Bytes bytes = {kind, 0, static_cast<std::uint8_t>(8 * numbers.size()), 0};
  for (const std::uint8_t number : numbers) {
    bytes.push_back(number);
    bytes.resize(bytes.size() + 7);
  }
  return bytes;
}

TEST(ZipArchive, TakesFromTheZip64FieldWhatDoesNotFit) {
  const Bytes text = bytes_of_text("the first one");
  const auto bytes = static_cast<std::uint8_t>(text.size());
  const Bytes plain = two_entries();
  const std::uint8_t packed = plain[directory_of(plain) + kPackedSize];
  for (const Bytes& file :
       {with_extra({kPackedSize, kSize, kHeader}, field(1, {bytes, packed, 0})),
        with_extra({kSize}, field(1, {bytes})), with_extra({kPackedSize}, field(1, {packed})),
        with_extra({kHeader}, field(1, {0})), with_extra({kSize, kHeader}, field(1, {bytes, 0})),
        // What fits is not there, whatever the field says.
        with_extra({}, field(1, {99, 99, 99})), with_extra({}, {})}) {
    EXPECT_EQ(content(file, "one"), text);
    EXPECT_EQ(content(file, "two"), bytes_of_text("another"));
  }
  Bytes two_fields = field(7, {1, 2});
  const Bytes zip64 = field(1, {bytes});
  two_fields.insert(two_fields.end(), zip64.begin(), zip64.end());
  EXPECT_EQ(content(with_extra({kSize}, two_fields), "one"), text);
}

TEST(ZipArchive, RefusesAZip64FieldThatIsCut) {
  for (const std::size_t place : {kPackedSize, kSize, kHeader}) {
    for (const Bytes& extra :
         {Bytes(), field(7, {13}), field(1, {}), Bytes{1, 0, 4, 0, 13, 0, 0, 0},
          Bytes{1, 0, 8, 0, 13, 0, 0, 0}, Bytes{1, 0}}) {
      EXPECT_TRUE(contains(error_of(with_extra({place}, extra)), "the ZIP64 field is cut"));
    }
  }
}

TEST(ZipArchive, RefusesEntriesThatItsCountHides) {
  Bytes file = two_entries();
  file[file.size() - kEnd + 10] = 1;
  EXPECT_TRUE(contains(error_of(file), "expected the end of the central directory"));
}

TEST(ZipArchive, RefusesEntriesThatOverlap) {
  Bytes file = two_entries();
  const std::size_t directory = directory_of(file);
  // Let the first entry reach to the directory: over all of the second one.
  const std::size_t first_data = 30 + 3;
  put_u32(file, directory + 20, directory - first_data);
  EXPECT_TRUE(contains(error_of(file), "two of its parts overlap"));
  // Or the last one into the directory.
  file = two_entries();
  const std::size_t packed = file[directory_of(file) + kCentral + 3 + 20];
  put_u32(file, directory_of(file) + kCentral + 3 + 20, packed + 1);
  EXPECT_TRUE(contains(error_of(file), "two of its parts overlap"));
}

TEST(ZipArchive, RefusesNamesThatLeadOut) {
  for (const char* name : {"../x.npy", "/x.npy", "a/../x.npy", "a/..", "..", "..\\x.npy", ""}) {
    ZipWriter writer;
    writer.add(name, {});
    EXPECT_TRUE(contains(error_of(writer.finish()), "the name \"")) << name;
  }
  ZipWriter writer;
  for (const char* name : {"a/b.npy", "..a", "a..", "a/..b", "."}) writer.add(name, {});
  EXPECT_EQ(ZipArchive("x", writer.finish()).entries().size(), 5u);
}

TEST(ZipArchive, RefusesLocalHeadersOfAnotherName) {
  Bytes file = two_entries();
  file[30] = 'O';
  EXPECT_TRUE(contains(error_of(file), "expected the local header of \"one\""));
}

TEST(ZipReader, RefusesAStreamThatGoesOn) {
  // The directory says that the content ends earlier, with the checksum of that part.
  ZipWriter part;
  part.add("one", bytes_of_text("the first"));
  const Bytes shorter = part.finish();
  Bytes file = two_entries();
  const std::size_t directory = directory_of(file);
  const std::size_t other = shorter.size() - kEnd - (kCentral + 3);
  std::copy_n(shorter.begin() + static_cast<std::ptrdiff_t>(other + 16), 4,
              file.begin() + static_cast<std::ptrdiff_t>(directory + 16));
  put_u32(file, directory + 24, 9);
  EXPECT_TRUE(contains(file_error("x", [&] { content(file, "one"); }),
                       "expected the end of the compressed data, found more"));
}

}  // namespace
}  // namespace nnkernels::nn
