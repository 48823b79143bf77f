// nnc: checks a `.nn` file and shows any stage of its compilation.
#include "frontend/print_ast.h"
#include "ir/text.h"
#include "tools/command_line.h"
#include "tools/describe_module.h"
#include "tools/dot.h"
#include "tools/driver.h"
#include "tools/exit_codes.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace nnc;

struct Request {
  std::string file;
  std::string emit;
  std::string out;
  frontend::Options options;
  passes::RunOptions passes;
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
    {"dot", passes::Stage::step, [](const ir::Module& module, const Request&) { return tools::dot(module); }},
    {"", passes::Stage::optimized, [](const ir::Module& module, const Request& request) {
       return request.file + '\n' + tools::describe_module(module);
     }}};

constexpr std::string_view unbuilt_forms[] = {"program", "llvm", "asm"};

int run(const Request& request) {
  ir::Diagnostics diagnostics;
  const std::optional<frontend::Model> model = tools::load_model(request.file, request.options, diagnostics);
  if (!model) return tools::fail(diagnostics);
  std::string text;
  if (request.emit == "ast") {
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
  for (const std::string_view unbuilt : unbuilt_forms) {
    if (unbuilt == name) return fmt::format("--emit={} is not built in this version", name);
  }
  return fmt::format("--emit={}: expected ast, graph, step, optimized or dot", name);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Check a .nn file and compile its training step; without --emit, say what it holds.", "nnc"};
  Request request;
  tools::ModelFlags model_flags;
  tools::ThreadFlag thread_flag;
  std::string target;
  app.add_option("FILE", request.file, "The .nn file; `-` is standard input")->required()->type_name("");
  const CLI::Option* emit =
      app.add_option("--emit", request.emit, "Print a stage: ast, graph, step, optimized or dot")->type_name("STAGE");
  app.add_option("-o", request.out, "Write there instead of to standard output")
      ->type_name("OUT")
      ->check(tools::not_empty());
  model_flags.declare(app);
  thread_flag.declare(app);
  const CLI::Option* target_flag = app.add_option("--target", target)->group("");
  tools::declare_pass_flags(app, request.passes);

  if (const std::optional<int> status = tools::parse_command_line(app, argc, argv)) return *status;
  if (!target_flag->empty()) return tools::refuse("--target is not built in this version");
  if (!emit->empty()) {
    if (const std::string problem = check_form(request.emit); !problem.empty()) return tools::refuse(problem);
  }
  if (const std::optional<int> status = thread_flag.check()) return *status;
  const std::optional<frontend::Options> options = model_flags.options();
  if (!options) return tools::exit_usage;
  request.options = *options;
  return tools::within_memory([&] { return run(request); });
}
