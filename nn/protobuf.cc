#include "nn/protobuf.h"

#include <bit>

namespace nnkernels::nn {
namespace {

constexpr unsigned kVarint = 0;
constexpr unsigned kLengthDelimited = 2;
constexpr unsigned kFixed32 = 5;

}  // namespace

ProtobufMessage& ProtobufMessage::add(int field, std::int64_t value) {
  add_key(field, kVarint);
  add_varint(static_cast<std::uint64_t>(value));
  return *this;
}

ProtobufMessage& ProtobufMessage::add(int field, float value) {
  add_key(field, kFixed32);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (const unsigned shift : {0U, 8U, 16U, 24U}) {
    bytes_ += static_cast<char>(bits >> shift & 0xFF);
  }
  return *this;
}

ProtobufMessage& ProtobufMessage::add(int field, std::string_view bytes) {
  add_key(field, kLengthDelimited);
  add_varint(bytes.size());
  bytes_ += bytes;
  return *this;
}

void ProtobufMessage::add_varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7F) | 0x80);
  bytes_ += static_cast<char>(value);
}

void ProtobufMessage::add_key(int field, unsigned wire_type) {
  add_varint(static_cast<std::uint64_t>(field) << 3 | wire_type);
}

}  // namespace nnkernels::nn
