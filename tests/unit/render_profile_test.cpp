#include "tools/render_profile.h"

#include "ir/text.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace nnc::tests {

namespace {

constexpr const char* two_layers = R"ir(nnc module 1

batch 2

target generic

slot parameter @w : f32[3,4]

kernel @k0 = fused {domain = dims(i: 6), reads = [at(i)], writes = [at(i)], schedule = plan(parallel i by 64, vector i of 8)} (%0: f32[6]) {
  %1 = exp %0 : f32[6]
  yield %1
}

program @eval@2() {
  transient 0
  scratch 0
  return
}

program @train@2(%x: f32[2,4]) {
  transient 192
  scratch 0
  buffer %w: f32[3,4] slot @w
  buffer %0: f32[2,3] transient 0
  buffer %1: f32[2,3] transient 64
  buffer %2: f32[2,3] transient 128
  run matmul {transpose_b = true} (%x, %w) -> (%0) threads 1  loc("a.nn":2:3 > "a.nn":1:9 > "std/layers.nn":6:7)
  run @k0 (%0) -> (%1) threads 1                              loc("a.nn":2:3, "a.nn":3:1)
  run @k0 (%1) -> (%2) threads 1                              loc("a.nn":2:3, "a.nn":3:1) grad
  return y = %2
}
)ir";

ir::Module parsed() {
  ir::Diagnostics diagnostics;
  std::optional<ir::Module> module = ir::parse_module("two_layers.ir", two_layers, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module);
  return std::move(*module);
}

/// Two runs: the product moves 104 bytes and does 48 operations, a kernel 48 bytes and 6.
runtime::Profile profile() {
  runtime::Profile profile;
  profile["eval@2"] = {.runs = 4, .seconds = 2e-3, .seconds_of = {}, .times_of = {}, .last = {}};
  profile["train@2"] = {.runs = 2,
                        .seconds = 8e-3,
                        .seconds_of = {4e-3, 1e-3, 2e-3},
                        .times_of = {2, 2, 2},
                        .last = {{0, 1e-5, 2e-3}, {1, 2.1e-3, 5e-4}, {2, 2.7e-3, 1e-3}}};
  return profile;
}

}  // namespace

TEST_CASE("a profile is shown by instruction and by the line that the user wrote") {
  const runtime::Ceilings ceilings{.bytes_per_second = 104e3, .flops_per_second = 1e6};
  const std::string tables = tools::profile_tables(parsed(), profile(), ceilings, {"a.nn", "first\n  second\nthird"});
  CHECK(tables ==
        R"(train@2: 2 runs, 4.000 ms each; at best 0.0 GB/s, 0.0 GFLOP/s
       ms  share  times    GB/s  GFLOP/s  of best  instruction                                      line
    2.000  50.0%      1     0.0      0.0      50%  matmul f32[2,4] f32[3,4]                         a.nn:1:9
    1.500  37.5%      2     0.0      0.0      62%  @k0 exp                                          a.nn:2:3

       ms  share   forward  backward    update  line
    2.000  50.0%     2.000         -         -  a.nn:1: first
    0.750  18.8%     0.250     0.500         -  a.nn:2: second
    0.750  18.8%     0.250     0.500         -  a.nn:3: third

eval@2: 4 runs, 500.000 us each
)");
}

TEST_CASE("a run of less than a millisecond is shown in microseconds") {
  runtime::Profile profile;
  profile["train@2"] = {
      .runs = 2, .seconds = 8e-6, .seconds_of = {4e-6, 1e-6, 2e-6}, .times_of = {2, 2, 2}, .last = {}};
  const std::string tables =
      tools::profile_tables(parsed(), profile, {.bytes_per_second = 1, .flops_per_second = 1}, {});
  CHECK(tables.starts_with("train@2: 2 runs, 4.000 us each"));
  CHECK(tables.find("\n       us  share  times") != std::string::npos);
  CHECK(tables.find("\n    2.000  50.0%      1") != std::string::npos);
  CHECK(tables.find("    2.000  50.0%     2.000         -         -  a.nn:1\n") != std::string::npos);
}

TEST_CASE("a trace has the instructions of the last run, in microseconds") {
  const auto trace = nlohmann::json::parse(tools::profile_trace(parsed(), profile()));
  const nlohmann::json& events = trace["traceEvents"];
  REQUIRE(events.size() == 5);
  CHECK(events[0]["args"]["name"] == "eval@2");
  CHECK(events[1]["args"]["name"] == "train@2");
  CHECK(events[2]["name"] == "matmul f32[2,4] f32[3,4]");
  CHECK(events[2]["ts"] == 10.0);
  CHECK(events[2]["dur"] == 2000.0);
  CHECK(events[2]["tid"] == events[1]["tid"]);
  CHECK(events[2]["args"] == nlohmann::json{{"line", "a.nn:1:9"}, {"bytes", 104}, {"flops", 48}, {"threads", 1}});
  CHECK(events[4]["cat"] == "backward");
}

}  // namespace nnc::tests
