#include "frontend/source_text.h"

#include <fmt/format.h>

namespace nnc::frontend {

std::size_t character_size(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return position + i < text.size() ? static_cast<unsigned char>(text[position + i]) : 0U;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second >= 0xA0;
  const bool too_large = first == 0xF4 && second >= 0x90;
  return overlong || surrogate || too_large ? 0 : size;
}

namespace {

// C0 but tab and newline, DEL, and C1 (U+0080 to U+009F): some terminals obey them.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return (first < 0x20 && first != '\t' && first != '\n') || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

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
    const std::size_t size = character_size(bytes, position);
    const std::string_view character = bytes.substr(position, size);
    if (size == 0 || is_control(character)) {
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
