// Writes protocol buffers, as much of them as ONNX needs.
#ifndef NNKERNELS_NN_PROTOBUF_H_
#define NNKERNELS_NN_PROTOBUF_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace nnkernels::nn {

/// A message that is being written, field after field. A field is told by its number in the .proto
/// file that describes the message. Numbers that are repeated are written one by one, not packed:
/// readers accept both.
///
/// Source: Protocol Buffers documentation, "Encoding".
class ProtobufMessage {
 public:
  ProtobufMessage& add(int field, std::int64_t value);
  ProtobufMessage& add(int field, float value);
  /// A string, or bytes.
  ProtobufMessage& add(int field, std::string_view bytes);
  ProtobufMessage& add(int field, const char* text) { return add(field, std::string_view(text)); }
  ProtobufMessage& add(int field, const ProtobufMessage& message) {
    return add(field, std::string_view(message.bytes_));
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void add_varint(std::uint64_t value);
  void add_key(int field, unsigned wire_type);

  std::string bytes_;
};

}  // namespace nnkernels::nn

#endif  // NNKERNELS_NN_PROTOBUF_H_
