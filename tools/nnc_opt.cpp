// nnc-opt: reads a printed module, runs passes, prints the module.
#include "frontend/token_stream.h"
#include "ir/op.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tools/command_line.h"
#include "tools/exit_codes.h"
#include "tools/text_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace {

using namespace nnc;

struct Request {
  std::string file;
  std::string out;
  std::vector<std::string> passes;
  passes::RunOptions options;
};

std::string pass_list() {
  std::string text;
  for (const passes::Pass& pass : passes::all_passes()) text += fmt::format("{:<16} {}\n", pass.name, pass.doc);
  return text;
}

struct FamilyName {
  std::string_view operator()(const ir::Elementwise&) const { return "elementwise"; }
  std::string_view operator()(const ir::Reduction&) const { return "reduction"; }
  std::string_view operator()(const ir::Movement&) const { return "movement"; }
  std::string_view operator()(const ir::Contraction&) const { return "contraction"; }
  std::string_view operator()(const ir::Routine&) const { return "routine"; }
  std::string_view operator()(const ir::Whole&) const { return "whole"; }
  std::string_view operator()(const ir::SlotRead&) const { return "slot read"; }
};

std::string op_list() {
  std::string text;
  for (const ir::OpDef* def : ir::all_ops()) {
    text += fmt::format("{:<16} {}\n", *def->name, std::visit(FamilyName{}, *def->kernel));
  }
  return text;
}

/// The passes named, in that order.
std::optional<std::vector<const passes::Pass*>> find_passes(const std::vector<std::string>& names,
                                                            ir::Diagnostics& diagnostics) {
  std::vector<const passes::Pass*> found;
  for (const std::string& name : names) {
    if (const passes::Pass* pass = passes::find_pass("--passes", name, diagnostics)) found.push_back(pass);
  }
  if (found.size() < names.size()) return std::nullopt;
  return found;
}

/// Whether the text starts with a declaration.
bool is_source(std::string_view text) {
  const std::string_view words = tools::first_words(text);
  const std::string_view word = words.substr(0, words.find_first_of(" \t\r\n"));
  return std::ranges::count(frontend::declaration_words, word) > 0;
}

int run(const Request& request) {
  ir::Diagnostics diagnostics;
  const auto pipeline = find_passes(request.passes, diagnostics);
  if (!pipeline) return tools::fail(diagnostics);
  const std::optional<tools::TextFile> file = tools::read_text(request.file, diagnostics);
  if (!file) return tools::fail(diagnostics);
  if (is_source(file->text)) {
    diagnostics.error(
        {file->name, 1, 1},
        "this is .nn source, expected a printed module (nnc takes .nn files, and prints one with --emit)");
    return tools::fail(diagnostics);
  }
  std::optional<ir::Module> module = ir::parse_module(file->name, file->text, diagnostics);
  if (!module) return tools::fail(diagnostics);
  if (passes::run_passes(*module, *pipeline, request.options, diagnostics) == ir::Status::failed) {
    return tools::fail(diagnostics);
  }
  const std::string text = ir::print(*module, {.elide_constants = request.options.elide_constants});
  if (tools::write_text(request.out, text, diagnostics) == ir::Status::failed) return tools::fail(diagnostics);
  return tools::exit_done;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Run passes over a printed module; without passes, print it in canonical form.", "nnc-opt"};
  Request request;
  bool list_passes = false;
  bool list_ops = false;
  const CLI::Option* file =
      app.add_option("FILE", request.file, "The module, as nnc --emit prints it; `-` is standard input")->type_name("");
  app.add_option("--passes", request.passes, "Passes to run, in this order")
      ->type_name("a,b,c")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("-o", request.out, "Write there instead of to standard output")
      ->type_name("OUT")
      ->check(tools::not_empty());
  app.add_flag("--list-passes", list_passes, "List all passes, in the order of the pipeline, and exit");
  app.add_flag("--list-ops", list_ops, "List all ops with their kernel families and exit");
  tools::declare_pass_flags(app, request.options);

  if (const std::optional<int> status = tools::parse_command_line(app, argc, argv)) return *status;
  if (list_passes || list_ops) {
    ir::Diagnostics diagnostics;
    const std::string text = (list_passes ? pass_list() : "") + (list_ops ? op_list() : "");
    return tools::write_text(request.out, text, diagnostics) == ir::Status::ok ? tools::exit_done
                                                                               : tools::fail(diagnostics);
  }
  if (file->empty()) return tools::refuse("FILE is required");
  return tools::within_limits([&] { return run(request); });
}
