// Bytes of a file -> text that can be lexed and shown.
//
// Line ends become '\n', a byte order mark at the start is dropped. A byte that is no text is replaced by U+FFFD, so
// that error messages never send it to a terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nnc::frontend {

struct SourceText {
  struct Fault {
    int line = 1;
    int column = 1;
    std::string message;
  };
  std::string text;
  std::optional<Fault> fault;  // the first NUL or control byte or invalid UTF-8
};

SourceText normalize(std::string_view bytes);

}  // namespace nnc::frontend
