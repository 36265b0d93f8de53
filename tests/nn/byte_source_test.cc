#include "nn/data/byte_source.h"

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "tests/nn/file_fixtures.h"

namespace nnkernels::nn {
namespace {

constexpr std::int64_t kMost = std::int64_t{64} << 20;  // that inflate_whole() takes

/// Bytes that hardly compress, so that the file is as long as they are.
Bytes noise(std::size_t size) {
  Bytes bytes(size);
  std::uint32_t state = 1;
  for (std::uint8_t& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

/// Within one buffer of 256 KiB, and beyond.
constexpr std::size_t kSizes[] = {100, 600'000};

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes first(const Bytes& bytes, std::size_t count) {
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count)};
}

Bytes flipped(Bytes bytes, std::size_t from_end) {
  bytes[bytes.size() - from_end] ^= 0x10;
  return bytes;
}

/// gzip with further fields in its header: RFC 1952, section 2.3.
Bytes with_fields(const Bytes& packed, std::uint8_t flags, const Bytes& fields) {
  Bytes result = first(packed, 10);
  result[3] = flags;
  return result + fields + Bytes(packed.begin() + 10, packed.end());
}

Bytes with_checksum_of_header(const Bytes& packed, std::uint16_t error) {
  Bytes header = first(packed, 10);
  header[3] = 2;
  const std::uint32_t crc = static_cast<std::uint32_t>(crc32(0, header.data(), 10)) ^ error;
  return with_fields(packed, 2,
                     {static_cast<std::uint8_t>(crc), static_cast<std::uint8_t>(crc >> 8)});
}

/// What a source delivers, and what it says instead of the rest.
struct Outcome {
  Bytes bytes;
  std::string error;
  bool whole = false;  // by inflate_whole()
};

void read_rest(ByteSource& source, Outcome& outcome) {
  for (std::size_t count = 1; count > 0;) {
    const std::size_t filled = outcome.bytes.size();
    outcome.bytes.resize(filled + 10'007);
    try {
      count = source.read(std::span(outcome.bytes).subspan(filled));
    } catch (const FileError&) {
      outcome.bytes.resize(filled);
      throw;
    }
    outcome.bytes.resize(filled + count);
  }
}

/// As read_idx() goes about it: a header by read(), then all by inflate_whole() if there is a size,
/// and if that does not do it the rest by read().
Outcome deliver(ByteSource&& source, std::optional<std::size_t> size) {
  Outcome outcome;
  try {
    Bytes header(4);
    header.resize(source.read(header));
    outcome.whole = size && source.inflate_whole(static_cast<std::int64_t>(*size), outcome.bytes);
    if (outcome.whole) {
      EXPECT_EQ(source.read(header), 0U);
    } else {
      outcome.bytes = header;
      read_rest(source, outcome);
    }
  } catch (const FileError& error) {
    outcome.error = error.what();
  }
  return outcome;
}

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_TRUE(a.bytes == b.bytes);
  EXPECT_EQ(a.error, b.error);
}

/// A file of one of these sizes, and whether inflate_whole() can read it.
void expect_read_alike(const Bytes& file, std::size_t size, bool whole) {
  const TempFolder folder;
  const std::string path = folder.put("file", file);
  const Outcome expected = deliver(ByteSource(path), std::nullopt);
  const Outcome from_disk = deliver(ByteSource(path), size);
  EXPECT_EQ(from_disk.whole, whole);
  expect_same(from_disk, expected);
  const Outcome from_memory = deliver(ByteSource(path, file), size);
  EXPECT_EQ(from_memory.whole, whole);
  expect_same(from_memory, expected);
}

TEST(InflateWhole, ReadsOneMemberWhateverItsHeaderHolds) {
  for (const std::size_t size : kSizes) {
    const Bytes packed = gzip_bytes(noise(size));
    expect_read_alike(packed, size, true);
    expect_read_alike(with_fields(packed, 1, {}), size, true);  // "text"
    const Bytes extra = Bytes{5, 0} + bytes_of_text("extra");
    const Bytes name = bytes_of_text("name") + Bytes{0};
    const Bytes comment = bytes_of_text("comment") + Bytes{0};
    expect_read_alike(with_fields(packed, 4, extra), size, true);
    expect_read_alike(with_fields(packed, 8, name), size, true);
    expect_read_alike(with_fields(packed, 16, comment), size, true);
    expect_read_alike(with_fields(packed, 4 + 8 + 16, extra + name + comment), size, true);
  }
}

TEST(InflateWhole, TheHeaderHasBeenJudged) {
  Bytes all;
  EXPECT_FALSE(ByteSource("file", gzip_bytes(noise(100))).inflate_whole(100, all));
  for (const std::size_t size : kSizes) {
    const Bytes packed = gzip_bytes(noise(size));
    const Bytes good = with_checksum_of_header(packed, 0);
    expect_read_alike(good, size, true);
    const Bytes bad = with_checksum_of_header(packed, 1);
    expect_read_alike(bad, size, false);
    EXPECT_TRUE(
        contains(deliver(ByteSource("file", bad), std::nullopt).error, "header crc mismatch"));
    expect_read_alike(with_fields(packed, 0x20, {}), size, false);  // no such flag
  }
}

TEST(InflateWhole, LeavesSeveralMembersToRead) {
  const Bytes none = gzip_bytes({});
  for (const std::size_t size : kSizes) {
    const Bytes packed = gzip_bytes(noise(size));
    expect_read_alike(packed + packed, size, false);
    expect_read_alike(packed + packed, 2 * size, false);
    expect_read_alike(none + packed, size, false);
    expect_read_alike(packed + none, size, false);
    Bytes many_empty;
    while (many_empty.size() <= 1 << 18) {
      many_empty.insert(many_empty.end(), none.begin(), none.end());
    }
    expect_read_alike(many_empty + packed, size, false);
  }
}

TEST(InflateWhole, LeavesDamageToRead) {
  for (const std::size_t size : kSizes) {
    const Bytes packed = gzip_bytes(noise(size));
    expect_read_alike(flipped(packed, 8), size, false);  // the checksum
    expect_read_alike(flipped(packed, 4), size, false);  // the length
    expect_read_alike(flipped(packed, packed.size() / 2), size, false);
    expect_read_alike(packed + Bytes{0}, size, false);
    expect_read_alike(packed + bytes_of_text("something else"), size, false);
    for (const std::size_t cut : {1, 4, 8, 9, 60}) {
      expect_read_alike(first(packed, packed.size() - cut), size, false);
    }
    for (const std::size_t length : {2, 3, 4, 10, 11}) {
      expect_read_alike(first(packed, length), size, false);
    }
  }
}

TEST(InflateWhole, LeavesOtherSizesAndPlainFilesToRead) {
  for (const std::size_t size : kSizes) {
    const Bytes packed = gzip_bytes(noise(size));
    expect_read_alike(packed, size - 1, false);
    expect_read_alike(packed, size + 1, false);
    expect_read_alike(packed, 4, false);
    expect_read_alike(noise(size), size, false);
  }
}

TEST(InflateWhole, TakesNoFileThatWasReadTooFar) {
  const Bytes plain = noise(600'000);
  const Bytes packed = gzip_bytes(plain);
  ByteSource source("file", packed);
  Outcome outcome;
  outcome.bytes.resize(400'000);
  ASSERT_EQ(source.read(outcome.bytes), 400'000U);
  Bytes all;
  EXPECT_FALSE(source.inflate_whole(600'000, all));
  read_rest(source, outcome);
  EXPECT_TRUE(outcome.bytes == plain);
}

TEST(InflateWhole, TakesNoPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string path = "/dev/fd/" + std::to_string(ends[0]);
  const Bytes packed = gzip_bytes(noise(100));
  ASSERT_EQ(::write(ends[1], packed.data(), packed.size()), static_cast<ssize_t>(packed.size()));
  ::close(ends[1]);
  const Outcome outcome = deliver(ByteSource(path), 100);
  EXPECT_FALSE(outcome.whole);
  EXPECT_EQ(outcome.bytes, noise(100));
  EXPECT_EQ(outcome.error, "");
  ::close(ends[0]);
}

TEST(InflateWhole, TakesNoMemoryForWhatIsPlainOrTooLarge) {
  const TempFolder folder;
  std::string path = folder.put("plain", noise(600'000));
  const auto memory_for = [&](std::int64_t size) {
    ByteSource source(path);
    Bytes all(1);
    source.read(all);
    EXPECT_FALSE(source.inflate_whole(size, all));
    return all.capacity();
  };
  EXPECT_EQ(memory_for(600'000), 1U);
  path = folder.put("file", gzip_bytes(noise(600'000)));
  EXPECT_EQ(memory_for(kMost + 1), 1U);
  EXPECT_EQ(memory_for(kMost), static_cast<std::size_t>(kMost));
  std::filesystem::resize_file(path, static_cast<std::uintmax_t>(kMost));
  EXPECT_EQ(memory_for(600'001), 600'001U);
  std::filesystem::resize_file(path, static_cast<std::uintmax_t>(kMost) + 1);
  EXPECT_EQ(memory_for(600'001), 1U);
}

TEST(InflateWhole, AFileThatChangesMeanwhileIsReadAsItIs) {
  const TempFolder folder;
  const Bytes plain = noise(600'000);
  const Bytes packed = gzip_bytes(plain);
  const std::string path = folder.put("file", packed);
  ByteSource growing(path);
  std::ofstream(path, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(packed.data()),
             static_cast<std::streamsize>(packed.size()));
  const Outcome grown = deliver(std::move(growing), plain.size());
  EXPECT_FALSE(grown.whole);
  EXPECT_EQ(grown.error, "");
  EXPECT_TRUE(grown.bytes == plain + plain);

  ByteSource shrinking(path);
  std::filesystem::resize_file(path, packed.size() - 1);
  const Outcome shrunk = deliver(std::move(shrinking), plain.size());
  EXPECT_FALSE(shrunk.whole);
  EXPECT_TRUE(contains(shrunk.error, "at byte " + std::to_string(packed.size() - 1) +
                                         ": the gzip data ends early: the file is cut"));
}

}  // namespace
}  // namespace nnkernels::nn
