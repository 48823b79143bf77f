// The ops of a block as lines of text, what stands after them in one column.
#pragma once

#include "ir/graph.h"
#include "ir/text.h"
#include "ir/value_names.h"

#include <cstddef>
#include <string>
#include <vector>

namespace nnc::ir::text {

/// Lines of text, some with a tail; the tails stand in one column.
class Lines {
 public:
  void add(std::string text, std::string tail = "") { lines_.push_back({std::move(text), std::move(tail)}); }
  std::string joined() const;

 private:
  struct Line {
    std::string text, tail;
  };
  std::vector<Line> lines_;
};

class BlockPrinter {
 public:
  /// `names` has to outlive this.
  BlockPrinter(const ValueNames& names, const PrintOptions& options) : names_(names), options_(options) {}

  void line(std::string text) { lines_.add(std::move(text)); }
  void ops(const Block& block, std::size_t depth);
  /// `head (params) {`, the ops and `yield`; what closes the region is left to the caller.
  void region(const std::string& head, const Block& region, std::size_t depth);
  std::string params(const Block& block) const;
  std::string text() const { return lines_.joined(); }

 private:
  void op(const Block& block, const Op& op, std::size_t depth);
  std::vector<std::string> names(const Block& block, const std::vector<ValueId>& values) const;

  const ValueNames& names_;
  PrintOptions options_;
  Lines lines_;
};

/// `loc(...) update @w`, either or nothing.
std::string print_tail(const Location& location, const Role& role);

}  // namespace nnc::ir::text
