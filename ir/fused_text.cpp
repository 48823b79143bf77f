#include "ir/fused_text.h"

#include "ir/fused.h"
#include "ir/parse_literal.h"
#include "ir/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

namespace nnc::ir::text {
namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr char first_dimension = 'i';

std::string dimension_name(std::size_t dimension) {
  return dimension < max_domain_rank ? std::string(1, static_cast<char>(first_dimension + dimension)) : "?";
}

std::string print_access(const Access& access) {
  std::vector<std::string> terms;
  const auto term = [&](std::int64_t factor, const std::string& name) {
    terms.push_back(factor == 1 ? name : fmt::format("{}*{}", factor, name));
  };
  if (access.index >= 0) term(access.index_stride, fmt::format("[{} below {}]", access.index, access.index_extent));
  for (std::size_t d = 0; d < access.strides.size(); ++d) {
    if (access.strides[d] != 0) term(access.strides[d], dimension_name(d));
  }
  if (access.offset != 0 || terms.empty()) terms.push_back(std::to_string(access.offset));
  std::string text = fmt::format("{}", fmt::join(terms, " + "));
  std::vector<std::string> bounds;
  for (std::size_t d = 0; d < access.bounds.size(); ++d) {
    if (!access.is_bounded(d)) continue;
    bounds.push_back(
        fmt::format("{} from {} to {}", dimension_name(d), access.bounds[d].first, access.bounds[d].second));
  }
  if (!bounds.empty()) text += fmt::format(" if {} else {}", fmt::join(bounds, ", "), float_text(access.fill));
  return fmt::format("at({})", text);
}

/// dimension = "i" | "j" | ... | "p"
bool parse_dimension(Cursor& cursor, std::size_t& dimension) {
  const Token& token = cursor.token();
  const bool named = token.kind == TokenKind::word && token.text.size() == 1;
  if (!named || token.text[0] < first_dimension || token.text[0] >= first_dimension + max_domain_rank) {
    return cursor.fail_expected("a dimension: i, j, k, l, m, n, o or p");
  }
  dimension = static_cast<std::size_t>(token.text[0] - first_dimension);
  cursor.advance();
  return true;
}

/// dims = "dims" "(" [ dimension ":" integer { "," dimension ":" integer } ] ")"
bool parse_dims(Cursor& cursor, Shape& domain) {
  cursor.advance();
  if (!cursor.expect("(")) return false;
  while (!cursor.at(")")) {
    if (!domain.empty() && !cursor.expect(",")) return false;
    const Token name = cursor.token();
    std::size_t dimension = 0;
    std::int64_t extent = 0;
    if (!parse_dimension(cursor, dimension)) return false;
    if (dimension != domain.size()) return cursor.fail(name, "dimensions are named i, j, k, ... in this order");
    if (!cursor.expect(":") || !cursor.expect_integer("an extent", 1, max_elements, extent)) return false;
    domain.push_back(extent);
  }
  return cursor.expect(")");
}

/// term = integer | [ integer "*" ] ( dimension | "[" integer "below" integer "]" )
bool parse_term(Cursor& cursor, Access& access) {
  std::int64_t factor = 1;
  if (cursor.at(TokenKind::number)) {
    if (!cursor.expect_integer("an integer", -max_elements, max_elements, factor)) return false;
    if (!cursor.accept("*")) {
      access.offset += factor;
      return true;
    }
  }
  const Token place = cursor.token();
  if (cursor.accept("[")) {
    std::int64_t operand = 0;
    if (access.index >= 0) return cursor.fail(place, "an access has one index");
    if (!cursor.expect_integer("an operand's number", 0, std::numeric_limits<int>::max(), operand)) return false;
    access.index = static_cast<int>(operand);
    access.index_stride = factor;
    return cursor.expect_word("below") &&
           cursor.expect_integer("the number of positions", 1, max_elements, access.index_extent) && cursor.expect("]");
  }
  std::size_t dimension = 0;
  if (!parse_dimension(cursor, dimension)) return false;
  if (access.strides.size() <= dimension) access.strides.resize(dimension + 1);
  if (access.strides[dimension] != 0) return cursor.fail(place, fmt::format("'{}' stands twice here", place.text));
  access.strides[dimension] = factor;
  return true;
}

/// access = "at" "(" term { "+" term } [ "if" bound { "," bound } "else" number ] ")"
/// bound = dimension "from" integer "to" integer
bool parse_access(Cursor& cursor, Access& access) {
  if (!cursor.expect_word("at") || !cursor.expect("(")) return false;
  do {
    if (!parse_term(cursor, access)) return false;
  } while (cursor.accept("+"));
  if (cursor.accept_word("if")) {
    do {
      std::size_t dimension = 0;
      std::int64_t low = 0, high = 0;
      if (!parse_dimension(cursor, dimension) || !cursor.expect_word("from")) return false;
      if (!cursor.expect_integer("the first position", 0, most, low) || !cursor.expect_word("to")) return false;
      if (!cursor.expect_integer("the position after the last", low + 1, most, high)) return false;
      if (access.bounds.size() <= dimension) access.bounds.resize(dimension + 1, Access::everywhere);
      access.bounds[dimension] = {low, high};
    } while (cursor.accept(","));
    if (!cursor.expect_word("else") || !parse_real(cursor, "a number", access.fill)) return false;
  }
  return cursor.expect(")");
}

/// schedule = "plan" "(" [ "parallel" dimension { "," dimension } "by" integer ]
///            [ "," "vector" dimension "of" integer [ "," "unroll" integer ] [ "," "tile" dimension [ "outside" ] ]
///              [ "," "pipelined" ] [ "," "split" "late" ] [ "," "stream" integer { "," integer } ] [ "," "prefetch" ] ] ")"
bool parse_schedule(Cursor& cursor, Schedule& schedule) {
  cursor.advance();
  if (!cursor.expect("(") || !cursor.expect_word("parallel")) return false;
  std::size_t dimension = 0;
  while (!cursor.accept_word("by")) {
    if (!schedule.parallel.empty() && !cursor.expect(",")) return false;
    if (!parse_dimension(cursor, dimension)) return false;
    schedule.parallel.push_back(static_cast<int>(dimension));
  }
  if (!cursor.expect_integer("the positions of a chunk", 1, max_elements, schedule.chunk)) return false;
  if (cursor.accept(",")) {
    std::int64_t lanes = 0, unroll = 1;
    if (!cursor.expect_word("vector") || !parse_dimension(cursor, dimension) || !cursor.expect_word("of")) return false;
    if (!cursor.expect_integer("the lanes of a vector", 1, 64, lanes)) return false;
    schedule.vector = static_cast<int>(dimension);
    schedule.lanes = static_cast<int>(lanes);
    bool more = cursor.accept(",");
    if (more && cursor.accept_word("unroll")) {
      if (!cursor.expect_integer("vectors in a turn", 1, 16, unroll)) return false;
      schedule.unroll = static_cast<int>(unroll);
      more = cursor.accept(",");
    }
    if (more && cursor.accept_word("tile")) {
      if (!parse_dimension(cursor, dimension)) return false;
      schedule.tile = static_cast<int>(dimension);
      schedule.tile_outside = cursor.accept_word("outside");
      more = cursor.accept(",");
    }
    if (more && cursor.accept_word("pipelined")) {
      schedule.pipelined = true;
      more = cursor.accept(",");
    }
    if (more && cursor.accept_word("split")) {
      if (!cursor.expect_word("late")) return false;
      schedule.split_late = true;
      more = cursor.accept(",");
    }
    if (more && cursor.accept_word("stream")) {
      do {
        std::int64_t result = 0;
        if (!cursor.expect_integer("a result's number", 0, std::numeric_limits<int>::max(), result)) return false;
        schedule.streamed.push_back(static_cast<int>(result));
        more = cursor.accept(",");
      } while (more && !cursor.at_word("prefetch"));
    }
    if (more) {
      if (!cursor.expect_word("prefetch")) return false;
      schedule.prefetch = true;
    }
  }
  return cursor.expect(")");
}

}  // namespace

std::string print_dimensions(const Shape& domain) {
  std::vector<std::string> parts;
  for (std::size_t d = 0; d < domain.size(); ++d) parts.push_back(fmt::format("{}: {}", dimension_name(d), domain[d]));
  return fmt::format("dims({})", fmt::join(parts, ", "));
}

std::string print_accesses(const std::vector<Access>& accesses) {
  std::vector<std::string> parts;
  for (const Access& access : accesses) parts.push_back(print_access(access));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

std::string print_schedule(const Schedule& schedule) {
  std::vector<std::string> names;
  for (const int d : schedule.parallel) names.push_back(dimension_name(static_cast<std::size_t>(d)));
  std::string text =
      fmt::format("parallel {}{}by {}", fmt::join(names, ", "), names.empty() ? "" : " ", schedule.chunk);
  if (schedule.vector >= 0) {
    text += fmt::format(", vector {} of {}", dimension_name(static_cast<std::size_t>(schedule.vector)), schedule.lanes);
    if (schedule.unroll != 1) text += fmt::format(", unroll {}", schedule.unroll);
    if (schedule.tile >= 0)
      text += fmt::format(", tile {}{}", dimension_name(static_cast<std::size_t>(schedule.tile)),
                          schedule.tile_outside ? " outside" : "");
    if (schedule.pipelined) text += ", pipelined";
    if (schedule.split_late) text += ", split late";
    if (!schedule.streamed.empty()) text += fmt::format(", stream {}", fmt::join(schedule.streamed, ", "));
    if (schedule.prefetch) text += ", prefetch";
  }
  return fmt::format("plan({})", text);
}

bool next_is_access(const Cursor& cursor) {
  return cursor.next().kind == TokenKind::word && cursor.next().text == "at";
}

/// accesses = "[" access { "," access } "]"
bool parse_fused_attr(Cursor& cursor, Attr& attr) {
  if (cursor.at_word("dims")) return parse_dims(cursor, attr.emplace<Shape>());
  if (cursor.at_word("plan")) return parse_schedule(cursor, attr.emplace<Schedule>());
  auto& accesses = attr.emplace<std::vector<Access>>();
  if (!cursor.expect("[")) return false;
  do {
    if (!parse_access(cursor, accesses.emplace_back())) return false;
  } while (cursor.accept(","));
  return cursor.expect("]");
}

}  // namespace nnc::ir::text
