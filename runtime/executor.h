// What runs a module's graphs. The state of training is the tensors of its slots; an executor reads and replaces them.
#pragma once

#include "ir/module.h"
#include "ir/tensor.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nnc::runtime {

/// The tensors of all slots, by path.
using SlotValues = std::map<std::string, ir::Tensor, std::less<>>;

class Executor {
 public:
  virtual ~Executor() = default;

  /// Runs graph `name` (at `batch`, where the graph carries one) on `params`; replaces the slots it binds and gives its
  /// named results in order.
  virtual std::vector<std::pair<std::string, ir::Tensor>> run(std::string_view name, std::int64_t batch,
                                                              std::vector<ir::Tensor> params) = 0;
  virtual SlotValues& slots() = 0;
};

/// The reference interpreter: op by op, without optimization (reference.cpp). All slots start as zeros.
std::unique_ptr<Executor> make_reference_executor(const ir::Module& module);

}  // namespace nnc::runtime
