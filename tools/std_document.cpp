// Writes docs/std.md, the declarations of the standard library with their signatures and the comments above them:
// std_document OUT. A declaration without a comment serves others of the library.
#include "frontend/std_sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>

namespace {

/// `layer linear(...) -> f32[..., units]` of a line that declares something.
std::optional<std::string> signature(const std::string& line) {
  bool declares = false;
  for (const std::string_view word : {"layer ", "fn ", "optimizer ", "schedule ", "init "})
    declares = declares || line.starts_with(word);
  const std::size_t begin = line.find('(');
  if (!declares || begin == std::string::npos) return std::nullopt;
  std::size_t end = begin;
  for (int depth = 0; end < line.size(); ++end) {
    depth += line[end] == '(' ? 1 : line[end] == ')' ? -1 : 0;
    if (depth == 0) break;
  }
  // The results go on to the body.
  const std::size_t body = std::min(line.find(" =", end), line.find(" {", end));
  return line.substr(0, body);
}

std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: std_document OUT\n";
    return 2;
  }
  std::ofstream out(argv[1]);
  out << "# The standard library\n\nWritten from the comments in `frontend/std/`.\n";
  for (const auto& source : nnc::frontend::std_sources()) {
    std::istringstream text{std::string(source.text)};
    std::string line, comment;
    bool opened = false;  // the file's own comment comes first
    while (std::getline(text, line)) {
      if (line.starts_with("// ")) {
        comment += (comment.empty() ? "" : " ") + line.substr(3);
        continue;
      }
      if (!opened && !comment.empty()) {
        out << fmt::format("\n## {}\n\n{}\n\n| declaration | |\n|---|---|\n", source.file, comment);
        opened = true;
      } else if (const auto declared = signature(line); declared && !comment.empty()) {
        out << fmt::format("| `{}` | {} |\n", cell(*declared), cell(comment));
      }
      comment.clear();
    }
  }
  return out.flush() ? 0 : 1;
}
