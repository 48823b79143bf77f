// Layer calls have names and paths: `linear(x, 512) as fc1` inside `model` owns model.fc1.weight and model.fc1.bias.
//
//   as h[i]                            h.0, h.1, ...
//   without `as`                       linear_1, linear_2: counted over the block's text; linear_1.0 inside `for i`
//   as share e, on each of the calls   one instance
#pragma once

#include "frontend/context.h"

#include <optional>
#include <string>

namespace nnc::frontend {

/// Names a call of `layer` in the current frame and gives the instance's path; empty after an error.
std::optional<std::string> name_instance(Context& context, const ast::Definition& layer, const ast::Call& call,
                                         const ast::Span& at);

/// The path `h.0` as it is written: `h[0]`.
std::string in_source(const std::string& path);

/// At the end of a body: a name shared by one call only is an error.
void check_shares(Context& context, const Frame& frame);

}  // namespace nnc::frontend
