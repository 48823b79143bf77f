// Packing: a weight that many products of a step read is put in tiles once, as they read it, instead of in each of them.
//
//   scan %h, %w {..} (%t, %h1, %w1) {               %w' = pack %w : f32[16,16,16,64]
//     %y = matmul %h1, %w1 : f32[32,1024]     ->    scan %h, %w' {..} (%t, %h1, %w1') {
//     ...                                             %y = packed_matmul %h1, %w1' : f32[32,1024]
//
// Products are counted where their weight is made: a loop that is given one does its products once a step. The target
// says from how many on it pays.
#pragma once

#include "passes/pass.h"

namespace nnc::passes {

ir::Status pack(ir::Module& module, PassContext& context);

}  // namespace nnc::passes
