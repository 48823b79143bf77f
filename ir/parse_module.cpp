// The grammar of a module's text; line ends mean nothing, `//` starts a comment.
//
//   module    = "nnc" "module" integer { item }
//   item      = data | batch | epochs | steps | stop | metric | target | slot | update | graph | kernel | program
//   data      = [ "predict" ] "data" word ":" type [ ( "chars" | "tokens" ) "(" integer ")" ]
///        [ "below" integer ] [ "drawn" "below" integer ]
//   batch     = "batch" integer
//   epochs    = "epochs" integer
//   steps     = "steps" integer
//   stop      = "stop" "patience" integer "min_delta" number
//   metric    = "metric" word
//   slot      = "slot" kind path ":" type [ "frozen" ]
//   kind      = "parameter" | "statistic" | "optimizer" | "accumulator" | "counter" | "setting"
//   update    = "update" path "by" path [ "(" path { "," path } ")" ]
//   target    = "target" word
//   graph     = ( "graph" | "rule" ) path [ path ] params "{" { op } "return" results "}"
//   kernel    = "kernel" path "=" word attrs region
//   program   = see parse_program.h
//   params    = "(" [ value ":" type { "," value ":" type } ] ")"
//   results   = [ result { "," result } ]
//   result    = ( word | path | "grad" path ) "=" value
//   op        = value { "," value } "=" word [ arguments ] attrs { region } ":" types location role
//   arguments = argument { "," argument }
//   argument  = value | path | tensor
//   attrs     = [ "{" word "=" attr { "," word "=" attr } "}" ]
//   attr      = "true" | "false" | word | number | string | "[" [ integer { "," integer } ] "]"
//   region    = params "{" { op } "yield" [ value { "," value } ] "}"
//   types     = type { "," type }
//   type      = word "[" [ integer { "," integer } ] "]" [ "<" integer { "," integer } ">" ]
//   tensor    = element | list
//   list      = "[" [ item { "," item } ] "]"
//   item      = list | element
//   element   = number | "inf" | "nan" | "true" | "false"
//   location  = [ "loc" "(" chain { "," chain } ")" ]
//   chain     = point { ">" point }
//   point     = string ":" integer ":" integer
//   role      = [ ( "grad" | "clip" | "update" ) [ path ] ]
//
//   value     = "%" name
//   path      = "@" name
//   name      = ( letter | digit | "_" | "." ) { letter | digit | "_" | "." }
//   word      = a name that starts with a letter or "_"
//   number    = integer | a decimal fraction, with an exponent or without | "-inf" | "nan(0x" hex digits ")"
//   string    = '"' { character | '\"' | '\\' | '\n' | '\x' hex hex } '"'
#include "ir/parse_graph.h"
#include "ir/parse_program.h"
#include "ir/text.h"
#include "ir/value_names.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace nnc::ir {
namespace text {
namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view items =
    "'data', 'predict', 'batch', 'epochs', 'steps', 'stop', 'metric', 'target', 'slot', 'update', 'rule', 'graph', "
    "'kernel' or 'program'";

class ModuleParser {
 public:
  ModuleParser(std::string file, std::string_view source, Diagnostics& diagnostics)
      : cursor_(file, lex(file, source, diagnostics), diagnostics) {}

  std::optional<Module> parse();

 private:
  bool parse_header();
  bool parse_item();
  bool parse_data(std::vector<DataField>& fields, std::vector<Token>& places);
  bool parse_stop();
  bool parse_metric();
  bool parse_slot();
  bool parse_update();
  bool parse_graph(std::vector<Graph>& graphs, std::vector<GraphPlaces>& places);
  bool parse_target();
  bool parse_kernel();
  bool parse_program();
  bool parse_count(std::string_view what, std::optional<std::int64_t>& count);
  void check_slot_uses();
  Token place_of(const Subject& subject) const;

  Cursor cursor_;
  Module module_;
  std::optional<std::int64_t> batch_;
  std::vector<Token> data_, predict_data_, metrics_, slots_, updates_, slot_uses_;
  std::vector<GraphPlaces> rules_, graphs_, kernels_;
  std::vector<ProgramPlaces> programs_;
};

/// module = "nnc" "module" integer { item }
std::optional<Module> ModuleParser::parse() {
  if (!parse_header()) return std::nullopt;
  while (!cursor_.at(TokenKind::end)) {
    const std::size_t start = cursor_.position();
    if (!parse_item()) cursor_.recover(start);
  }
  module_.recipe.batch = batch_.value_or(0);
  check_slot_uses();
  if (cursor_.failed()) return std::nullopt;
  for (std::size_t i = 0; i < module_.kernels.size(); ++i) module_.kernels[i].name = fmt::format("k{}", i);
  for (Graph& rule : module_.rules) rule.param_names = param_names(module_, rule, true);
  for (Graph& graph : module_.graphs) graph.param_names = param_names(module_, graph, false);
  find_violations(module_, [&](const Subject& subject, std::string message) {
    cursor_.fail(place_of(subject), std::move(message));
  });
  if (cursor_.failed()) return std::nullopt;
  return std::move(module_);
}

bool ModuleParser::parse_header() {
  const std::string what = fmt::format("'nnc module {}', with which the text of a module begins", text_version);
  if (!cursor_.at_word("nnc") || cursor_.next().text != "module") return cursor_.fail_expected(what);
  cursor_.advance();
  cursor_.advance();
  const Token place = cursor_.token();
  std::int64_t version = 0;
  if (!cursor_.expect_integer("a version", 0, most, version)) return false;
  if (version == text_version) return true;
  return cursor_.fail(place,
                      fmt::format("this is version {} of the text; version {} can be read", version, text_version));
}

/// item = data | batch | epochs | steps | stop | metric | target | slot | update | graph | kernel | program
bool ModuleParser::parse_item() {
  if (cursor_.accept_word("data")) return parse_data(module_.recipe.data, data_);
  if (cursor_.accept_word("predict")) {
    return cursor_.expect_word("data") && parse_data(module_.recipe.predict_data, predict_data_);
  }
  if (cursor_.at_word("batch")) return parse_count("the batch size", batch_);
  if (cursor_.at_word("epochs")) return parse_count("the number of epochs", module_.recipe.epochs);
  if (cursor_.at_word("steps")) return parse_count("the number of steps", module_.recipe.steps);
  if (cursor_.at_word("stop")) return parse_stop();
  if (cursor_.accept_word("metric")) return parse_metric();
  if (cursor_.accept_word("slot")) return parse_slot();
  if (cursor_.accept_word("update")) return parse_update();
  if (cursor_.accept_word("rule")) return parse_graph(module_.rules, rules_);
  if (cursor_.accept_word("graph")) return parse_graph(module_.graphs, graphs_);
  if (cursor_.at_word("target")) return parse_target();
  if (cursor_.accept_word("kernel")) return parse_kernel();
  if (cursor_.accept_word("program")) return parse_program();
  return cursor_.fail_expected(items);
}

/// data = [ "predict" ] "data" word ":" type [ ( "chars" | "tokens" ) "(" integer ")" ]
///        [ "below" integer ] [ "drawn" "below" integer ]
bool ModuleParser::parse_data(std::vector<DataField>& fields, std::vector<Token>& places) {
  DataField field;
  const Token place = cursor_.token();
  std::string_view name;
  if (!cursor_.expect(TokenKind::word, "the field's name", name)) return false;
  if (!cursor_.expect(":") || !parse_type(cursor_, field.type)) return false;
  if (cursor_.at_word("chars") || cursor_.at_word("tokens")) {
    field.source = cursor_.at_word("chars") ? DataField::Source::chars : DataField::Source::tokens;
    cursor_.advance();
    if (!cursor_.expect("(")) return false;
    if (!cursor_.expect_integer("the size of the vocabulary", 1, most, field.vocabulary)) return false;
    if (!cursor_.expect(")")) return false;
  }
  if (cursor_.accept_word("below") && !cursor_.expect_integer("the end of the range", 1, most, field.range))
    return false;
  if (cursor_.accept_word("drawn") &&
      (!cursor_.expect_word("below") || !cursor_.expect_integer("the end of the range", 1, most, field.drawn)))
    return false;
  field.name = name;
  fields.push_back(std::move(field));
  places.push_back(place);
  return true;
}

/// batch = "batch" integer   epochs = "epochs" integer   steps = "steps" integer
bool ModuleParser::parse_count(std::string_view what, std::optional<std::int64_t>& count) {
  const Token keyword = cursor_.token();
  cursor_.advance();
  std::int64_t value = 0;
  if (!cursor_.expect_integer(what, 1, most, value)) return false;
  if (count) return cursor_.fail(keyword, fmt::format("'{}' is given twice", keyword.text));
  count = value;
  return true;
}

/// stop = "stop" "patience" integer "min_delta" number
bool ModuleParser::parse_stop() {
  const Token keyword = cursor_.token();
  cursor_.advance();
  Stop stop;
  if (!cursor_.expect_word("patience") || !cursor_.expect_integer("the patience", 1, most, stop.patience)) return false;
  if (!cursor_.expect_word("min_delta") || !parse_real(cursor_, "a number", stop.min_delta)) return false;
  if (module_.recipe.stop) return cursor_.fail(keyword, "'stop' is given twice");
  module_.recipe.stop = stop;
  return true;
}

/// metric = "metric" word
bool ModuleParser::parse_metric() {
  metrics_.push_back(cursor_.token());
  std::string_view name;
  if (!cursor_.expect(TokenKind::word, "the metric's name", name)) return false;
  module_.recipe.metrics.emplace_back(name);
  return true;
}

/// slot = "slot" kind path ":" type [ "frozen" ]
bool ModuleParser::parse_slot() {
  const Token kind = cursor_.token();
  const std::optional<SlotKind> known = slot_kind_named(kind.text);
  if (!known || kind.kind != TokenKind::word) {
    return cursor_.fail_expected("a kind of slot: parameter, statistic, optimizer, accumulator, counter or setting");
  }
  cursor_.advance();
  Slot slot;
  slot.kind = *known;
  const Token place = cursor_.token();
  std::string_view path;
  if (!cursor_.expect(TokenKind::path, "the slot's path, as in '@fc1.weight'", path)) return false;
  if (!cursor_.expect(":") || !parse_type(cursor_, slot.type)) return false;
  slot.path = path;
  slot.frozen = cursor_.accept_word("frozen");
  module_.slots.push_back(std::move(slot));
  slots_.push_back(place);
  return true;
}

/// update = "update" path "by" path [ "(" path { "," path } ")" ]
bool ModuleParser::parse_update() {
  Update update;
  const Token place = cursor_.token();
  std::string_view path;
  if (!cursor_.expect(TokenKind::path, "a parameter's path", path) || !cursor_.expect_word("by")) return false;
  update.parameter = path;
  slot_uses_.push_back(place);
  if (!cursor_.expect(TokenKind::path, "a rule, as in '@adam.0'", path)) return false;
  update.rule = path;
  if (cursor_.accept("(")) {
    do {
      slot_uses_.push_back(cursor_.token());
      if (!cursor_.expect(TokenKind::path, "the path of a state", path)) {
        slot_uses_.pop_back();
        return false;
      }
      update.states.emplace_back(path);
    } while (cursor_.accept(","));
    if (!cursor_.expect(")")) return false;
  }
  module_.updates.push_back(std::move(update));
  updates_.push_back(place);
  return true;
}

bool ModuleParser::parse_graph(std::vector<Graph>& graphs, std::vector<GraphPlaces>& places) {
  return GraphParser(cursor_, slot_uses_, places.emplace_back()).parse(graphs.emplace_back());
}

/// target = "target" word
bool ModuleParser::parse_target() {
  const Token keyword = cursor_.token();
  cursor_.advance();
  std::string_view name;
  if (!cursor_.expect(TokenKind::word, "the name of a target", name)) return false;
  if (!module_.target.empty()) return cursor_.fail(keyword, "'target' is given twice");
  module_.target = name;
  return true;
}

/// A kernel is known from here on, right or wrong, so that its uses are not errors as well.
bool ModuleParser::parse_kernel() {
  Kernel kernel;
  const Token name = cursor_.token();
  const bool right = GraphParser(cursor_, slot_uses_, kernels_.emplace_back()).parse_kernel(kernel);
  if (!right) kernel.op = {};
  if (std::ranges::find(module_.kernels, kernel.name, &Kernel::name) != module_.kernels.end())
    cursor_.fail(name, fmt::format("redefinition of '@{}'", kernel.name));
  module_.kernels.push_back(std::move(kernel));
  return right;
}

bool ModuleParser::parse_program() {
  return ProgramParser(cursor_, module_.kernels, slot_uses_, programs_.emplace_back())
      .parse(module_.programs.emplace_back());
}

/// Slots may be declared after their use, so this waits for the end.
void ModuleParser::check_slot_uses() {
  std::vector<std::string> paths;
  for (const Slot& slot : module_.slots) paths.push_back("@" + slot.path);
  const std::set<std::string_view> known(paths.begin(), paths.end());
  for (const Token& use : slot_uses_) {
    const std::string shown = fmt::format("@{}", use.text);
    if (known.contains(shown)) continue;
    cursor_.fail(use, fmt::format("unknown slot '{}'{}", shown, cursor_.suggestion(shown, paths)));
  }
}

Token ModuleParser::place_of(const Subject& subject) const {
  const auto at = [](const std::vector<Token>& places, std::size_t index) {
    return index < places.size() ? places[index] : Token{};
  };
  switch (subject.kind) {
    case Subject::Kind::module: break;
    case Subject::Kind::data: return at(data_, subject.index);
    case Subject::Kind::predict_data: return at(predict_data_, subject.index);
    case Subject::Kind::metric: return at(metrics_, subject.index);
    case Subject::Kind::slot: return at(slots_, subject.index);
    case Subject::Kind::update: return at(updates_, subject.index);
    case Subject::Kind::rule:
    case Subject::Kind::graph: {
      const GraphPlaces& graph = (subject.kind == Subject::Kind::rule ? rules_ : graphs_)[subject.index];
      if (subject.part == Subject::Part::param) return at(graph.params, subject.item);
      if (subject.part == Subject::Part::op) return at(graph.ops, subject.item);
      if (subject.part == Subject::Part::result) return at(graph.results, subject.item);
      return graph.header;
    }
    case Subject::Kind::kernel: {
      const GraphPlaces& kernel = kernels_[subject.index];
      return subject.part == Subject::Part::op ? at(kernel.ops, subject.item) : kernel.header;
    }
    case Subject::Kind::program: {
      const ProgramPlaces& program = programs_[subject.index];
      if (subject.part == Subject::Part::buffer) return at(program.buffers, subject.item);
      if (subject.part == Subject::Part::instruction) return at(program.instructions, subject.item);
      if (subject.part == Subject::Part::result) return at(program.results, subject.item);
      return program.header;
    }
  }
  return {};
}

}  // namespace
}  // namespace text

std::optional<Module> parse_module(std::string file, std::string_view text, Diagnostics& diagnostics) {
  diagnostics.add_source(file, std::string(text));
  return text::ModuleParser(std::move(file), text, diagnostics).parse();
}

}  // namespace nnc::ir
