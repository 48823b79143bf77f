// docs/ops.md, written from the op records.
#pragma once

#include <string>

namespace nnc::ir {

/// Markdown: for each op its signature, meaning, attributes, result, conversion of operands, gradient and precision.
std::string ops_document();

}  // namespace nnc::ir
