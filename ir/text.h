// Modules as text: prints, parses back, prints the same again.
//
//   nnc module 1
//
//   data image: u8[28,28]
//   data label: u8[]
//   batch 128
//   epochs 30
//   stop patience 3 min_delta 0.001
//   metric accuracy
//
//   slot parameter @model.fc1.weight : f32[512,784]
//   slot optimizer @optimizer.model.fc1.weight.m : f32[512,784]
//
//   update @model.fc1.weight by @adam.0 (@optimizer.model.fc1.weight.m)
//
//   rule @adam.0(%param: f32[512,784], %grad: f32[512,784], %m: f32[512,784]) { ... }
//
//   graph @train@128(%image: u8[128,28,28], %label: u8[128]) {
//     %model.fc1.weight = slot @model.fc1.weight : f32[512,784]      loc("mlp.nn":7:12)
//     %0 = cast %image : f32[128,28,28]                              loc("mlp.nn":19:16)
//     %5 = matmul %4, %model.fc1.weight {transpose_b = true} : f32[128,512]
//     ...
//     return loss = %9, @train.loss.sum = %12
//   }
//
// A lowered module has kernels and programs in place of the graphs (program.h).
//
// Attributes that have their absent value, and those the result type shows, are not printed. Value names are derived,
// so that renumbered text comes back canonical: a parameter has its declared name, the first read of a slot the slot's
// path, anything else a number in order. `//` starts a comment. Floats print in the fewest digits that read back the
// same bits.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"

#include <optional>
#include <string>
#include <string_view>

namespace nnc::ir {

inline constexpr int text_version = 1;

struct PrintOptions {
  bool elide_constants = false;  // constants of more than 16 elements print as `...`, which does not parse back
};

std::string print(const Module& module, const PrintOptions& options = {});
std::string print(const Graph& graph, const PrintOptions& options = {});
/// `matmul %3, %4 {transpose_b = true}`, for messages; with the block, its result types too: ` : f32[128,512]`.
std::string describe(const Op& op);
std::string describe(const Block& block, const Op& op);
/// `matmul {transpose_b = true} (f32[2,3], f32[4,3]) -> f32[2,4]`.
std::string describe(const OpView& op);
/// `run @k4 (%1, %7) -> (%1)`.
std::string describe(const Module& module, const Program& program, const Instruction& instruction);

/// Parses and verifies. Registers the text with `diagnostics`, reports every error it can reach.
std::optional<Module> parse_module(std::string file, std::string_view text, Diagnostics& diagnostics);

/// Shortest text that reads back as the same bits; always with a point, an exponent, `inf` or `nan`.
std::string float_text(double value);
std::string float_text(float value);

}  // namespace nnc::ir
