// A list of words as an array, split while compiling:  split_words<3>("and or not") -> {"and", "or", "not"}
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace nnc::frontend {

/// The words of `text`, which have one space between them; a wrong `N` does not compile.
template <std::size_t N>
consteval std::array<std::string_view, N> split_words(std::string_view text) {
  std::array<std::string_view, N> words;
  for (std::size_t i = 0; i < N; ++i) {
    const std::size_t end = text.find(' ');
    if ((end == std::string_view::npos) != (i + 1 == N)) throw "not N words";
    words[i] = text.substr(0, end);
    text.remove_prefix(i + 1 == N ? text.size() : end + 1);
  }
  return words;
}

}  // namespace nnc::frontend
