#include "tests/parity/fixture.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

namespace nnc::parity {
namespace {

namespace fs = std::filesystem;

/// |ours - theirs| / |theirs| over elements [begin, end). NaN where either side has one.
double relative_error(const ir::Tensor& ours, const ir::Tensor& theirs, std::int64_t begin, std::int64_t end) {
  double difference = 0, norm = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    const double delta = ours.real(i) - theirs.real(i);
    difference += delta * delta;
    norm += theirs.real(i) * theirs.real(i);
  }
  return std::sqrt(difference) / std::sqrt(norm);
}

}  // namespace

std::vector<Case> all_cases() {
  const fs::path root = NNC_SOURCE_DIR;
  const fs::path fixtures = root / "tests/parity/fixtures";
  std::ifstream file(fixtures / "cases.json");
  const nlohmann::json list = nlohmann::json::parse(file);
  std::vector<Case> cases;
  std::set<fs::path> named = {fixtures / "cases.json"};
  for (const nlohmann::json& row : list) {
    const std::string name = row.at("name");
    Case test_case{.name = name,
                   .program = root / std::string(row.at("program")),
                   .data = root / std::string(row.at("data")),  // an absolute path stays as it is
                   .batch = row.at("batch"),
                   .tolerance = row.value("tolerance", tolerance),
                   .reports = row.value("reports", false),
                   .set = {},
                   .initial_weights = fixtures / (name + ".init.safetensors"),
                   .expected = fixtures / (name + ".steps.safetensors")};
    for (const std::string setting : row.at("set")) {
      const std::size_t equals = setting.find('=');
      test_case.set.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
    }
    named.insert(test_case.initial_weights);
    named.insert(test_case.expected);
    cases.push_back(std::move(test_case));
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(fixtures)) {
    if (!named.contains(entry.path())) throw std::runtime_error("no case names " + entry.path().string());
  }
  return cases;
}

runtime::NamedTensors read_expected(const Case& test_case) {
  ir::Diagnostics diagnostics;
  auto tensors = runtime::read_safetensors(test_case.expected, diagnostics);
  if (!tensors) throw std::runtime_error(diagnostics.render());
  return *std::move(tensors);
}

std::vector<Mismatch> compare(const Case& test_case, const runtime::NamedTensors& ours,
                              const runtime::NamedTensors& theirs) {
  std::vector<Mismatch> mismatches;
  for (const auto& [name, tensor] : ours) {
    if (!theirs.contains(name)) mismatches.push_back({name, fmt::format("{}: not in the fixture", name)});
  }
  for (const auto& [name, expected] : theirs) {
    const auto found = ours.find(name);
    if (found == ours.end()) {
      mismatches.push_back({name, fmt::format("{}: only in the fixture", name)});
      continue;
    }
    const ir::Tensor& actual = found->second;
    if (actual.type() != expected.type()) {
      mismatches.push_back({name, fmt::format("{}: {} for the fixture's {}", name, to_string(actual.type()),
                                              to_string(expected.type()))});
      continue;
    }
    const std::int64_t size = expected.elements();
    const bool each = name == "loss";
    const double allowed = each || name.starts_with("report.") ? tolerance : test_case.tolerance;
    for (std::int64_t begin = 0; begin < size; begin += each ? 1 : size) {
      const double error = relative_error(actual, expected, begin, each ? begin + 1 : size);
      if (error <= allowed) continue;  // NaN is not
      const std::string part = each ? fmt::format("{}[{}]", name, begin) : name;
      mismatches.push_back({part, fmt::format("{}: off by {:.2e}, relative to the fixture", part, error)});
    }
  }
  return mismatches;
}

}  // namespace nnc::parity
