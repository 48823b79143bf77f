// `scan`: a loop over time that stays a loop.
//
//   ys = scan t in 0..T carry h = zeros([N, U]) { h = tanh(z[:, t] + h @ w); yield h }
//   ->  %z.t = permute %z {order = [1, 0, 2]}
//       %h, %ys = scan %h.0, %z.t, %w {length = T, carries = 1, scanned = 1} (%t, %h, %z.row, %w) { ... }
//
// The body is elaborated once, into the graph itself; then what it appended becomes the region: values from outside that
// it uses become operands, reads of slots stay outside.
#pragma once

#include "frontend/context.h"

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nnc::frontend {

/// A scan whose body is being elaborated.
struct ScanScope {
  /// A tensor from outside of which a step sees one row.
  struct Row {
    ir::ValueId tensor;
    std::size_t dimension = 0;
    ir::ValueId value;  // the row
    ir::Location location;
  };
  Target* target = nullptr;
  ast::Span at;
  std::int64_t from = 0, length = 0;
  std::size_t first_op = 0;      // what the body appended begins here
  std::int32_t first_value = 0;  // and here
  ir::Expr step;                 // its number, from 0
  ir::Expr variable;             // the number as the text has it
  std::vector<ir::ValueId> carries;
  std::vector<Row> rows;
  const std::map<std::string, Variable>* outer = nullptr;  // names outside
  std::set<std::string> carried;
  std::optional<std::vector<Value>> yields;
  ast::Span yield_at;
};

void run_scan(Context& context, const ast::Scan& scan);
void run_yield(Context& context, const ast::Yield& yield, const ast::Span& at);

/// Whether the innermost scan of the frame, if there is one, lets the name have another value; reports if not.
bool may_change_in_scan(Context& context, const ast::Name& target);

/// The scan whose bare variable the expression is, or null.
ScanScope* scan_counted_by(Context& context, const ast::Expr& expr);

struct ScannedDimension {
  ScanScope* scope;
  std::size_t dimension;
  ast::Span at;
};
/// What a step sees of a tensor indexed by its scan's variable in these dimensions (in ascending order).
std::optional<ir::Expr> row_of_step(Context& context, ir::Expr tensor, std::vector<ScannedDimension> dimensions,
                                    const ast::Span& at);

/// A counter that differs for each step of the open scans, from one that differs for each step of training.
ir::Expr scan_counter(Context& context, ir::Expr counter);

}  // namespace nnc::frontend
