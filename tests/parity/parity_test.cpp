// From the same weights and batches, we compute what PyTorch computed. Each case also holds the comparison itself: it
// must notice any tensor of the fixture that changes by 1e-4, and any that is left out.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#include "tests/parity/fixture.h"
#include "tests/parity/replay.h"

namespace nnc::parity {
namespace {

constexpr double perturbation = 1e-4;
constexpr std::pair<const char*, Execution> executions[] = {{"reference", Execution::reference},
                                                            {"compiled", Execution::compiled}};

std::string text(const std::vector<Mismatch>& mismatches) {
  std::string lines;
  for (const Mismatch& mismatch : mismatches) lines += "\n  " + mismatch.text;
  return lines;
}

/// What `compare` names with elements [begin, end) of one of theirs changed.
std::vector<Mismatch> compare_perturbed(const runtime::NamedTensors& ours, runtime::NamedTensors theirs,
                                        const std::string& name, std::int64_t begin, std::int64_t end) {
  ir::Tensor& tensor = theirs.at(name);
  for (std::int64_t i = begin; i < end; ++i) tensor.set_real(i, tensor.real(i) * (1 + perturbation));
  return compare(ours, theirs);
}

void check_comparison(const runtime::NamedTensors& ours, const runtime::NamedTensors& theirs) {
  for (const auto& [name, tensor] : theirs) {
    INFO(name);
    const bool each = name == "loss";
    const std::int64_t size = tensor.elements();
    for (std::int64_t begin = 0; begin < size; begin += each ? 1 : size) {
      const std::vector<Mismatch> found = compare_perturbed(ours, theirs, name, begin, each ? begin + 1 : size);
      REQUIRE(found.size() == 1);
      REQUIRE(found[0].name == (each ? name + "[" + std::to_string(begin) + "]" : name));
    }
    runtime::NamedTensors fewer = ours;
    fewer.erase(name);
    REQUIRE(compare(fewer, theirs).size() == 1);
    fewer = theirs;
    fewer.erase(name);
    REQUIRE(compare(ours, fewer).size() == 1);
  }
}

TEST_CASE("ten steps agree with PyTorch") {
  for (const Case& test_case : all_cases()) {
    for (const auto& [how, execution] : executions) {
      DYNAMIC_SECTION(test_case.name << ", " << how) {
        const runtime::NamedTensors theirs = read_expected(test_case);
        const runtime::NamedTensors ours = replay(test_case, execution);
        const std::vector<Mismatch> mismatches = compare(ours, theirs);
        INFO(text(mismatches));
        REQUIRE(mismatches.empty());
        check_comparison(ours, theirs);
      }
    }
  }
}

}  // namespace
}  // namespace nnc::parity
