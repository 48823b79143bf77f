// From the same weights and batches, we compute what PyTorch computed. Each case also holds the comparison itself: it
// must notice any tensor of the fixture that changes by 1e-4, and any that is left out.
#include "tests/parity/fixture.h"
#include "tests/parity/replay.h"

#include <catch2/catch.hpp>

namespace nnc::parity {
namespace {

constexpr double perturbation = 1e-4;

std::string text(const std::vector<Mismatch>& mismatches) {
  std::string lines;
  for (const Mismatch& mismatch : mismatches) lines += "\n  " + mismatch.text;
  return lines;
}

/// One tensor under its name. `compare` looks at each name by itself, so that this is enough to see what it notices.
runtime::NamedTensors only(const std::string& name, ir::Tensor tensor) { return {{name, std::move(tensor)}}; }

/// With elements [begin, end) changed.
ir::Tensor perturbed(ir::Tensor tensor, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) tensor.set_real(i, tensor.real(i) * (1 + perturbation));
  return tensor;
}

void check_comparison(const Case& test_case, const runtime::NamedTensors& ours, const runtime::NamedTensors& theirs) {
  for (const auto& [name, tensor] : theirs) {
    INFO(name);
    const bool each = name == "loss";
    const std::int64_t size = tensor.elements();
    const runtime::NamedTensors mine = only(name, ours.at(name));
    for (std::int64_t begin = 0; begin < size; begin += each ? 1 : size) {
      const ir::Tensor changed = perturbed(tensor, begin, each ? begin + 1 : size);
      const std::vector<Mismatch> found = compare(test_case, mine, only(name, changed));
      REQUIRE(found.size() == 1);
      REQUIRE(found[0].name == (each ? name + "[" + std::to_string(begin) + "]" : name));
    }
    REQUIRE(compare(test_case, {}, only(name, tensor)).size() == 1);
    REQUIRE(compare(test_case, mine, {}).size() == 1);
  }
}

void check_all(Execution execution) {
  for (const Case& test_case : all_cases()) {
    DYNAMIC_SECTION(test_case.name) {
      const runtime::NamedTensors theirs = read_expected(test_case);
      const runtime::NamedTensors ours = replay(test_case, execution);
      const std::vector<Mismatch> mismatches = compare(test_case, ours, theirs);
      INFO(text(mismatches));
      REQUIRE(mismatches.empty());
      check_comparison(test_case, ours, theirs);
    }
  }
}

TEST_CASE("ten steps by the reference agree with PyTorch") { check_all(Execution::reference); }

TEST_CASE("ten compiled steps agree with PyTorch") { check_all(Execution::compiled); }

}  // namespace
}  // namespace nnc::parity
