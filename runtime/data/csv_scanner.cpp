#include "runtime/data/csv_scanner.h"

#include "runtime/data/file.h"

#include <algorithm>
#include <utility>

namespace nnc::runtime {

namespace {

/// How much of a line a message shows after the place it is about.

bool is_blank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

CsvScanner::CsvScanner(std::string path, std::string_view text) : path_(std::move(path)), text_(text) {
  if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
}

void CsvScanner::skip_line_end() {
  if (at_ == text_.size()) return;
  at_ += text_.substr(at_).starts_with("\r\n") ? 2 : 1;
}

void CsvScanner::skip_blanks() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
}

/// False at the end of the text.
bool CsvScanner::skip_blank_lines() {
  for (;;) {
    const std::size_t begin = at_;
    skip_blanks();
    if (!at_line_end()) {
      at_ = begin;
      return true;
    }
    if (at_ == text_.size()) return false;
    skip_line_end();
  }
}

CsvScanner::Step CsvScanner::next(std::vector<Cell>& cells, ir::Diagnostics& diagnostics) {
  cells.clear();
  unquoted_.clear();
  if (!skip_blank_lines()) return Step::end;
  for (;;) {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '"') {
      if (!quoted(cells, diagnostics)) return Step::failed;
    } else {
      plain(cells);
    }
    if (at_line_end()) break;
    ++at_;  // the comma
  }
  row_end_ = at_;
  skip_line_end();
  return Step::row;
}

bool CsvScanner::quoted(std::vector<Cell>& cells, ir::Diagnostics& diagnostics) {
  const std::size_t begin = at_++;
  std::size_t part = at_;
  std::string* joined = nullptr;
  for (;;) {
    const std::size_t quote = text_.find('"', at_);
    if (quote == std::string_view::npos) {
      error(begin, 1, "this quote is not closed", diagnostics);
      return false;
    }
    at_ = quote + 1;
    const bool doubled = at_ < text_.size() && text_[at_] == '"';
    if (doubled && !joined) joined = &unquoted_.emplace_back();
    if (joined) joined->append(text_, part, quote - part + (doubled ? 1 : 0));
    if (!doubled) {
      const std::string_view text = joined ? std::string_view(*joined) : text_.substr(part, quote - part);
      cells.push_back({text, begin, at_ - begin});
      break;
    }
    part = ++at_;
  }
  skip_blanks();
  if (at_line_end() || text_[at_] == ',') return true;
  error(at_, 1, "expected a comma or the end of the line after the closing quote", diagnostics);
  return false;
}

void CsvScanner::plain(std::vector<Cell>& cells) {
  const std::size_t begin = at_;
  while (!at_line_end() && text_[at_] != ',') ++at_;
  std::size_t end = at_;
  while (end > begin && is_blank(text_[end - 1])) --end;
  cells.push_back({text_.substr(begin, end - begin), begin, end - begin});
}

ir::SourcePoint CsvScanner::place(std::size_t offset, ir::Diagnostics& diagnostics) {
  if (offset < counted_) counted_ = 0, lines_ = 0;
  lines_ += count_line_ends(text_, counted_, offset);
  counted_ = offset;
  return place_in_text(path_, text_, offset, lines_, diagnostics);
}

void CsvScanner::error(std::size_t offset, std::size_t width, std::string message, ir::Diagnostics& diagnostics) {
  diagnostics.error(place(offset, diagnostics), std::move(message),
                    static_cast<int>(std::clamp<std::size_t>(width, 1, shown_after)));
}

}  // namespace nnc::runtime
