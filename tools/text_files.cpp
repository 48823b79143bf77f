#include "tools/text_files.h"

#include "runtime/atomic_file.h"
#include "runtime/data/file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

namespace nnc::tools {

std::optional<TextFile> read_text(const std::string& path, ir::Diagnostics& diagnostics) {
  if (path != "-") {
    std::optional<std::string> text = runtime::read_file(path, diagnostics);
    return text ? std::optional{TextFile{path, std::move(*text)}} : std::nullopt;
  }
  TextFile file{"<stdin>", {std::istreambuf_iterator<char>(std::cin), {}}};
  if (!file.text.empty()) return file;
  diagnostics.error(runtime::whole_file(file.name), "the file is empty");
  return std::nullopt;
}

TextFile source_to_show(const std::string& path) {
  ir::Diagnostics unread;
  return path == "-" ? TextFile{} : read_text(path, unread).value_or(TextFile{});
}

ir::Status write_text(const std::string& path, std::string_view text, ir::Diagnostics& diagnostics) {
  std::error_code missing;
  const std::filesystem::file_status status = std::filesystem::status(path, missing);
  // What is no regular file (a terminal, a pipe, /dev/null) cannot be replaced as a whole.
  const bool stream = path.empty() || std::filesystem::is_other(status) || std::filesystem::is_character_file(status) ||
                      std::filesystem::is_fifo(status);
  if (!stream) return runtime::write_atomically(path, {text}, diagnostics);
  std::ofstream file;
  if (!path.empty()) file.open(path, std::ios::binary);
  std::ostream& out = path.empty() ? std::cout : file;
  out << text << std::flush;
  if (out) return ir::Status::ok;
  diagnostics.error(runtime::whole_file(path.empty() ? "<stdout>" : path), "cannot write it");
  return ir::Status::failed;
}

std::string_view first_words(std::string_view text) {
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (!text.starts_with("//")) return text;
    text.remove_prefix(std::min(text.find('\n'), text.size()));
  }
}

bool is_module_text(std::string_view text) { return first_words(text).starts_with("nnc module"); }

}  // namespace nnc::tools
