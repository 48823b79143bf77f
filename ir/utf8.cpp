#include "ir/utf8.h"

namespace nnc::ir {

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

// C0 but tab and newline, DEL, and C1 (U+0080 to U+009F): some terminals obey them.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return (first < 0x20 && first != '\t' && first != '\n') || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

std::string printable_text(std::string_view text) {
  std::string made;
  made.reserve(text.size());
  while (made.size() < text.size()) {
    const std::size_t size = character_size(text, made.size());
    const std::string_view character = text.substr(made.size(), size == 0 ? 1 : size);
    if (size == 0 || character == "\n" || is_control(character))
      made.append(character.size(), '?');
    else
      made += character;
  }
  return made;
}

}  // namespace nnc::ir
