#include "ir/parse_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace nnc::ir::text {
namespace {

constexpr std::int64_t most_bytes = std::int64_t{1} << 50;
constexpr std::int64_t most_threads = 4096;
constexpr std::int64_t most_loops = 1 << 20;
constexpr std::int64_t most_steps = std::int64_t{1} << 31;
constexpr std::string_view statements[] = {"transient", "scratch", "buffer", "run", "loop", "return"};

}  // namespace

bool ProgramParser::parse(Program& program) {
  places_.header = cursor_.token();
  if (!parse_graph_name(cursor_, program.name, program.batch) || !parse_params(program) || !cursor_.expect("{"))
    return false;
  while (!cursor_.accept_word("return")) {
    if (!open_loops_.empty() && cursor_.accept("}")) {
      program.loops[open_loops_.back()].end = static_cast<int>(program.instructions.size());
      open_loops_.pop_back();
      continue;
    }
    if (cursor_.at("}") || cursor_.at(TokenKind::end)) {
      cursor_.fail_expected("'transient', 'scratch', 'buffer', 'run', 'loop' or 'return'");
      break;
    }
    if (parse_statement(program)) continue;
    cursor_.skip_to_line(statements);
    if (cursor_.at(TokenKind::word) && std::ranges::find(statements, cursor_.token().text) == std::end(statements))
      return false;  // the next header
  }
  if (!open_loops_.empty()) return cursor_.fail_expected("'}', which ends a loop");
  if (!cursor_.at("}") && !parse_results(program)) {
    cursor_.skip_to("}");
    if (!cursor_.at("}")) return false;
  }
  return cursor_.expect("}");
}

/// params = "(" [ value ":" type { "," value ":" type } ] ")"
bool ProgramParser::parse_params(Program& program) {
  if (!cursor_.expect("(")) return false;
  while (!cursor_.at(")")) {
    if (!program.buffers.empty() && !cursor_.expect(",")) return false;
    const Token place = cursor_.token();
    std::string_view name;
    Buffer buffer{.region = Region::param};
    if (!cursor_.expect(TokenKind::value, "a parameter, as in '%x: f32[2]'", name)) return false;
    if (!cursor_.expect(":") || !parse_type(cursor_, buffer.type)) return false;
    buffer.path = name;
    define(place, static_cast<int>(program.buffers.size()));
    program.buffers.push_back(std::move(buffer));
    places_.buffers.push_back(place);
  }
  return cursor_.expect(")");
}

bool ProgramParser::parse_statement(Program& program) {
  if (cursor_.at_word("transient")) return parse_bytes("transient", transient_given_, program.transient_bytes);
  if (cursor_.at_word("scratch")) return parse_bytes("scratch", scratch_given_, program.scratch_bytes);
  if (cursor_.accept_word("buffer")) return parse_buffer(program);
  if (cursor_.accept_word("run")) return parse_run(program);
  if (cursor_.accept_word("loop")) return parse_loop(program);
  return cursor_.fail_expected("'transient', 'scratch', 'buffer', 'run', 'loop' or 'return'");
}

bool ProgramParser::parse_bytes(std::string_view keyword, bool& given, std::int64_t& bytes) {
  const Token place = cursor_.token();
  cursor_.advance();
  if (given) return cursor_.fail(place, fmt::format("'{}' is given twice", keyword));
  given = true;
  return cursor_.expect_integer("a number of bytes", 0, most_bytes, bytes);
}

/// buffer = "buffer" value ":" type place
bool ProgramParser::parse_buffer(Program& program) {
  const Token place = cursor_.token();
  std::string_view name;
  if (!cursor_.expect(TokenKind::value, "a buffer, as in '%0: f32[2] transient 0'", name)) return false;
  Buffer buffer;
  const bool known = cursor_.expect(":") && parse_type(cursor_, buffer.type) && parse_place(program, buffer);
  define(place, known ? static_cast<int>(program.buffers.size()) : -1);
  if (!known) return false;
  program.buffers.push_back(std::move(buffer));
  places_.buffers.push_back(place);
  return true;
}

/// loop = "loop" integer "of" integer [ "reverse" ] "{" { run | loop } "}"
bool ProgramParser::parse_loop(Program& program) {
  const Token place = cursor_.token();
  std::int64_t number = 0;
  Loop loop{.first = static_cast<int>(program.instructions.size())};
  if (!cursor_.expect_integer("the number of the loop", 0, most_loops, number)) return false;
  if (number != std::ssize(program.loops))
    return cursor_.fail(place, fmt::format("loops are numbered in order: expected {}", program.loops.size()));
  if (!cursor_.expect_word("of") || !cursor_.expect_integer("a number of steps", 1, most_steps, loop.length))
    return false;
  loop.reverse = cursor_.accept_word("reverse");
  if (!cursor_.expect("{")) return false;
  open_loops_.push_back(program.loops.size());
  program.loops.push_back(loop);
  return true;
}

/// row = "row" integer "of" value | "row" [ "+" integer ] "of" value "in" "loop" integer
bool ProgramParser::parse_row(const Program& program, Buffer& buffer) {
  bool fixed = false;
  if (cursor_.accept("+")) {
    if (!cursor_.expect_integer("a number of rows", 0, max_elements, buffer.row)) return false;
  } else if (cursor_.at(TokenKind::number)) {
    fixed = true;
    if (!cursor_.expect_integer("a row", 0, max_elements, buffer.row)) return false;
  }
  if (!cursor_.expect_word("of")) return false;
  const Token place = cursor_.token();
  std::string_view name;
  if (!cursor_.expect(TokenKind::value, "a buffer", name)) return false;
  buffer.row_of = look_up(place);
  if (buffer.row_of < 0) return false;
  const Buffer& all = program.buffers[static_cast<std::size_t>(buffer.row_of)];
  buffer.region = all.region;
  buffer.path = all.path;
  if (fixed) return true;
  std::int64_t loop = 0;
  if (!cursor_.expect_word("in") || !cursor_.expect_word("loop") ||
      !cursor_.expect_integer("the number of a loop", 0, most_loops, loop))
    return false;
  buffer.loop = static_cast<int>(loop);
  return true;
}

/// place = "transient" integer | "slot" path | "constant" tensor | "is" value | row
bool ProgramParser::parse_place(const Program& program, Buffer& buffer) {
  if (cursor_.accept_word("transient")) return cursor_.expect_integer("an offset", 0, most_bytes, buffer.offset);
  if (cursor_.accept_word("slot")) {
    buffer.region = Region::slot;
    slot_uses_.push_back(cursor_.token());
    std::string_view path;
    if (!cursor_.expect(TokenKind::path, "the path of a slot", path)) {
      slot_uses_.pop_back();
      return false;
    }
    buffer.path = path;
    return true;
  }
  if (cursor_.accept_word("constant")) {
    buffer.region = Region::constant;
    TensorText text;
    if (!starts_tensor(cursor_)) return cursor_.fail_expected("the elements of a constant");
    if (!parse_tensor(cursor_, text)) return false;
    buffer.value = make_tensor(cursor_, text, buffer.type);
    return buffer.value.has_value();
  }
  if (cursor_.accept_word("row")) return parse_row(program, buffer);
  if (!cursor_.accept_word("is")) return cursor_.fail_expected("'transient', 'slot', 'constant', 'row' or 'is'");
  const Token place = cursor_.token();
  std::string_view name;
  if (!cursor_.expect(TokenKind::value, "a buffer", name)) return false;
  const int same = look_up(place);
  if (same < 0) return false;
  const Buffer& root = program.buffers[static_cast<std::size_t>(same)];
  if (root.value) return cursor_.fail(place, "a constant has one type");
  if (root.same_as >= 0) return cursor_.fail(place, fmt::format("'%{}' is another buffer itself", place.text));
  const Type type = buffer.type;
  buffer = root;
  buffer.type = type;
  buffer.same_as = same;
  return true;
}

/// run = "run" ( path | word attrs ) set { "," set } "threads" integer [ "scratch" integer ] location role
bool ProgramParser::parse_run(Program& program) {
  Instruction instruction;
  OpText text;
  const Token place = cursor_.token();
  if (cursor_.at(TokenKind::path)) {
    if (!parse_kernel_name(instruction)) return false;
  } else if (!parse_contraction(text, instruction)) {
    return false;
  }
  const Kernel* kernel = instruction.kernel >= 0 ? &kernels_[static_cast<std::size_t>(instruction.kernel)] : nullptr;
  do {
    ArgumentSet& set = instruction.sets.emplace_back();
    if (kernel != nullptr && kernel->op.def != nullptr) set.extent = outer_extent(kernel->op);
    if (!parse_set(set)) return false;
  } while (cursor_.accept(","));
  std::int64_t threads = 1;
  if (!cursor_.expect_word("threads") || !cursor_.expect_integer("a number of threads", 1, most_threads, threads))
    return false;
  instruction.threads = static_cast<int>(threads);
  if (cursor_.accept_word("scratch") &&
      !cursor_.expect_integer("a number of bytes", 1, most_bytes, instruction.scratch))
    return false;
  if (!parse_location(cursor_, instruction.location) || !parse_role(cursor_, instruction.role, slot_uses_))
    return false;
  const auto known = [](const ArgumentSet& set) {
    return std::ranges::count(set.reads, -1) + std::ranges::count(set.writes, -1) == 0;
  };
  if (!std::ranges::all_of(instruction.sets, known)) return true;  // reported
  if (instruction.def != nullptr) {
    std::vector<NamedAttr> attrs;
    if (!take_attrs(cursor_, *instruction.def, text, attrs)) return true;
    CompletedAttrs completed =
        complete_attrs(*instruction.def, std::move(attrs), types_of(program, instruction.sets[0].reads));
    if (!completed.error.empty()) {
      cursor_.fail(attr_place(text, completed.error), fmt::format("{}: {}", text.name.text, completed.error));
      return true;
    }
    instruction.attrs = std::move(completed.attrs);
  }
  program.instructions.push_back(std::move(instruction));
  places_.instructions.push_back(place);
  return true;
}

bool ProgramParser::parse_kernel_name(Instruction& instruction) {
  const Token name = cursor_.token();
  cursor_.advance();
  const auto found = std::ranges::find(kernels_, name.text, &Kernel::name);
  instruction.kernel = static_cast<int>(found - kernels_.begin());
  if (found != kernels_.end()) return true;
  std::vector<std::string> names;
  for (const Kernel& kernel : kernels_) names.push_back("@" + kernel.name);
  const std::string shown = fmt::format("@{}", name.text);
  return cursor_.fail(name, fmt::format("unknown kernel '{}'{}", shown, cursor_.suggestion(shown, names)));
}

bool ProgramParser::parse_contraction(OpText& text, Instruction& instruction) {
  text.name = cursor_.token();
  std::string_view name;
  if (!cursor_.expect(TokenKind::word, "a kernel, as in '@k0', or the name of an op", name)) return false;
  instruction.def = find_op(name);
  if (instruction.def == nullptr || !instruction.def->is_instruction()) {
    std::vector<std::string> names;
    for (const OpDef* def : all_ops())
      if (def->is_instruction()) names.emplace_back(*def->name);
    return cursor_.fail(text.name, fmt::format("'{}' is no instruction{}", name, cursor_.suggestion(name, names)));
  }
  return parse_attrs(cursor_, text.attrs);
}

/// set = "(" [ values ] ")" "->" "(" [ values ] ")" [ "extent" integer ]
bool ProgramParser::parse_set(ArgumentSet& set) {
  if (!parse_values(set.reads) || !cursor_.expect("->") || !parse_values(set.writes)) return false;
  return !cursor_.accept_word("extent") || cursor_.expect_integer("an extent", 1, max_elements, set.extent);
}

bool ProgramParser::parse_values(std::vector<int>& buffers) {
  if (!cursor_.expect("(")) return false;
  while (!cursor_.at(")")) {
    if (!buffers.empty() && !cursor_.expect(",")) return false;
    const Token place = cursor_.token();
    std::string_view name;
    if (!cursor_.expect(TokenKind::value, "a buffer", name)) return false;
    buffers.push_back(look_up(place));
  }
  return cursor_.expect(")");
}

bool ProgramParser::parse_results(Program& program) {
  do {
    const Token place = cursor_.token();
    std::string_view name, value;
    if (!cursor_.expect(TokenKind::word, "a result, as in 'loss = %1'", name) || !cursor_.expect("=")) return false;
    const Token buffer = cursor_.token();
    if (!cursor_.expect(TokenKind::value, "a buffer", value)) return false;
    program.results.emplace_back(name, look_up(buffer));
    places_.results.push_back(place);
  } while (cursor_.accept(","));
  return cursor_.at("}") || cursor_.fail_expected("',' or '}'");
}

void ProgramParser::define(const Token& name, int buffer) {
  const auto [entry, inserted] = buffers_.try_emplace(name.text, buffer, name);
  if (inserted) return;
  cursor_.fail(name, fmt::format("redefinition of '%{}'", name.text), entry->second.second, "it is defined here");
}

int ProgramParser::look_up(const Token& name) {
  const auto known = buffers_.find(name.text);
  if (known != buffers_.end()) return known->second.first;
  std::vector<std::string> names;
  for (const auto& [buffer, definition] : buffers_) names.push_back(fmt::format("%{}", buffer));
  std::ranges::sort(names);
  const std::string shown = fmt::format("%{}", name.text);
  cursor_.fail(name, fmt::format("undefined buffer '{}'{}", shown, cursor_.suggestion(shown, names)));
  return -1;
}

}  // namespace nnc::ir::text
