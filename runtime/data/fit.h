// What all readers ask of a column before it becomes part of a dataset: the field's shape, its type, as many examples as
// the other columns.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "runtime/data/dataset.h"

#include <optional>
#include <string>
#include <vector>

namespace nnc::runtime {

/// Where a column is read from: `at` in messages, and which column of the file, if it has several (ends in `: `).
struct ColumnSource {
  std::string file;
  std::string within = {};
};

/// The place among `names` of a column for the field: of its name; if none has it, of the only one that is spelt so in
/// other case and with other signs for `_`, as in `Median value` for `median_value`. No column that another field names.
std::optional<std::size_t> column_for(const std::string& field, const std::vector<std::string>& names,
                                      const std::vector<ir::DataField>& fields);

/// Reports a problem with a column; false.
bool fail(const ColumnSource& source, const std::string& what, ir::Diagnostics& diagnostics);

/// Whether an array of this shape, examples first, holds the field's; else reports it.
bool has_shape_of(const ir::DataField& field, const ir::Shape& shape, const ColumnSource& source,
                  ir::Diagnostics& diagnostics);
/// The tensor's elements as the field's type, if that loses nothing.
std::optional<Column> cast_exactly(ir::Tensor tensor, const ir::DataField& field, const ColumnSource& source,
                                   ir::Diagnostics& diagnostics);
/// A dataset of these columns, in this order.
std::optional<Dataset> join(std::vector<Column> columns, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
