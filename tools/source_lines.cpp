#include "tools/source_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace nnc::tools {

ir::SourcePoint user_point(const ir::CallChain& chain) { return chain[ir::innermost_in_first_file(chain)]; }

std::set<Line> lines_of(const ir::Location& location) {
  std::set<Line> lines;
  for (const ir::CallChain& chain : location.chains()) lines.emplace(user_point(chain).file, user_point(chain).line);
  return lines;
}

std::string named(const std::vector<std::string_view>& ops, std::size_t most) {
  std::vector<std::string_view> names;
  for (const std::string_view op : ops)
    if (std::ranges::find(names, op) == names.end()) names.push_back(op);
  if (names.empty()) return "copy";
  const bool more = names.size() > most;
  if (more) names.resize(most);
  return fmt::format("{}{}", fmt::join(names, " "), more ? " ..." : "");
}

std::string line_of(const std::string& text, int line) {
  std::size_t begin = 0;
  for (int i = 1; i < line && begin != std::string::npos; ++i) {
    begin = text.find('\n', begin);
    if (begin != std::string::npos) ++begin;
  }
  if (begin == std::string::npos) return "";
  const std::string found = text.substr(begin, text.find('\n', begin) - begin);
  const std::size_t first = found.find_first_not_of(" \t");
  return first == std::string::npos ? "" : found.substr(first);
}

std::size_t part_of(ir::Role::Kind kind) {
  if (kind == ir::Role::Kind::forward) return 0;
  return kind == ir::Role::Kind::update ? 2 : 1;
}

}  // namespace nnc::tools
