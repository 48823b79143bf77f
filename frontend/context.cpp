#include "frontend/context.h"

#include "ir/check.h"

#include <fmt/format.h>

namespace nnc::frontend {

Target::Target(Kind kind, std::string name, std::int64_t batch) : kind(kind), builder(graph.body) {
  graph.name = std::move(name);
  graph.batch = batch;
}

Context::Context(const Declarations& declarations, const ir::Recipe& recipe, const std::map<std::string, Value>& hypers,
                 ir::Diagnostics& diagnostics)
    : declarations(declarations), recipe(recipe), hypers(hypers), diagnostics(&diagnostics) {}

const CallNumbers& Context::numbers(const Frame& of) {
  static const ast::Block no_block;
  static const std::vector<ast::Parameter> no_parameters;
  const ast::Block& block = of.block ? *of.block : no_block;
  const auto at = numbers_.find(&block);
  if (at != numbers_.end()) return at->second;
  return numbers_.emplace(&block, number_calls(of.definition ? of.definition->parameters : no_parameters, block))
      .first->second;
}

const SlotInfo* Context::find_slot(const std::string& path) const {
  const auto at = slot_index.find(path);
  return at == slot_index.end() ? nullptr : &slots[at->second];
}

namespace {

/// The calls that led here and `at`, and the number of those up to the innermost in the user's file.
std::pair<std::vector<ast::Span>, std::size_t> chain_to(const Context& context, const ast::Span& at) {
  std::vector<ast::Span> chain = context.frame ? context.frame->calls : std::vector<ast::Span>{};
  chain.push_back(at);
  std::size_t shown = chain.size() - 1;
  const std::string& user = context.declarations.user_file();
  while (shown > 0 && chain[shown].at.file != user) --shown;
  if (chain[shown].at.file != user) shown = chain.size() - 1;
  return {std::move(chain), shown};
}

void note_calls(ir::Diagnostic& diagnostic, const std::vector<ast::Span>& chain, std::size_t shown) {
  ir::CallChain points;
  for (const ast::Span& span : chain) points.push_back(span.at);
  diagnostic.note_calls(points, shown);
}

}  // namespace

ir::Diagnostic& report(Context& context, const ast::Span& at, std::string message) {
  const auto [chain, shown] = chain_to(context, at);
  ir::Diagnostic& diagnostic = context.diagnostics->error(chain[shown].at, std::move(message), chain[shown].width);
  note_calls(diagnostic, chain, shown);
  return diagnostic;
}

ir::Diagnostic& report_argument(Context& context, const ast::Span& argument, const ast::Span& at, std::string message) {
  auto [chain, shown] = chain_to(context, at);
  ir::Diagnostic& diagnostic = context.diagnostics->error(argument.at, std::move(message), argument.width);
  if (shown + 1 == chain.size()) {  // the body is the user's own; the call holds the argument
    diagnostic.note(at.at, "it is refused here");
    chain.pop_back();
    --shown;
  }
  note_calls(diagnostic, chain, shown);
  return diagnostic;
}

Value poison(const Context& context) {
  NNC_CHECK(context.diagnostics->failed(), "an erroneous value, and no error");
  return {Poison{}, {}};
}

Value fail(Context& context, const ast::Span& at, std::string message) {
  report(context, at, std::move(message));
  return poison(context);
}

void note_origin(ir::Diagnostic& diagnostic, const Value& value, const ast::Span& at) {
  if (!value.origin.at.known() || value.origin.at == at.at || value.origin.at == diagnostic.at) return;
  diagnostic.note(value.origin.at, fmt::format("{} comes from here", describe(value)));
}

Value exhaust(Context& context, const ast::Span& at, std::string message) {
  if (!context.exhausted) report(context, at, std::move(message));
  context.exhausted = true;
  return poison(context);
}

ir::Location location(const Context& context, const ast::Span& at) {
  ir::CallChain chain;
  if (context.frame)
    for (const ast::Span& call : context.frame->calls)
      if (call.at.known()) chain.push_back(call.at);
  if (at.at.known()) chain.push_back(at.at);
  return chain.empty() ? ir::Location() : ir::Location(std::move(chain));
}

bool add_slot(Context& context, ir::Slot slot, const ast::Span& at) {
  const auto known = context.slot_index.find(slot.path);
  if (known == context.slot_index.end()) {
    context.slot_index.emplace(slot.path, context.slots.size());
    context.slots.push_back({std::move(slot), at, context.frame ? context.frame->calls : std::vector<ast::Span>{}});
    return true;
  }
  const SlotInfo& old = context.slots[known->second];
  if (old.slot.type == slot.type && old.slot.kind == slot.kind) return true;
  if (old.slot.kind != slot.kind) {
    report(context, at, fmt::format("`{}` names two things", slot.path)).note(old.at.at, "it is first declared here");
    return false;
  }
  auto& diagnostic = report(
      context, at,
      fmt::format("`{}` is {} here and {} elsewhere: it has to be the same in every use and for every batch size",
                  slot.path, ir::to_string(slot.type), ir::to_string(old.slot.type)));
  if (old.at.at != at.at) diagnostic.note(old.at.at, "it is first declared here");
  return false;
}

ir::Expr read_slot(Context& context, const ir::Slot& slot, const ast::Span& at) {
  Target& target = *context.target;
  if (const auto known = target.reads.find(slot.path); known != target.reads.end()) return known->second;
  target.builder.location = location(context, at);
  const ir::Expr value = target.builder.slot(slot.path, slot.type);
  ++context.ops;
  target.reads.emplace(slot.path, value);
  return value;
}

ir::Expr newest(Context& context, const ir::Slot& slot, const ast::Span& at) {
  const auto assigned = context.target->kept.find(slot.path);
  return assigned == context.target->kept.end() ? read_slot(context, slot, at) : assigned->second;
}

ir::Expr read_scalar_slot(Context& context, std::string_view path, ir::SlotKind kind, const ast::Span& at) {
  const ir::Slot slot{std::string(path), ir::Type{ir::DType::i64, {}, {}}, kind, false};
  NNC_CHECK(add_slot(context, slot, {}), "the slot {} has another type", path);
  return read_slot(context, slot, at);
}

std::optional<std::int64_t> checked_elements(const ir::Shape& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 1 || __builtin_mul_overflow(elements, extent, &elements) || elements > max_elements)
      return std::nullopt;
  }
  return elements;
}

}  // namespace nnc::frontend
