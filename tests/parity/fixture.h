// The parity fixtures (make_fixtures.py) and their comparison with what we compute.
#pragma once

#include "runtime/checkpoint.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nnc::parity {

/// What a tensor may be off by, where the case does not say otherwise.
inline constexpr double tolerance = 1e-5;

/// One row of fixtures/cases.json; paths are absolute.
struct Case {
  std::string name;
  std::string program;
  std::string data;
  std::int64_t batch = 0;
  double tolerance = parity::tolerance;  // of tensors other than losses and metrics
  bool reports = false;                  // whether the fixture has the losses and metrics of an epoch
  std::vector<std::pair<std::string, std::string>> set;
  std::string initial_weights;  // safetensors: parameters by path
  std::string expected;         // safetensors: what PyTorch computed
};

/// Every case. A fixture file that no case names, or a broken list, throws.
std::vector<Case> all_cases();
runtime::NamedTensors read_expected(const Case& test_case);

/// Steps (from 1) after which gradients, parameters and states are recorded, and how many there are.
inline constexpr std::int64_t first_recorded = 1;
inline constexpr std::int64_t steps = 10;

/// A tensor, or one loss, that is off: what a test prints.
struct Mismatch {
  std::string name;
  std::string text;
};

/// Compares by name, each tensor by |ours - theirs| / |theirs| (L2) and each element of `loss` alone. A name or shape
/// that only one side has is a mismatch.
std::vector<Mismatch> compare(const Case& test_case, const runtime::NamedTensors& ours,
                              const runtime::NamedTensors& theirs);

}  // namespace nnc::parity
