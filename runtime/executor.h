// What runs a module's graphs. The state of training is its slots, which an executor holds.
#pragma once

#include "ir/module.h"
#include "ir/tensor.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::runtime {

struct NamedTensor {
  std::string name;
  ir::Tensor value;
};

class Executor {
 public:
  virtual ~Executor() = default;

  /// Runs graph `name` (at `batch`, where the graph carries one) on `params`; replaces the slots it binds and gives its
  /// named results in order, which stay until the next run. Throws ir::ValueFault where a value is none that an op takes:
  /// the slots are then worth nothing.
  virtual const std::vector<NamedTensor>& run(std::string_view name, std::int64_t batch,
                                              const std::vector<ir::Tensor>& params) = 0;
  /// A slot's value; slots start as zeros.
  virtual ir::Tensor slot(std::string_view path) const = 0;
  /// Replaces a slot's value by one of its type.
  virtual void set_slot(std::string_view path, const ir::Tensor& value) = 0;
  /// The elements of a slot where they are, to be read and replaced without a copy beside them.
  virtual std::span<std::byte> slot_bytes(std::string_view path) = 0;
  /// Memory that the executor has planned for slots, values and scratch; 0 where it plans none.
  virtual std::int64_t planned_bytes() const = 0;
};

/// The reference interpreter: op by op, without optimization (reference.cpp).
std::unique_ptr<Executor> make_reference_executor(const ir::Module& module);

}  // namespace nnc::runtime
