#include "ir/verify.h"

#include "ir/text.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

namespace nnc::ir {
namespace {

/// What the violation is about, where no line of text shows it.
std::string place(const Module& module, const Subject& subject) {
  std::string text;
  if (subject.kind == Subject::Kind::rule) text = fmt::format("rule @{}: ", module.rules[subject.index].name);
  if (subject.kind == Subject::Kind::graph) text = fmt::format("graph @{}: ", module.graphs[subject.index].full_name());
  if (subject.kind == Subject::Kind::kernel) text = fmt::format("kernel @{}: ", module.kernels[subject.index].name);
  if (subject.kind == Subject::Kind::program) {
    const Program& program = module.programs[subject.index];
    text = fmt::format("program @{}: ", program.full_name());
    if (subject.part == Subject::Part::instruction)
      text += fmt::format("{}: ", describe(module, program, program.instructions[subject.item]));
  }
  if (subject.op != nullptr) text += fmt::format("{}: ", describe(*subject.block, *subject.op));
  return text;
}

/// The `.nn` line that it comes from.
SourcePoint point(const Module& module, const Subject& subject) {
  if (subject.op != nullptr) return subject.op->location.point();
  if (subject.kind != Subject::Kind::program || subject.part != Subject::Part::instruction) return {};
  return module.programs[subject.index].instructions[subject.item].location.point();
}

}  // namespace

Status verify(const Module& module, Diagnostics& diagnostics) {
  Status status = Status::ok;
  find_violations(module, [&](const Subject& subject, const std::string& message) {
    diagnostics.error(point(module, subject), place(module, subject) + message);
    status = Status::failed;
  });
  return status;
}

}  // namespace nnc::ir
