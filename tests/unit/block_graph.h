// A block without slots, by itself: its values, and a graph of it for passes.
#pragma once

#include "ir/evaluate.h"
#include "ir/graph.h"
#include "ir/tensor.h"

#include <string>
#include <string_view>
#include <vector>

namespace nnc::tests {

inline std::vector<ir::Tensor> run(const ir::Block& block, const std::vector<ir::Tensor>& params) {
  static const ir::Tensor none;
  return ir::evaluate(block, params, [](std::string_view) -> const ir::Tensor& { return none; });
}

inline ir::Graph graph_of(const ir::Block& block) {
  ir::Graph graph{.name = "train", .batch = 1, .param_names = {}, .body = block, .results = {}};
  for (std::size_t i = 0; i < block.params().size(); ++i) graph.param_names.push_back("p" + std::to_string(i));
  for (std::size_t i = 0; i < block.results.size(); ++i) {
    graph.results.push_back({ir::GraphResult::Kind::value, "r" + std::to_string(i)});
  }
  return graph;
}

}  // namespace nnc::tests
