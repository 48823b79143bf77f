#include "ir/check.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>

namespace nnc::passes {

using ir::Diagnostics;
using ir::Module;
using ir::Status;

namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Reports a pass that is unknown, or not among those to run: the option would say nothing.
void check_running(const std::vector<const Pass*>& passes, std::string_view option, const std::string& name,
                   Diagnostics& diagnostics) {
  const Pass* pass = find_pass(option, name, diagnostics);
  if (pass == nullptr || std::find(passes.begin(), passes.end(), pass) != passes.end()) return;
  std::vector<std::string_view> names;
  for (const Pass* candidate : passes) names.push_back(candidate->name);
  diagnostics.error(fmt::format("{}: pass `{}` is not among those to run: {}", option, name,
                                names.empty() ? "there are none" : fmt::format("{}", fmt::join(names, ", "))));
}

/// The passes that the options leave.
std::vector<const Pass*> selected(const std::vector<const Pass*>& passes, const RunOptions& options) {
  std::vector<const Pass*> chosen;
  for (const Pass* pass : passes) {
    if (options.pass_limit && static_cast<int>(chosen.size()) == *options.pass_limit) break;
    if (!contains(options.disabled, pass->name)) chosen.push_back(pass);
    if (options.stop_after && pass->name == *options.stop_after) break;
  }
  return chosen;
}

Status check_options(const std::vector<const Pass*>& passes, const RunOptions& options, Diagnostics& diagnostics) {
  const int errors = diagnostics.count();
  for (const std::string& name : options.disabled) {
    const Pass* pass = find_pass(name);
    if (pass != nullptr && !pass->optional) {
      diagnostics.error(fmt::format("--disable-pass: pass `{}` is no optimization and cannot be left out", name));
    } else {
      check_running(passes, "--disable-pass", name, diagnostics);
    }
  }
  for (const std::string& name : options.print_after) {
    if (name != "all") check_running(selected(passes, options), "--print-after", name, diagnostics);
  }
  if (options.stop_after) check_running(passes, "--stop-after", *options.stop_after, diagnostics);
  if (options.pass_limit && *options.pass_limit < 0) {
    diagnostics.error(fmt::format("--pass-limit: {} is negative", *options.pass_limit));
  }
  return diagnostics.count() > errors ? Status::failed : Status::ok;
}

/// What is wrong with the module as our own work, as text; empty if nothing is.
std::string defect(const Module& module, bool roundtrip) {
  Diagnostics found;
  if (ir::verify(module, found) == Status::failed) {
    return "the module is not well formed:\n" + found.render();
  }
  if (!roundtrip) return "";
  const std::string text = ir::print(module);
  const std::optional<Module> parsed = ir::parse_module("round trip", text, found);
  if (!parsed) return "the module's text does not parse:\n" + found.render();
  if (ir::print(*parsed) != text) return "the module's text prints differently after parsing";
  return "";
}

struct Timing {
  std::string_view pass;
  double milliseconds;
  std::vector<std::pair<std::string, int>> rules;
};

void print_times(std::ostream& log, const std::vector<Timing>& timings) {
  double total = 0;
  log << "// pass times\n";
  for (const Timing& timing : timings) {
    total += timing.milliseconds;
    log << fmt::format("// {:10.3f} ms  {}\n", timing.milliseconds, timing.pass);
    for (const auto& [rule, count] : timing.rules) log << fmt::format("// {:10} x     {}\n", count, rule);
  }
  log << fmt::format("// {:10.3f} ms  total\n", total);
}

/// Writes the input of a failing pass where the user can run it again; says so, or that it failed.
std::string write_reproducer(const Module& input, std::span<const Pass* const> rest, const std::string& path) {
  std::vector<std::string_view> names;
  for (const Pass* pass : rest) names.push_back(pass->name);
  const std::string command = fmt::format("nnc-opt {} --passes={}", path, fmt::join(names, ","));
  std::ofstream file(path);
  file << "// " << command << '\n' << ir::print(input);
  file.close();
  return file ? fmt::format("to run it again: {}", command) : fmt::format("its input could not be written to {}", path);
}

}  // namespace

const Pass* find_pass(std::string_view option, const std::string& name, Diagnostics& diagnostics) {
  const Pass* pass = find_pass(name);
  if (pass != nullptr) return pass;
  std::vector<std::string> names;
  for (const Pass& candidate : all_passes()) names.emplace_back(candidate.name);
  const std::string near = ir::nearest_name(name, names);
  diagnostics.error(fmt::format("{}: there is no pass `{}`{}", option, name,
                                near.empty() ? fmt::format("; the passes are {}", fmt::join(names, ", "))
                                             : fmt::format("; did you mean `{}`?", near)));
  return nullptr;
}

// 1. Check the names in the options, and the module given.
// 2. Run each pass, keeping a copy of its input. A pass that fails with errors reported found a mistake of the user;
//    one that fails in any other way, or whose result the verifier rejects, is at fault itself, and its input is
//    written out.
// 3. Print what was asked for.
Status run_passes(Module& module, const std::vector<const Pass*>& passes, const RunOptions& options,
                  Diagnostics& diagnostics) {
  if (check_options(passes, options, diagnostics) == Status::failed) return Status::failed;
  if (const std::string what = defect(module, options.verify_roundtrip); !what.empty()) {
    diagnostics.error(fmt::format("internal error before the first pass: {}", what));
    return Status::failed;
  }
  std::ostream& log = options.log != nullptr ? *options.log : std::cerr;
  const std::vector<const Pass*> chosen = selected(passes, options);
  const std::unique_ptr<ir::Target> generic = ir::generic_target(1);
  const ir::Target* const target = options.target != nullptr ? options.target : generic.get();
  const ir::PrintOptions print_options{.elide_constants = options.elide_constants};
  std::vector<Timing> timings;
  for (auto pass = chosen.begin(); pass != chosen.end(); ++pass) {
    const Module input = module;
    const int errors = diagnostics.count();
    const auto reproduce = [&] { return write_reproducer(input, {pass, chosen.end()}, options.reproducer); };
    const ir::OnInternalError last_words([&] { fmt::print(stderr, "in pass `{}`; {}\n", (*pass)->name, reproduce()); });
    PassContext context{.diagnostics = diagnostics, .target = target, .remarks = options.remarks};
    const auto start = std::chrono::steady_clock::now();
    const Status status = (*pass)->run(module, context);
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    timings.push_back({(*pass)->name, time.count(), std::move(context.rule_counts)});

    std::string what = std::move(context.internal_error);
    if (status == Status::failed && what.empty()) {
      if (diagnostics.count() > errors) return Status::failed;
      what = "it failed without saying why";
    }
    if (what.empty()) what = defect(module, options.verify_roundtrip);
    if (!what.empty()) {
      diagnostics.error(fmt::format("internal error in pass `{}`: {}", (*pass)->name, what)).note({}, reproduce());
      return Status::failed;
    }

    const bool print_it = contains(options.print_after, "all") || contains(options.print_after, (*pass)->name);
    if (!print_it && !options.print_changed) continue;
    const std::string text = ir::print(module, print_options);
    if (print_it || text != ir::print(input, print_options)) log << fmt::format("// after {}\n{}", (*pass)->name, text);
  }
  if (options.time_passes) print_times(log, timings);
  return Status::ok;
}

}  // namespace nnc::passes
