// Text in UTF-8: whether bytes are characters, and which of them a terminal may be given.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nnc::ir {

/// Bytes of the valid UTF-8 character at `position`; 0 if there is none.
std::size_t character_size(std::string_view text, std::size_t position);

/// A control character other than tab and newline.
bool is_control(std::string_view character);

/// The text with `?` for each byte that is no part of a printable character; tabs stay.
std::string printable_text(std::string_view text);

}  // namespace nnc::ir
