// Texts in and out: `-` for standard input, nothing for standard output, and no file left half-written.
#pragma once

#include "ir/diagnostics.h"

#include <optional>
#include <string>
#include <string_view>

namespace nnc::tools {

struct TextFile {
  std::string name;  // as errors show it
  std::string text;
};

std::optional<TextFile> read_text(const std::string& path, ir::Diagnostics& diagnostics);

/// The file once more, to show its lines beside what became of them; with neither name nor text if it cannot be read
/// again: it is gone, or was standard input.
TextFile source_to_show(const std::string& path);

/// Writes to `path`, or to standard output if it is empty.
ir::Status write_text(const std::string& path, std::string_view text, ir::Diagnostics& diagnostics);

/// What follows white space and comments, which tells a printed module from `.nn` source.
std::string_view first_words(std::string_view text);
bool is_module_text(std::string_view text);

}  // namespace nnc::tools
