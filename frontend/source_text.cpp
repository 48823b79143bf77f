#include "frontend/source_text.h"

#include "ir/utf8.h"

#include <fmt/format.h>

namespace nnc::frontend {

namespace {

std::string fault_message(std::string_view bytes, std::size_t position, std::size_t size) {
  const auto byte = static_cast<unsigned char>(bytes[position]);
  if (size == 0) return fmt::format("the file is not text: byte 0x{:02x} is not valid UTF-8", byte);
  if (byte == 0) return "the file is not text: a NUL byte";
  if (byte == '\r') return "a carriage return without a newline";
  return fmt::format("the file is not text: a control character (byte 0x{:02x})", byte);
}

}  // namespace

SourceText normalize(std::string_view bytes) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  constexpr std::string_view replacement = "\xEF\xBF\xBD";
  SourceText source;
  source.text.reserve(bytes.size());
  int line = 1;
  int column = 1;
  std::size_t position = bytes.substr(0, 3) == byte_order_mark ? 3 : 0;
  while (position < bytes.size()) {
    if (bytes.substr(position, 2) == "\r\n") ++position;
    const std::size_t size = ir::character_size(bytes, position);
    const std::string_view character = bytes.substr(position, size);
    if (size == 0 || ir::is_control(character)) {
      if (!source.fault) source.fault = {line, column, fault_message(bytes, position, size)};
      source.text += replacement;
      ++column;
      position += size == 0 ? 1 : size;
      continue;
    }
    source.text += character;
    position += size;
    column = character == "\n" ? 1 : column + static_cast<int>(size);
    if (character == "\n") ++line;
  }
  return source;
}

}  // namespace nnc::frontend
