// Text -> syntax tree.
//
// Reports as many errors as it finds: after one it goes on at the next statement or declaration.
#pragma once

#include "frontend/ast.h"
#include "ir/diagnostics.h"

#include <optional>
#include <string>
#include <string_view>

namespace nnc::frontend {

/// Registers the text with `diagnostics` under `file`; empty if there was an error.
std::optional<ast::Program> parse(std::string file, std::string_view text, ir::Diagnostics& diagnostics);

}  // namespace nnc::frontend
