// What is wrong in what the user gave, and how it is shown.
//
//   mlp.nn:7:25: error: matmul: the inner dimensions differ: f32[128,784] @ f32[512,512]
//       7 |   x = relu(linear(x, width) as fc1)
//         |            ^~~~~~
//   mlp.nn:6:7: note: f32[128,784] comes from here
//
// Users' mistakes are values: a function that meets one reports it to `Diagnostics` and returns `Status::failed` (or an
// empty optional), so that one run can report many. Our own mistakes go through `check.h` and stop the program.
#pragma once

#include "ir/location.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::ir {

enum class [[nodiscard]] Status{ok, failed};

struct Note {
  SourcePoint at;
  std::string text;
};

struct Diagnostic {
  SourcePoint at;       // unknown: printed as `error: ...` alone
  int width = 1;        // characters to underline, from `at`
  std::string message;  // what was expected, what was found
  std::vector<Note> notes;

  /// Adds a note and returns the diagnostic, so that notes can be chained.
  Diagnostic& note(SourcePoint where, std::string text);
  /// For an error within calls, which is shown at one point of their chain: where it is met, if that is another, and the
  /// innermost calls that lead to the one shown. Unknown points are left out.
  void note_calls(const CallChain& chain, std::size_t shown);
};

/// Collects errors in the order found. At most `max_errors` are kept; the rest are counted.
class Diagnostics {
 public:
  static constexpr int max_errors = 20;

  /// Registers a text, so that errors can show its lines. `file` is the name that points use.
  void add_source(std::string file, std::string text);
  /// Registers one line of a text too large to keep (a data file).
  void add_line(const std::string& file, int line, std::string text);

  /// Reports an error; the same message at the same place is reported once.
  Diagnostic& error(SourcePoint at, std::string message, int width = 1);
  Diagnostic& error(std::string message);

  bool failed() const { return count_ > 0; }
  int count() const { return count_; }
  const std::vector<Diagnostic>& errors() const { return errors_; }
  /// All errors as text, as shown above; with ANSI colours if `colour`.
  std::string render(bool colour = false) const;

 private:
  std::string excerpt(const SourcePoint& at, int width, bool colour) const;

  std::map<std::string, std::vector<std::string>> sources_;
  std::map<std::pair<std::string, int>, std::string> lines_;
  std::vector<Diagnostic> errors_;
  Diagnostic dropped_;
  int count_ = 0;
};

/// The candidate nearest to `name` by edit distance, if near enough to be a slip; else empty.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace nnc::ir
