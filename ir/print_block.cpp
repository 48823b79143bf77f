#include "ir/print_block.h"

#include "ir/op.h"
#include "ir/print_literal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace nnc::ir::text {
namespace {

/// Lines wider than this do not push the tails of the others to the right.
constexpr std::size_t widest_aligned = 96;

bool valid(const Block& block, ValueId value) { return value.valid() && value.index < block.value_count(); }

}  // namespace

std::string Lines::joined() const {
  std::size_t column = 0;
  for (const Line& line : lines_) {
    if (!line.tail.empty() && line.text.size() <= widest_aligned) column = std::max(column, line.text.size());
  }
  std::string out;
  for (const Line& line : lines_) {
    out += line.text;
    if (!line.tail.empty()) {
      out.append(line.text.size() < column ? column - line.text.size() : 0, ' ');
      out += "  " + line.tail;
    }
    out += '\n';
  }
  return out;
}

std::string print_tail(const Location& location, const Role& role) {
  const std::string place = print_location(location), why = print_role(role);
  return fmt::format("{}{}{}", place, place.empty() || why.empty() ? "" : " ", why);
}

std::string BlockPrinter::params(const Block& block) const {
  std::vector<std::string> out;
  for (const ValueId param : block.params()) {
    out.push_back(fmt::format("{}: {}", names_.of(block, param), to_string(block.type(param))));
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

std::vector<std::string> BlockPrinter::names(const Block& block, const std::vector<ValueId>& values) const {
  std::vector<std::string> out;
  for (const ValueId value : values) out.push_back(names_.of(block, value));
  return out;
}

void BlockPrinter::ops(const Block& block, std::size_t depth) {
  for (const Op& each : block.ops()) op(block, each, depth);
}

void BlockPrinter::region(const std::string& head, const Block& region, std::size_t depth) {
  line(fmt::format("{} ({}) {{", head, params(region)));
  ops(region, depth + 1);
  line(fmt::format("{}yield{}{}", std::string(2 * depth + 2, ' '), region.results.empty() ? "" : " ",
                   fmt::join(names(region, region.results), ", ")));
}

void BlockPrinter::op(const Block& block, const Op& op, std::size_t depth) {
  const std::string indent(2 * depth, ' ');
  const int rank = op.operands.empty() || !valid(block, op.operands[0]) ? -1 : block.type(op.operands[0]).rank();
  std::string text = fmt::format(
      "{}{} = {}{}{}", indent, fmt::join(names(block, op.results), ", "), op.def == nullptr ? "?" : *op.def->name,
      print_arguments(op, names(block, op.operands), options_), print_attrs(op, rank, options_));
  for (const Block& inner : op.regions) {
    region(text, inner, depth);
    text = indent + "}";
  }
  std::vector<std::string> types;
  for (const ValueId result : op.results) types.push_back(valid(block, result) ? to_string(block.type(result)) : "?");
  lines_.add(fmt::format("{} : {}", text, fmt::join(types, ", ")), print_tail(op.location, op.role));
}

}  // namespace nnc::ir::text
