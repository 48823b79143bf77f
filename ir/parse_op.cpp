#include "ir/parse_graph.h"
#include "ir/print_literal.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::ir::text {
namespace {

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// The definitions of a kind, in the order of the record.
std::vector<const AttrDef*> attrs_of(const OpDef& def, AttrKind kind) {
  std::vector<const AttrDef*> found;
  for (const AttrDef& attr : def.attrs) {
    if (attr.kind == kind) found.push_back(&attr);
  }
  return found;
}

}  // namespace

bool GraphParser::parse_op(Block& block, Scope& scope) {
  OpText text;
  if (parse_op_text(text)) {
    build_op(block, scope, std::move(text));
    return true;
  }
  for (const Token& result : text.results) define(scope, result, {}, false);
  return false;
}

/// op = value { "," value } "=" word [ arguments ] attrs { region } ":" types location role
bool GraphParser::parse_op_text(OpText& text) {
  do {
    const Token place = cursor_.token();
    std::string_view name;
    if (!cursor_.expect(TokenKind::value, "an operation, as in '%1 = ...'", name)) return false;
    text.results.push_back(place);
  } while (cursor_.accept(","));
  if (!cursor_.expect("=")) return false;
  text.name = cursor_.token();
  std::string_view name;
  if (!cursor_.expect(TokenKind::word, "the name of an operation", name)) return false;
  places_.ops.push_back(text.name);
  if (!parse_arguments(text) || !parse_attrs(cursor_, text.attrs)) return false;
  while (cursor_.at("(")) {
    if (!parse_region(text.regions.emplace_back())) return false;
  }
  if (!cursor_.expect(":") || !parse_types(cursor_, text.types, text.type_places)) return false;
  return parse_location(cursor_, text.location) && parse_role(cursor_, text.role, slot_uses_);
}

/// arguments = argument { "," argument }   argument = value | path | tensor
bool GraphParser::parse_arguments(OpText& text) {
  if (!cursor_.at(TokenKind::value) && !cursor_.at(TokenKind::path) && !starts_tensor(cursor_)) return true;
  do {
    if (cursor_.at(TokenKind::value) || cursor_.at(TokenKind::path)) {
      (cursor_.at(TokenKind::value) ? text.operands : text.slots).push_back(cursor_.token());
      if (cursor_.at(TokenKind::path)) slot_uses_.push_back(cursor_.token());
      cursor_.advance();
    } else if (!starts_tensor(cursor_)) {
      return cursor_.fail_expected("a value");
    } else if (!parse_tensor(cursor_, text.tensors.emplace_back())) {
      return false;
    }
  } while (cursor_.accept(","));
  return true;
}

void GraphParser::build_op(Block& block, Scope& scope, OpText text) {
  bool right = true;
  bool checkable = true;
  Op op;
  op.def = find_op(text.name.text);
  if (op.def == nullptr) {
    std::vector<std::string> names;
    for (const OpDef* def : all_ops()) names.emplace_back(*def->name);
    right = cursor_.fail(
        text.name, fmt::format("unknown operation '{}'{}", text.name.text, cursor_.suggestion(text.name.text, names)));
  }
  std::vector<Type> operands;
  for (const Token& operand : text.operands) {
    Definition found;
    found.known = false;
    look_up(scope, operand, found);
    op.operands.push_back(found.value);
    if (found.known) {
      operands.push_back(block.type(found.value));
    } else {
      checkable = false;
    }
  }
  for (const Block& region : text.regions)
    checkable = checkable && std::ranges::all_of(region.results, &ValueId::valid);
  if (text.types.size() != text.results.size()) {
    const Token& place = text.type_places[text.types.size() > text.results.size() ? text.results.size() : 0];
    right = cursor_.fail(
        place, fmt::format("{} for {}", counted(text.types.size(), "type"), counted(text.results.size(), "result")));
  }
  right = right && check_counts(text, *op.def);
  std::vector<NamedAttr> attrs;
  right = right && take_attrs(cursor_, *op.def, text, attrs);
  if (right && checkable) {
    CompletedAttrs completed = complete_attrs(*op.def, std::move(attrs), operands);
    op.attrs = std::move(completed.attrs);
    if (!completed.error.empty()) {
      right = cursor_.fail(attr_place(text, completed.error), fmt::format("{}: {}", text.name.text, completed.error));
    } else if (const auto fault = check_types({op.def, operands, op.attrs, text.regions, {}}, text.types)) {
      right = cursor_.fail(fault->result ? text.type_places[*fault->result] : text.name, fault->message);
    }
  }
  op.regions = std::move(text.regions);
  op.location = std::move(text.location);
  op.role = std::move(text.role);
  text.types.resize(text.results.size());
  const std::vector<ValueId> results = block.append(right && checkable ? std::move(op) : Op{}, text.types);
  for (std::size_t i = 0; i < results.size(); ++i) define(scope, text.results[i], results[i], right);
}

bool GraphParser::check_counts(const OpText& text, const OpDef& def) {
  const std::size_t regions = static_cast<std::size_t>(def.region_count);
  if (text.regions.size() != regions) {
    return cursor_.fail(text.name,
                        fmt::format("{} has {}, found {}", *def.name, counted(regions, "region"), text.regions.size()));
  }
  const std::size_t operands = def.operands->size();
  if (!def.takes(text.operands.size())) {
    const Token& place = text.operands.size() > operands ? text.operands[operands] : text.name;
    return cursor_.fail(
        place, fmt::format("{} takes {}, found {}", *def.name, counted(operands, "operand"), text.operands.size()));
  }
  const std::size_t slots = attrs_of(def, AttrKind::slot).size();
  if (text.slots.size() != slots) {
    const Token& place = text.slots.size() > slots ? text.slots[slots] : text.name;
    return cursor_.fail(place,
                        fmt::format("{} takes {}, found {}", *def.name, counted(slots, "slot"), text.slots.size()));
  }
  const std::size_t tensors = attrs_of(def, AttrKind::tensor).size();
  if (text.tensors.size() != tensors) {
    const Token& place = text.tensors.size() > tensors ? text.tensors[tensors].first : text.name;
    return cursor_.fail(
        place, fmt::format("{} takes {}, found {}", *def.name, counted(tensors, "constant"), text.tensors.size()));
  }
  return true;
}

bool take_attrs(Cursor& cursor, const OpDef& def, const OpText& text, std::vector<NamedAttr>& attrs) {
  std::vector<std::string> names;
  for (const AttrDef& attr : def.attrs) {
    if (in_braces(attr.kind)) names.emplace_back(attr.name);
  }
  for (const AttrText& attr : text.attrs) {
    const std::string name(attr.name.text);
    if (std::ranges::find(names, name) == names.end()) {
      return cursor.fail(attr.name,
                         fmt::format("{} has no attribute '{}'{}", *def.name, name, cursor.suggestion(name, names)));
    }
    if (std::ranges::find(attrs, name, &NamedAttr::name) != attrs.end()) {
      return cursor.fail(attr.name, fmt::format("attribute '{}' is given twice", name));
    }
    attrs.push_back({name, attr.attr});
  }
  const auto slots = attrs_of(def, AttrKind::slot);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    attrs.push_back({std::string(slots[i]->name), std::string(text.slots[i].text)});
  }
  const auto tensors = attrs_of(def, AttrKind::tensor);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::optional<Tensor> tensor = make_tensor(cursor, text.tensors[i], text.types[0]);
    if (!tensor) return false;
    attrs.push_back({std::string(tensors[i]->name), *std::move(tensor)});
  }
  for (const AttrDef* attr : attrs_of(def, AttrKind::result_shape)) {
    attrs.push_back({std::string(attr->name), text.types[0].shape});
  }
  for (const AttrDef* attr : attrs_of(def, AttrKind::result_dtype)) {
    attrs.push_back({std::string(attr->name), text.types[0].dtype});
  }
  for (const AttrDef* attr : attrs_of(def, AttrKind::result_types)) {
    attrs.push_back({std::string(attr->name), text.types});
  }
  return true;
}

const Token& attr_place(const OpText& text, std::string_view message) {
  for (const AttrText& attr : text.attrs) {
    if (message.find(fmt::format("`{}`", attr.name.text)) != std::string_view::npos) return attr.value;
  }
  return text.name;
}

}  // namespace nnc::ir::text
