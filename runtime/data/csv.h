// CSV files: a header with the columns' names, then one example a line, numbers in every column a field takes.
//
//   radius,texture,label        data label: u8, features: f32[2]
//   17.99,10.38,0         ->    label = 0, features = [17.99, 10.38]
//
// A field without dimensions takes the column of its name. One field may have dimensions: it takes, in header order,
// the columns that no other field names; in validation data, the columns that it took in the training data, by name and
// wherever they stand. Other columns are not read. Floating fields take any number, rounded to
// nearest; integer and bool fields whole numbers in their type's range (`3` and `3.0`). `nan`, `inf` and empty cells
// are errors.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "runtime/data/dataset.h"

#include <optional>
#include <string>
#include <vector>

namespace nnc::runtime {

/// `training`: the data whose columns the file validates on; null: the file is that itself.
std::optional<Dataset> read_csv(const std::string& path, const std::vector<ir::DataField>& fields,
                                const Dataset* training, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
