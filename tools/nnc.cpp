// nnc: checks a `.nn` file and shows any stage of its compilation.
#include "frontend/print_ast.h"
#include "ir/text.h"
#include "passes/fuse.h"
#include "tools/command_line.h"
#include "tools/describe_module.h"
#include "tools/dot.h"
#include "tools/driver.h"
#include "tools/exit_codes.h"
#include "tools/explain.h"
#include "tools/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace nnc;

using runtime::jit::CodeText;

struct Request {
  std::string file;
  std::string emit;
  std::string out;
  frontend::Options options;
  passes::RunOptions passes;
  const tools::Machine* machine = nullptr;
  bool explain = false;
};

std::string print_module(const ir::Module& module, const Request& request) {
  return ir::print(module, {.elide_constants = request.passes.elide_constants});
}

/// A form that --emit prints: how far the module is brought, and its text there.
struct Form {
  std::string_view name;
  passes::Stage stage;
  std::string (*text)(const ir::Module&, const Request&);
};

constexpr Form forms[] = {
    {"graph", passes::Stage::graph, print_module},
    {"step", passes::Stage::step, print_module},
    {"optimized", passes::Stage::optimized, print_module},
    {"program", passes::Stage::program, print_module},
    {"llvm", passes::Stage::program,
     [](const ir::Module& module, const Request& request) {
       return request.machine->code_text(module, CodeText::llvm);
     }},
    {"asm", passes::Stage::program,
     [](const ir::Module& module, const Request& request) {
       return request.machine->code_text(module, CodeText::assembly);
     }},
    {"dot", passes::Stage::step, [](const ir::Module& module, const Request&) { return tools::dot(module); }},
    {"", passes::Stage::program, [](const ir::Module& module, const Request& request) {
       return request.file + '\n' + tools::describe_module(module);
     }}};

constexpr std::string_view form_names = "ast, graph, step, optimized, program, llvm, asm or dot";

/// Nothing if the model does not compile.
std::optional<std::string> explanation(const frontend::Model& model, const Request& request,
                                       ir::Diagnostics& diagnostics) {
  std::vector<passes::Remark> remarks;
  passes::RunOptions passes = request.passes;
  passes.remarks = &remarks;
  std::optional<ir::Module> optimized =
      tools::compile(model, tools::sizes_without_data(model.recipe()), passes::Stage::optimized, passes, diagnostics);
  if (!optimized) return std::nullopt;
  ir::Module lowered = *optimized;
  const auto lower = passes::passes_between(passes::Stage::optimized, passes::Stage::program);
  if (passes::run_passes(lowered, lower, {.target = passes.target}, diagnostics) == ir::Status::failed)
    return std::nullopt;
  // What is in no kernel becomes one by itself, as for lowering.
  for (ir::Graph& graph : optimized->graphs) passes::wrap_ops(graph.body);
  if (passes::run_passes(*optimized, {passes::find_pass("schedule")}, {.target = passes.target}, diagnostics) ==
      ir::Status::failed)
    return std::nullopt;
  return tools::explain(*optimized, lowered, remarks, tools::source_to_show(request.file));
}

int run(const Request& request) {
  ir::Diagnostics diagnostics;
  const std::optional<frontend::Model> model = tools::load_model(request.file, request.options, diagnostics);
  if (!model) return tools::fail(diagnostics);
  std::string text;
  if (request.explain) {
    std::optional<std::string> explained = explanation(*model, request, diagnostics);
    if (!explained) return tools::fail(diagnostics);
    text = std::move(*explained);
  } else if (request.emit == "ast") {
    text = frontend::print(model->program());
  } else {
    const Form& form = *std::find_if(std::begin(forms), std::end(forms),
                                     [&](const Form& candidate) { return candidate.name == request.emit; });
    const std::optional<ir::Module> module =
        tools::compile(*model, tools::sizes_without_data(model->recipe()), form.stage, request.passes, diagnostics);
    if (!module) return tools::fail(diagnostics);
    text = form.text(*module, request);
  }
  if (tools::write_text(request.out, text, diagnostics) == ir::Status::failed) return tools::fail(diagnostics);
  return tools::exit_done;
}

std::string check_form(const std::string& name) {
  if (name == "ast") return "";
  for (const Form& form : forms) {
    if (!name.empty() && form.name == name) return "";
  }
  return fmt::format("--emit={}: expected {}", name, form_names);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Check a .nn file and compile its training step; without --emit, say what it holds.", "nnc"};
  Request request;
  tools::ModelFlags model_flags;
  tools::ThreadFlag thread_flag;
  std::string target = "native";
  app.add_option("FILE", request.file, "The .nn file; `-` is standard input")->required()->type_name("");
  const CLI::Option* emit =
      app.add_option("--emit", request.emit, fmt::format("Print a stage: {}", form_names))->type_name("STAGE");
  app.add_flag("--explain", request.explain,
               "Say of each line in which kernels its values are computed, and why not in fewer");
  app.add_option("-o", request.out, "Write there instead of to standard output")
      ->type_name("OUT")
      ->check(tools::not_empty());
  model_flags.declare(app);
  thread_flag.declare(app);
  app.add_option("--target", target, "Compile for this CPU (native), or for one that is the same everywhere (generic)")
      ->type_name("TARGET")
      ->check(tools::one_of({"native", "generic"}));
  tools::declare_pass_flags(app, request.passes);

  if (const std::optional<int> status = tools::parse_command_line(app, argc, argv)) return *status;
  if (!emit->empty()) {
    if (const std::string problem = check_form(request.emit); !problem.empty()) return tools::refuse(problem);
    if (request.explain) return tools::refuse("--explain and --emit exclude each other");
  }
  const bool whole = request.explain || request.emit == "llvm" || request.emit == "asm";
  if (whole && (request.passes.stop_after || request.passes.pass_limit))
    return tools::refuse(
        fmt::format("--{} is of the whole compilation: --stop-after and --pass-limit do not go with it",
                    request.explain ? "explain" : "emit=" + request.emit));
  if (request.emit == "ast" && request.passes != passes::RunOptions{})
    return tools::refuse("--emit=ast is what comes before all passes: options about passes do not go with it");
  if (request.emit == "ast" && app.count("--target") + app.count("--threads") > 0)
    return tools::refuse("--emit=ast is of no machine: --target and --threads do not go with it");
  const std::optional<frontend::Options> options = model_flags.options();
  if (!options) return tools::exit_usage;
  request.options = *options;
  return tools::within_limits([&] {
    const int threads = thread_flag.threads();
    const tools::Machine machine =
        target == "native" ? tools::Machine::native(threads) : tools::Machine::generic(threads);
    request.machine = &machine;
    request.passes.target = &machine.target();
    return run(request);
  });
}
