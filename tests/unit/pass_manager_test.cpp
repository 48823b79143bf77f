// The options of the pass manager, and what it does with passes that fail.
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace nnc;
using namespace nnc::ir;
using passes::find_pass;
using passes::Pass;
using passes::PassContext;
using passes::RunOptions;
using passes::Stage;

namespace {

/// A module on which fold-constants, cse and dce each change something: report returns x * (2 + 3) twice.
Module small_module() {
  Module module;
  const Type type{DType::f32, {}, {}};
  module.slots.push_back({"x", type, SlotKind::statistic});
  Graph graph{.name = "report", .batch = 0, .param_names = {}, .body = {}, .results = {}};
  Builder builder(graph.body);
  const Expr x = builder.slot("x", type);
  for (const char* name : {"a", "b"}) {
    const Expr sum = builder.constant(2.0, DType::f32) + builder.constant(3.0, DType::f32);
    graph.add_result(GraphResult::Kind::value, name, (x * sum).value);
  }
  module.graphs.push_back(std::move(graph));
  return module;
}

const std::vector<const Pass*> cleanup{find_pass("fold-constants"), find_pass("cse"), find_pass("dce")};

/// What a run leaves.
struct Run {
  Status status;
  Module module = small_module();
  std::string log = {};
  Diagnostics diagnostics = {};
};

Run run(const std::vector<const Pass*>& pipeline, RunOptions options) {
  Run result{.status = Status::ok};
  std::ostringstream log;
  options.log = &log;
  result.status = passes::run_passes(result.module, pipeline, options, result.diagnostics);
  result.log = log.str();
  return result;
}

/// A reproducer's path in a folder of this test's own, and its text.
struct Reproducer {
  test::TempDirectory directory;
  std::filesystem::path path = directory.path("input.ir");

  std::string text() const {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::string expected(const std::string& passes) const {
    return "// nnc-opt " + path.string() + " --passes=" + passes + "\n" + print(small_module());
  }
};

std::size_t ops(const Run& run) { return run.module.graphs[0].body.ops().size(); }

}  // namespace

TEST_CASE("passes run in order") {
  const Run all = run(cleanup, {});
  CHECK(all.status == Status::ok);
  CHECK(ops(all) == 3);  // x, 5, x * 5
  CHECK(all.log == "");
}

TEST_CASE("the option --disable-pass leaves out an optimization") {
  CHECK(ops(run(cleanup, {.disabled = {"cse"}})) == 5);
  const Run refused = run({find_pass("autodiff")}, {.disabled = {"autodiff"}});
  CHECK(refused.status == Status::failed);
  CHECK(refused.diagnostics.render() ==
        "error: --disable-pass: pass `autodiff` is no optimization and cannot be left out\n");
}

TEST_CASE("the option --stop-after and --pass-limit end early") {
  CHECK(ops(run(cleanup, {.stop_after = "fold-constants"})) == 5);
  CHECK(ops(run(cleanup, {.pass_limit = 1})) == 5);
  CHECK(ops(run(cleanup, {.pass_limit = 0})) == ops({.status = Status::ok}));
  CHECK(run(cleanup, {.pass_limit = -1}).diagnostics.render() == "error: --pass-limit: -1 is negative\n");
}

TEST_CASE("the option --print-after prints the module after the passes named") {
  const Run one = run(cleanup, {.print_after = {"cse"}});
  Run stopped = run(cleanup, {.stop_after = "cse"});
  CHECK(one.log == "// after cse\n" + print(stopped.module));
  const Run all = run(cleanup, {.print_after = {"all"}});
  for (const char* header : {"// after fold-constants\n", "// after cse\n", "// after dce\n"}) {
    CHECK(all.log.find(header) != std::string::npos);
  }
}

TEST_CASE("the option --print-changed prints the module after passes that changed it") {
  const Run changed = run(cleanup, {.print_changed = true});
  CHECK(changed.log.find("// after fold-constants\n") == 0);
  CHECK(changed.log.find("// after cse\n") != std::string::npos);
  CHECK(changed.log.find("// after dce\n") == std::string::npos);
}

TEST_CASE("the option --time-passes lists passes and rules") {
  const Run timed = run({find_pass("simplify"), find_pass("dce")}, {.time_passes = true});
  CHECK(timed.log.find(" ms  simplify\n") != std::string::npos);
  CHECK(timed.log.find(" ms  dce\n") != std::string::npos);
  CHECK(timed.log.find(" ms  total\n") != std::string::npos);

  Module module = small_module();
  Graph& graph = module.graphs[0];
  Builder builder(graph.body);
  graph.body.results[0] = (-(-builder.expr(graph.body.results[0]))).value;
  std::ostringstream log;
  Diagnostics diagnostics;
  REQUIRE(passes::run_passes(module, {find_pass("simplify")}, {.time_passes = true, .log = &log}, diagnostics) ==
          Status::ok);
  CHECK(log.str().find("1 x     neg(neg(x)) -> x\n") != std::string::npos);
}

TEST_CASE("the option --verify-roundtrip accepts what the passes make") {
  CHECK(run(cleanup, {.verify_roundtrip = true}).status == Status::ok);
}

TEST_CASE("names in options that no pass has are errors") {
  const Run misspelt = run(cleanup, {.disabled = {"cs"}, .print_after = {"fold-constant"}, .stop_after = "nothing"});
  CHECK(misspelt.status == Status::failed);
  CHECK(misspelt.diagnostics.render() ==
        "error: --disable-pass: there is no pass `cs`; did you mean `cse`?\n"
        "error: --print-after: there is no pass `fold-constant`; did you mean `fold-constants`?\n"
        "error: --stop-after: there is no pass `nothing`; the passes are autodiff, updates, check-indices, "
        "fold-constants, hoist, simplify, lookups, "
        "cse, dce, sink, sink-rows, layout, winograd, pack, expand, fuse, schedule, lower, plan-memory\n");
  const Run absent = run({find_pass("dce")}, {.stop_after = "cse"});
  CHECK(absent.diagnostics.render() == "error: --stop-after: pass `cse` is not among those to run: dce\n");
}

TEST_CASE("a pass that reports a mistake of the user ends the run") {
  constexpr Pass complains{"complains", "",
                           [](Module&, PassContext& context) {
                             context.diagnostics.error("the model is wrong");
                             return Status::failed;
                           },
                           Stage::graph, false};
  const Reproducer file;
  const Run failed = run({&complains, find_pass("dce")}, {.reproducer = file.path});
  CHECK(failed.status == Status::failed);
  CHECK(failed.diagnostics.render() == "error: the model is wrong\n");
  CHECK_FALSE(std::filesystem::exists(file.path));
}

TEST_CASE("a pass that fails through our own mistake leaves its input") {
  constexpr Pass fails{"fails", "",
                       [](Module& module, PassContext& context) {
                         module.graphs.clear();
                         context.internal_error = "it cannot work";
                         return Status::failed;
                       },
                       Stage::graph, false};
  const Reproducer file;
  const Run failed = run({&fails, find_pass("dce")}, {.reproducer = file.path});
  CHECK(failed.status == Status::failed);
  CHECK(failed.diagnostics.render() ==
        "error: internal error in pass `fails`: it cannot work\nnote: to run it again: nnc-opt " + file.path.string() +
            " --passes=fails,dce\n");
  CHECK(file.text() == file.expected("fails,dce"));
  Diagnostics diagnostics;
  CHECK(parse_module("input.ir", file.text(), diagnostics));
}

TEST_CASE("a pass whose result is not well formed is named") {
  constexpr Pass breaks{"breaks", "",
                        [](Module& module, PassContext&) {
                          module.graphs[0].body.ops().back().operands[0] = {1000};
                          return Status::ok;
                        },
                        Stage::graph, false};
  const Reproducer file;
  const Run failed = run({find_pass("dce"), &breaks}, {.reproducer = file.path});
  CHECK(failed.status == Status::failed);
  CHECK(failed.diagnostics.render().find("error: internal error in pass `breaks`: the module is not well formed:\n") ==
        0);
  CHECK(file.text() == file.expected("breaks"));
}

TEST_CASE("a pass that breaks a check leaves its input") {
  constexpr Pass aborts{"aborts", "",
                        [](Module& module, PassContext&) {
                          NNC_CHECK(module.graphs.empty(), "there are graphs");
                          return Status::ok;
                        },
                        Stage::graph, false};
  const Reproducer file;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    std::signal(SIGABRT, SIG_DFL);  // not Catch2's
    Module module = small_module();
    Diagnostics diagnostics;
    RunOptions options{.reproducer = file.path};
    _exit(passes::run_passes(module, {&aborts, find_pass("dce")}, options, diagnostics) == Status::ok ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(file.text() == file.expected("aborts,dce"));
}
