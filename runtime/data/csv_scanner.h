// Splits CSV text into rows of cells, each with its place.
//
//   row  = cell { "," cell } ( "\n" | "\r\n" | "\r" | end )
//   cell = quoted | plain
//   quoted = '"' { any character but '"' | '""' } '"'        commas and line ends may stand inside
//   plain  = characters up to a comma or line end, without the blanks around them
//
// Lines with nothing but blanks are no rows. A byte order mark at the start is dropped.
#pragma once

#include "ir/diagnostics.h"

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::runtime {

struct Cell {
  std::string_view text;   // unquoted; valid until the next row
  std::size_t offset = 0;  // of its first character in the file
  std::size_t width = 0;   // characters in the file
};

class CsvScanner {
 public:
  CsvScanner(std::string path, std::string_view text);

  enum class Step { row, end, failed };
  /// Reads the next row into `cells`; after `failed` (a quote that is not closed or not followed by a comma) the rest
  /// of the text means nothing.
  Step next(std::vector<Cell>& cells, ir::Diagnostics& diagnostics);

  /// Reports an error at a cell of the last row, or (at `offset`) right after it, and shows the line.
  void error(std::size_t offset, std::size_t width, std::string message, ir::Diagnostics& diagnostics);
  /// The place of `offset`, which lies in the last row; registers its line.
  ir::SourcePoint place(std::size_t offset, ir::Diagnostics& diagnostics);
  /// Where the last row ends.
  std::size_t row_end() const { return row_end_; }

 private:
  bool at_line_end() const { return at_ == text_.size() || text_[at_] == '\n' || text_[at_] == '\r'; }
  void skip_line_end();
  void skip_blanks();
  bool skip_blank_lines();
  bool quoted(std::vector<Cell>& cells, ir::Diagnostics& diagnostics);
  void plain(std::vector<Cell>& cells);

  std::string path_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t row_end_ = 0;
  std::size_t counted_ = 0;  // line ends before here are in `lines_`
  int lines_ = 0;
  std::deque<std::string> unquoted_;  // cells in which `""` became `"`
};

}  // namespace nnc::runtime
