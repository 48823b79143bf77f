#include "tools/command_line.h"

#include "tools/exit_codes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <new>

namespace nnc::tools {
namespace {

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  return names;
}

int refuse_unknown(const CLI::App& app, const std::string& argument) {
  if (argument.size() < 2 || argument[0] != '-') return refuse(fmt::format("unexpected argument `{}`", argument));
  const std::string name = argument.substr(0, argument.find('='));
  const std::string near = ir::nearest_name(name.substr(name.starts_with("--") ? 2 : 1), option_names(app));
  if (near.empty()) {
    const bool sets_hypers = app.get_option_no_throw("--set") != nullptr && name.starts_with("--");
    return refuse(fmt::format("unknown option {} (`{} --help` lists them{})", name, app.get_name(),
                              sets_hypers ? "; --set NAME=VALUE sets a hyper of the file" : ""));
  }
  return refuse(fmt::format("unknown option {}; did you mean --{}?", name, near));
}

/// In our words where CLI11 counts an option's values: `--batch` without one, `--batch 3 --batch 4`.
std::string message_of(const CLI::App& app, const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::string name = text.substr(0, text.find(':'));
  const CLI::Option* const option = app.get_option_no_throw(name);
  if (error.get_name() != "ArgumentMismatch" || option == nullptr) return text;
  if (option->results().size() > 1)
    return fmt::format("{}: given {} times, expected once", name, option->results().size());
  return fmt::format("{}: expected {} after it", name, option->get_type_name());
}

/// The processors that this process may use.
int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

}  // namespace

std::optional<int> parse_command_line(CLI::App& app, int argc, const char* const* argv) {
  app.allow_extras();  // so that unknown options can be answered with the near name
  app.set_version_flag("--version", app.get_name() + " " NNC_VERSION, "Print the version and exit");
  app.get_formatter()->column_width(34);
  app.get_formatter()->label("REQUIRED", "");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    app.exit(request);
    return exit_done;
  } catch (const CLI::ParseError& error) {
    for (const std::string& argument : app.remaining()) {
      if (argument.size() > 1 && argument[0] == '-') return refuse_unknown(app, argument);
    }
    return refuse(message_of(app, error));
  }
  if (!app.remaining().empty()) return refuse_unknown(app, app.remaining().front());
  return std::nullopt;
}

CLI::Validator whole_number(std::uint64_t lowest, std::uint64_t highest) {
  const auto check = [lowest, highest](std::string& text) -> std::string {
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = problem != std::errc::invalid_argument && end == text.data() + text.size();
    const bool too_large = whole && (problem == std::errc::result_out_of_range || value > highest);
    if (too_large) return fmt::format("expected a whole number of at most {}, found `{}`", highest, text);
    if (!whole || value < lowest) {
      return fmt::format("expected a whole number of at least {}, found `{}`", lowest, text);
    }
    text = fmt::format("{}", value);  // the parser would take a leading zero for octal
    return "";
  };
  return CLI::Validator(check, "");
}

CLI::Validator not_empty() {
  const auto check = [](const std::string& text) -> std::string {
    return text.empty() ? "expected a path, found an empty text" : "";
  };
  return CLI::Validator(check, "");
}

CLI::Validator proper_fraction() {
  const auto check = [](const std::string& text) -> std::string {
    double value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool number = problem == std::errc{} && end == text.data() + text.size();
    return number && value > 0 && value < 1 ? "" : fmt::format("expected a number between 0 and 1, found `{}`", text);
  };
  return CLI::Validator(check, "");
}

CLI::Validator one_of(std::vector<std::string> names) {
  const auto check = [names](const std::string& text) -> std::string {
    if (std::find(names.begin(), names.end(), text) != names.end()) return "";
    return fmt::format("expected {}, found `{}`", fmt::join(names, ", "), text);
  };
  return CLI::Validator(check, "");
}

int within_limits(const std::function<int()>& tool) {
  std::signal(SIGXFSZ, SIG_IGN);  // writing fails then
  try {
    return tool();
  } catch (const std::bad_alloc&) {
    std::cerr << "error: out of memory: the program or its data need more than there is\n";
    return exit_user_error;
  }
}

int refuse(const std::string& message) {
  std::cerr << "error: " << message << '\n';
  return exit_usage;
}

bool colour_on_stderr() {
  const char* no_colour = std::getenv("NO_COLOR");
  return isatty(STDERR_FILENO) != 0 && (no_colour == nullptr || *no_colour == '\0');
}

int fail(const ir::Diagnostics& diagnostics) {
  std::cerr << diagnostics.render(colour_on_stderr());
  return exit_user_error;
}

void ModelFlags::declare(CLI::App& app) {
  app.add_option("--set", set_, "Give a hyper of the file another value; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  app.add_option("--batch", batch_, "Examples in a step, over the file's `batch`")
      ->type_name("N")
      ->transform(whole_number(1));
}

std::optional<frontend::Options> ModelFlags::options() const {
  frontend::Options options;
  options.batch = batch_;
  for (const std::string& setting : set_) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      refuse(fmt::format("--set {}: expected NAME=VALUE", setting));
      return std::nullopt;
    }
    options.set.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return options;
}

void ThreadFlag::declare(CLI::App& app) {
  constexpr int most_threads = 256;
  threads_ = available_processors();
  app.add_option("--threads", threads_, "Threads to compute with; as many as there are processors if not given")
      ->type_name("N")
      ->transform(whole_number(1, most_threads));
}

void declare_pass_flags(CLI::App& app, passes::RunOptions& options) {
  const std::string group = "Passes";
  app.add_option("--print-after", options.print_after, "Print the module after this pass, or after `all`, on stderr")
      ->type_name("PASS")
      ->allow_extra_args(false)
      ->group(group);
  app.add_flag("--print-changed", options.print_changed, "Print the module after each pass that changed it")
      ->group(group);
  app.add_flag("--time-passes", options.time_passes, "Print the time of each pass and the rewrites it made")
      ->group(group);
  app.add_option("--stop-after", options.stop_after, "Run no pass after this one")->type_name("PASS")->group(group);
  app.add_option("--pass-limit", options.pass_limit, "Run only the first N passes")
      ->type_name("N")
      ->transform(whole_number(0))
      ->group(group);
  app.add_option("--disable-pass", options.disabled, "Leave out an optimization; may be repeated")
      ->type_name("PASS")
      ->allow_extra_args(false)
      ->group(group);
  app.add_flag("--verify-roundtrip", options.verify_roundtrip,
               "Print and reparse the module after each pass and compare")
      ->group(group);
  app.add_flag("--elide-constants", options.elide_constants, "Print large constants as `...`")->group(group);
}

}  // namespace nnc::tools
