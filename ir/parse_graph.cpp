#include "ir/parse_graph.h"
#include "ir/fused.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace nnc::ir::text {

bool parse_graph_name(Cursor& cursor, std::string& name, std::int64_t& batch) {
  std::string_view text;
  if (!cursor.expect(TokenKind::path, "a name, as in '@train'", text)) return false;
  name = text;
  if (!cursor.at(TokenKind::path)) return true;
  const Token place = cursor.token();
  constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
  for (const char c : place.text) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && batch < largest) batch = batch * 10 + (c - '0');
    if (!digit) return cursor.fail_expected("a batch size, as in '@train@128'");
  }
  if (batch < 1 || batch > largest) {
    return cursor.fail(
        place, fmt::format("expected a batch size from 1 to {}, found '{}'", largest, place.text.substr(0, 40)));
  }
  cursor.advance();
  return true;
}

/// graph = ( "graph" | "rule" ) path [ path ] params "{" { op } "return" results "}"
/// The second path is the batch size, as in `@train@128`; the keyword is taken already.
bool GraphParser::parse(Graph& graph) {
  places_.header = cursor_.token();
  if (!parse_graph_name(cursor_, graph.name, graph.batch)) return false;
  Scope scope;
  if (!parse_params(graph.body, scope, places_.params)) return false;
  for (const Token& param : places_.params) graph.param_names.emplace_back(param.text);
  if (!cursor_.expect("{")) return false;
  if (!parse_ops(graph.body, scope, "return") || !parse_results(graph, scope)) {
    cursor_.skip_to("}");
    if (!cursor_.at("}")) return false;
  }
  return cursor_.expect("}");
}

/// kernel = "kernel" path "=" word attrs region; the keyword is taken already.
bool GraphParser::parse_kernel(Kernel& kernel) {
  places_.header = cursor_.token();
  std::string_view name;
  OpText text;
  if (!cursor_.expect(TokenKind::path, "the kernel's name, as in '@k0'", name)) return false;
  kernel.name = name;
  if (!cursor_.expect("=")) return false;
  text.name = cursor_.token();
  if (!cursor_.expect(TokenKind::word, "the name of an operation", name)) return false;
  if (name != fused_op) return cursor_.fail(text.name, fmt::format("a kernel is a fused op, found '{}'", name));
  if (!parse_attrs(cursor_, text.attrs) || !parse_region(text.regions.emplace_back())) return false;
  Op& op = kernel.op;
  op.def = find_op(fused_op);
  const Block& region = text.regions[0];
  if (!std::ranges::all_of(region.results, [&](ValueId v) { return v.valid() && v.index < region.value_count(); }))
    return false;  // reported
  if (!std::ranges::all_of(region.ops(), [](const Op& inner) { return inner.def != nullptr; })) return false;
  for (const ValueId result : region.results) text.types.push_back(region.type(result));
  std::vector<NamedAttr> attrs;
  if (!take_attrs(cursor_, *op.def, text, attrs)) return false;
  CompletedAttrs completed = complete_attrs(*op.def, std::move(attrs), {});
  op.attrs = std::move(completed.attrs);
  op.regions = std::move(text.regions);
  if (completed.error.empty()) {
    set_yielded_types(op);
    completed.error = kernel_fault(op);
  }
  return completed.error.empty() || cursor_.fail(attr_place(text, completed.error), completed.error);
}

/// params = "(" [ value ":" type { "," value ":" type } ] ")"
bool GraphParser::parse_params(Block& block, Scope& scope, std::vector<Token>& places) {
  if (!cursor_.expect("(")) return false;
  if (cursor_.accept(")")) return true;
  do {
    const Token place = cursor_.token();
    std::string_view name;
    Type type;
    if (!cursor_.expect(TokenKind::value, "a parameter, as in '%x: f32[2]'", name)) return false;
    if (!cursor_.expect(":") || !parse_type(cursor_, type)) return false;
    define(scope, place, block.add_param(std::move(type)), true);
    places.push_back(place);
  } while (cursor_.accept(","));
  return cursor_.expect(")");
}

bool GraphParser::parse_ops(Block& block, Scope& scope, std::string_view last_word) {
  while (!cursor_.accept_word(last_word)) {
    if (cursor_.at("}") || cursor_.at(TokenKind::end)) {
      return cursor_.fail_expected(fmt::format("an operation or '{}'", last_word));
    }
    const std::size_t start = cursor_.position();
    if (!parse_op(block, scope)) cursor_.recover(start);
  }
  return true;
}

bool GraphParser::parse_region(Block& region) {
  if (depth_ == max_depth) return cursor_.fail(cursor_.token(), "these regions nest too deep");
  ++depth_;
  const bool parsed = parse_region_at_depth(region);
  --depth_;
  return parsed;
}

/// region = params "{" { op } "yield" [ value { "," value } ] "}"
bool GraphParser::parse_region_at_depth(Block& region) {
  Scope scope;
  scope.is_region = true;
  std::vector<Token> places;
  if (!parse_params(region, scope, places) || !cursor_.expect("{")) return false;
  if (!parse_ops(region, scope, "yield")) return false;
  while (cursor_.at(TokenKind::value) || !region.results.empty()) {
    if (!cursor_.at(TokenKind::value)) return cursor_.fail_expected("a value");
    Definition found;
    look_up(scope, cursor_.token(), found);
    region.results.push_back(found.value);
    cursor_.advance();
    if (!cursor_.accept(",")) break;
  }
  return cursor_.expect("}");
}

/// results = [ result { "," result } ]
/// result = ( word | path | "grad" path ) "=" value
bool GraphParser::parse_results(Graph& graph, Scope& scope) {
  while (!cursor_.at("}") || !graph.results.empty()) {
    GraphResult::Kind kind = GraphResult::Kind::value;
    if (cursor_.at_word("grad") && cursor_.next().kind == TokenKind::path) {
      kind = GraphResult::Kind::gradient;
      cursor_.advance();
    } else if (cursor_.at(TokenKind::path)) {
      kind = GraphResult::Kind::slot;
    } else if (!cursor_.at(TokenKind::word)) {
      return cursor_.fail_expected("a result, as in 'loss = %1'");
    }
    const Token place = cursor_.token();
    if (kind != GraphResult::Kind::value) slot_uses_.push_back(place);
    cursor_.advance();
    if (!cursor_.expect("=")) return false;
    if (!cursor_.at(TokenKind::value)) return cursor_.fail_expected("a value");
    Definition found;
    look_up(scope, cursor_.token(), found);
    graph.add_result(kind, std::string(place.text), found.value);
    places_.results.push_back(place);
    cursor_.advance();
    if (!cursor_.accept(",")) break;
  }
  return cursor_.at("}") || cursor_.fail_expected("',' or '}'");
}

bool GraphParser::look_up(const Scope& scope, const Token& name, Definition& found) {
  const auto known = scope.values.find(name.text);
  if (known != scope.values.end()) {
    found = known->second;
    return true;
  }
  std::vector<std::string> names;
  for (const auto& [value, definition] : scope.values) names.push_back(fmt::format("%{}", value));
  std::sort(names.begin(), names.end());
  const std::string shown = fmt::format("%{}", name.text);
  return cursor_.fail(
      name, fmt::format("undefined value '{}'{}{}", shown, scope.is_region ? "; a region sees its parameters only" : "",
                        cursor_.suggestion(shown, names)));
}

void GraphParser::define(Scope& scope, const Token& name, ValueId value, bool known) {
  const auto [entry, inserted] = scope.values.try_emplace(name.text, Definition{value, name, known});
  if (inserted) return;
  cursor_.fail(name, fmt::format("redefinition of '%{}'", name.text), entry->second.place, "it is defined here");
  entry->second.known = false;
}

}  // namespace nnc::ir::text
