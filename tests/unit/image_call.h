// Contractions of images, run and compared with the reference evaluation.
#pragma once

#include "ir/op.h"
#include "ir/tensor.h"
#include "runtime/contraction.h"
#include "tests/unit/random_values.h"

#include <string>
#include <string_view>
#include <vector>

namespace nnc::tests {

/// An op and the attributes its view refers to.
struct ImageCall {
  std::vector<ir::Attr> attrs;
  ir::OpView view;

  ImageCall(std::string_view op, std::vector<ir::Type> operands, std::vector<ir::NamedAttr> given);
  ImageCall(const ImageCall&) = delete;
};

ir::Type f32_type(ir::Shape shape);

/// What a convolution over x gives with these attributes, and its two gradients.
struct ConvolutionCalls {
  ImageCall forward, to_x, to_weight;

  ConvolutionCalls(const ir::Shape& x, const ir::Shape& weight, const std::vector<ir::NamedAttr>& attrs);
};

/// Twice with the same bits; nothing is written beside results and scratch, and nothing that is read beside operands is
/// used.
std::vector<ir::Tensor> run(runtime::Contractions& contractions, const ir::OpView& op,
                            const std::vector<ir::Tensor>& operands, int threads);
/// On small whole numbers, whose sums are exact in any order.
void check_contraction(runtime::Contractions& contractions, const ir::OpView& op, int threads, Random& random);

}  // namespace nnc::tests
