// NumPy's files. `.npy` is one array, examples first, and fills a model's one field; `.npz` is a zip archive of arrays by
// name, and fills the fields of those names. An archive whose arrays have no names (arr_0, arr_1, ...: given to
// numpy.savez by position) fills the fields in order.
//
//   "\x93NUMPY" major minor length "{'descr': '<f4', 'fortran_order': False, 'shape': (60, 28), }" elements
//
// Versions 1 to 3, both byte orders, C and Fortran order; bool, integers of up to 64 bits (unsigned: 32), f32 and f64.
// Arrays that no field names are not read.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "runtime/data/dataset.h"

#include <optional>
#include <string>
#include <vector>

namespace nnc::runtime {

std::optional<Dataset> read_npy(const std::string& path, const std::vector<ir::DataField>& fields,
                                ir::Diagnostics& diagnostics);
std::optional<Dataset> read_npz(const std::string& path, const std::vector<ir::DataField>& fields,
                                ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
