// What elaboration knows while it runs: the declarations, the graph under construction, the body being inlined, the
// slots made so far, and how much of the budgets is left.
#pragma once

#include "frontend/declarations.h"
#include "frontend/values.h"
#include "frontend/walk.h"
#include "ir/builder.h"
#include "ir/diagnostics.h"
#include "ir/module.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace nnc::frontend {

// Budgets: a program that exceeds one gets an error instead of running for hours.
inline constexpr std::int64_t max_ops = 200'000;                     // of one graph
inline constexpr std::int64_t max_iterations = 200'000;              // of all unrolled loops together
inline constexpr std::int64_t max_evaluations = 1'000'000;           // of expressions, through all inlined calls
inline constexpr int max_depth = 60;                                 // of inlined calls
inline constexpr int max_nesting = 500;                              // of expressions, through inlined calls
inline constexpr std::size_t max_scans = 8;                          // one in another, through inlined calls
inline constexpr std::int64_t max_elements = std::int64_t{1} << 34;  // of one tensor

struct ScanScope;  // scan.h

struct Variable {
  Value value;
  std::string fixed = {};  // "a dimension", "the variable of a loop": what it is where it cannot be assigned
  std::string from = {};   // "`x`": what bound a dimension
};

/// A layer call of the body being inlined, by its name there.
struct Instance {
  const ast::Definition* layer = nullptr;
  std::string path;
  ast::Span at;
  bool shared = false;
  int uses = 1;
};

/// A `state` of an optimizer, in the order of the text.
struct OptimizerState {
  std::string name;
  ir::Type type;
  std::shared_ptr<const Initializer> initializer;
  ast::Span at;
};

/// The losses and metrics that a `train` body has stated so far.
struct Objective {
  std::vector<Value> losses;
  std::vector<std::pair<const ast::Metric*, Value>> metrics;
};

/// One body while it is inlined: its names, and how we came here.
struct Frame {
  enum class Kind { file, train, predict, layer, fn, optimizer, schedule, init };
  Kind kind = Kind::file;
  const ast::Definition* definition = nullptr;
  const ast::Block* block = nullptr;
  bool in_std = false;
  std::vector<ast::Span> calls;              // the calls that led here, the user's first
  std::vector<const ast::Definition*> open;  // the declarations being inlined, outermost first
  std::string path;                          // of the instance; empty at the top
  std::string site;                          // ordinals of the calls that led here, for random streams
  std::vector<std::int64_t> unroll;          // values of the enclosing loop variables
  std::map<std::string, Variable> variables;
  std::map<std::string, ast::Span> arguments;     // where parameters were given; those still unchanged
  std::optional<ir::Shape> ellipsis;              // what `...` stands for
  std::string ellipsis_from;                      // "`x` is f32[8,1]": what bound it
  ast::Span ellipsis_at;                          // where that was made
  std::map<std::string, ast::Span> not_taken;     // names assigned only in a branch not taken, with its `if`
  std::map<std::string, ast::Span> ended;         // loop variables that have ended
  std::map<std::string, ast::Span> scan_names;    // names of scans that have ended, with their scan
  const ScanScope* scan = nullptr;                // the innermost one that is open in this body
  std::map<std::string, Instance> instances;      // by name with indices: `fc1`, `h.0`
  std::map<std::string, ast::Span> params;        // parameters and states of a layer, declared here
  std::map<std::string, std::string> kept;        // paths of a layer's states by name: assigning them updates them
  bool schedules = false;                         // schedules are callable: arguments of `optimizer` and `group`
  std::vector<OptimizerState>* states = nullptr;  // of an optimizer
  Objective* objective = nullptr;                 // of `train`
  std::vector<std::pair<std::string, Value>>* outputs = nullptr;  // of `predict`
  std::optional<Value> result;                                    // once `return` was met
  ast::Span result_at;
};

/// A graph under construction.
struct Target {
  enum class Kind { model, initial, rule };
  Target(Kind kind, std::string name, std::int64_t batch = 0);
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  Kind kind;
  ir::Graph graph;
  ir::Builder builder;
  bool training = false;
  bool predicts = false;                  // uses what `train` declared, declares nothing
  std::map<std::string, ir::Expr> reads;  // by slot
  std::map<std::string, ir::Expr> kept;   // the newest values of layers' states that were assigned, by slot
  std::string stream;                     // what random streams of an initializer start with: the slot's path
};

struct SlotInfo {
  ir::Slot slot;
  ast::Span at;
  std::vector<ast::Span> calls;  // that led to the declaration, the user's first
};

struct Context {
  Context(const Declarations& declarations, const ir::Recipe& recipe, const std::map<std::string, Value>& hypers,
          ir::Diagnostics& diagnostics);

  const Declarations& declarations;
  const ir::Recipe& recipe;
  const std::map<std::string, Value>& hypers;
  ir::Diagnostics* diagnostics;

  Frame* frame = nullptr;
  Target* target = nullptr;       // null: everything has to be known at compile time
  Target* initial = nullptr;      // the `init` graph
  std::vector<ScanScope*> scans;  // the open ones, outermost first, through all calls

  std::set<const ast::Definition*> inlined;  // at least once

  std::vector<SlotInfo> slots;
  std::map<std::string, std::size_t> slot_index;
  std::map<std::string, const ast::Definition*> instances;  // of `train`, by path
  std::vector<std::pair<ast::Span, std::int64_t>> loops;    // iterations of each loop, in order

  std::vector<std::pair<ast::Span, ir::Shape>> summed;  // what metrics of `train` sum up, in order
  /// The shapes of all values in each part of these metrics that no data reaches, in order.
  std::vector<std::pair<ast::Span, std::vector<ir::Shape>>> data_free;

  std::int64_t ops = 0, iterations = 0, evaluations = 0;
  int nesting = 0;
  bool exhausted = false;  // a budget: nothing more is elaborated

  const CallNumbers& numbers(const Frame& of);
  const SlotInfo* find_slot(const std::string& path) const;

 private:
  std::map<const ast::Block*, CallNumbers> numbers_;
};

/// Reports an error at the innermost place of the user's file, with notes that lead to `at`.
ir::Diagnostic& report(Context& context, const ast::Span& at, std::string message);
/// Reports at `argument`, of the call that led to the body in which `at` stands.
ir::Diagnostic& report_argument(Context& context, const ast::Span& argument, const ast::Span& at, std::string message);
/// The value of what an error has been reported for; without one it is our own bug.
Value poison(const Context& context);
/// Reports, for use as a value.
Value fail(Context& context, const ast::Span& at, std::string message);
/// Adds a note where `value` was made, unless that is `at` itself.
void note_origin(ir::Diagnostic& diagnostic, const Value& value, const ast::Span& at);
/// Reports once that a budget is spent.
Value exhaust(Context& context, const ast::Span& at, std::string message);

/// The calls that led to the frame, then `at`.
ir::Location location(const Context& context, const ast::Span& at);

/// Makes a slot, or checks that it is the one made before.
bool add_slot(Context& context, ir::Slot slot, const ast::Span& at);
/// The old value of a slot, read once a graph.
ir::Expr read_slot(Context& context, const ir::Slot& slot, const ast::Span& at);
/// What the slot is worth at this place of the text: the value assigned last, or else the old one.
ir::Expr newest(Context& context, const ir::Slot& slot, const ast::Span& at);
/// The old value of a slot that the runtime knows (`step`, `total_steps`, `key`): i64[].
ir::Expr read_scalar_slot(Context& context, std::string_view path, ir::SlotKind kind, const ast::Span& at);

/// Elements of a shape; empty if there are too many or a dimension is below 1.
std::optional<std::int64_t> checked_elements(const ir::Shape& shape);

/// Sets a field for a scope.
template <class T>
class Scoped {
 public:
  Scoped(T& field, T value) : field_(field), old_(std::move(field)) { field_ = std::move(value); }
  ~Scoped() { field_ = std::move(old_); }
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;

 private:
  T& field_;
  T old_;
};

}  // namespace nnc::frontend
