#include "ir/doc.h"

#include "ir/op.h"
#include "ir/print_literal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace nnc::ir {
namespace {

std::string_view promotion_text(Promotion promotion) {
  switch (promotion) {
    case Promotion::none: return "operands stay as they are.";
    case Promotion::arithmetic: return "operands go to their common type; u8, u16 and bool to i32 at least.";
    case Promotion::real: return "operands go to their common type; integers and bool to f32.";
    case Promotion::logical: return "operands are bool.";
    case Promotion::branches: return "the first operand is bool, the others go to their common type.";
    case Promotion::index: return "operands are integers and go to i32.";
  }
  return "";
}

std::string_view precision_text(Precision precision) {
  switch (precision) {
    case Precision::exact: return "exact";
    case Precision::rounded: return "the exact value, rounded once";
    case Precision::approximate: return "a few units in the last place";
    case Precision::accumulated: return "depends on the order of a sum";
  }
  return "";
}

std::string gradient_text(const Gradient& gradient) {
  switch (gradient.kind) {
    case Gradient::Kind::rule: return "by a rule";
    case Gradient::Kind::zero: return fmt::format("zero: {}", gradient.reason);
    case Gradient::Kind::none: return fmt::format("none: {}", gradient.reason);
  }
  return "";
}

std::string_view family(const OpDef& def) {
  struct Names {
    std::string_view operator()(const Elementwise&) const { return "Elementwise; operands broadcast"; }
    std::string_view operator()(const Reduction&) const { return "A reduction"; }
    std::string_view operator()(const Movement&) const { return "Moves elements"; }
    std::string_view operator()(const Contraction&) const { return "A sum of products"; }
    std::string_view operator()(const Routine&) const { return "A routine"; }
    std::string_view operator()(const Whole&) const { return "Computed as a whole"; }
    std::string_view operator()(const SlotRead&) const { return "Reads a slot"; }
  };
  return std::visit(Names{}, *def.kernel);
}

std::string signature(const OpDef& def) {
  std::vector<std::string> parts;
  for (const OperandDef& operand : *def.operands) parts.emplace_back(operand.name);
  if (def.variadic) parts.back() += ", ...";
  for (const AttrDef& attr : def.attrs) {
    const std::string value = attr.absent ? fmt::format(" = {}", text::print_attr(*attr.absent, {})) : "";
    parts.push_back(std::string(attr.name) + value);
  }
  return fmt::format("{}({})", *def.name, fmt::join(parts, ", "));
}

std::string section(const OpDef& def) {
  std::string out = fmt::format("## {}\n\n`{}`\n\n{}\n\n", *def.name, signature(def), *def.doc);
  for (const AttrDef& attr : def.attrs) {
    const std::string absent =
        attr.absent ? fmt::format("; `{}` if absent", text::print_attr(*attr.absent, {})) : std::string();
    out += fmt::format("- `{}`: {}{}\n", attr.name, kind_text(attr.kind).doc, absent);
  }
  for (const OperandDef& operand : *def.operands) {
    if (operand.index_extent != nullptr) out += fmt::format("- `{}` holds indices\n", operand.name);
  }
  if (def.region_count > 0) out += fmt::format("- Regions: {}\n", def.region_count);
  out += fmt::format("- {}. Precision: {}.\n", family(def), precision_text(*def.precision));
  out += fmt::format("- Gradient: {}.\n", gradient_text(*def.grad));
  if (!def.callable && def.symbol.empty()) {
    out += "- Not callable in the language.\n";
  } else {
    const std::string symbol = def.symbol.empty() ? "" : fmt::format("written `{}`; ", def.symbol);
    out += fmt::format("- In the language: {}{}\n", symbol, promotion_text(def.promotion));
  }
  return out;
}

}  // namespace

std::string ops_document() {
  std::string out =
      "# Operations\n\n"
      "All operations of the compiler, written from their records in `ir/ops/`. The signature lists operands, then\n"
      "attributes with the values they have if absent.\n";
  for (const OpDef* def : all_ops()) out += "\n" + section(*def);
  return out;
}

}  // namespace nnc::ir
