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
  if (subject.op != nullptr) text += fmt::format("{}: ", describe(*subject.block, *subject.op));
  return text;
}

}  // namespace

Status verify(const Module& module, Diagnostics& diagnostics) {
  Status status = Status::ok;
  find_violations(module, [&](const Subject& subject, const std::string& message) {
    const SourcePoint at = subject.op != nullptr ? subject.op->location.point() : SourcePoint{};
    diagnostics.error(at, place(module, subject) + message);
    status = Status::failed;
  });
  return status;
}

}  // namespace nnc::ir
