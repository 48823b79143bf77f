// The command line, the same way in every tool: what is misspelt, missing or not built ends with exit_usage and a word
// of what was meant.
#pragma once

#include "frontend/frontend.h"
#include "ir/diagnostics.h"
#include "passes/pass.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace nnc::tools {

/// Parses; a status means that the tool ends with it (after --help, --version or a complaint on stderr).
std::optional<int> parse_command_line(CLI::App& app, int argc, const char* const* argv);

/// For values of options: a whole decimal number (to be used with `transform`, which takes its plain spelling) in [lowest, highest], a number between 0 and 1, one of these
/// names, any text but the empty one.
CLI::Validator whole_number(std::uint64_t lowest, std::uint64_t highest = std::numeric_limits<std::int64_t>::max());
CLI::Validator proper_fraction();
CLI::Validator one_of(std::vector<std::string> names);
CLI::Validator not_empty();

/// The status of `tool`, or exit_user_error after a word on stderr if memory does not suffice. A file beyond the limit of
/// sizes fails to be written.
int within_limits(const std::function<int()>& tool);
/// `error: MESSAGE` on stderr; gives exit_usage.
int refuse(const std::string& message);
/// The errors on stderr, in colour on a terminal; gives exit_user_error.
int fail(const ir::Diagnostics& diagnostics);
/// Whether stderr is a terminal that wants colours.
bool colour_on_stderr();

/// --set and --batch, which nnc and nnc-train share.
class ModelFlags {
 public:
  void declare(CLI::App& app);
  /// What they say; a malformed --set is reported on stderr and gives nothing.
  std::optional<frontend::Options> options() const;

 private:
  std::vector<std::string> set_;
  std::optional<std::int64_t> batch_;
};

/// --threads: the processors that this process may use, if it is not given.
class ThreadFlag {
 public:
  void declare(CLI::App& app);
  int threads() const { return threads_; }

 private:
  int threads_ = 0;
};

/// --print-after and its like, which nnc and nnc-opt share.
void declare_pass_flags(CLI::App& app, passes::RunOptions& options);

}  // namespace nnc::tools
