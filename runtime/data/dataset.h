// Datasets: named columns of examples, held in memory, checked against the model before the first step.
//
// A path says its format: a directory with IDX files, CIFAR-10's files or class folders; a `.csv`, `.npy` or `.npz`
// file; a text or token file for a field of that kind. Columns are matched to the model's fields by name (images:
// `image` and `label`; CSV: the header; NPZ: the keys) or by order where there are no names, cast where that loses
// nothing, and checked: shape, type, and the range of fields that index something.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "ir/tensor.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace nnc::runtime {

/// Where the file says an element of an example, counted from 0; may read the file again, to register the line. Unknown
/// if the format has no lines.
using PlaceInFile = std::function<ir::SourcePoint(std::int64_t example, std::int64_t element, ir::Diagnostics&)>;

/// All examples of one field: [examples, ...field's shape] of the field's element type.
struct Column {
  ir::DataField field;
  ir::Tensor values;
  std::string file = {};  // it was read from; empty: none
  PlaceInFile place = {};
  std::vector<std::string> names = {};  // of the file's columns that an example's elements are from; empty: it has none
  std::vector<std::string> symbols = {};  // what the values stand for, by value: characters, classes; empty: themselves
};

class Dataset {
 public:
  Dataset() = default;
  Dataset(std::vector<Column> columns, std::int64_t examples) : columns_(std::move(columns)), examples_(examples) {}

  std::int64_t examples() const { return examples_; }
  const std::vector<Column>& columns() const { return columns_; }
  /// Whether the examples are windows of one sequence, in its order.
  bool is_sequence() const;
  /// Makes `batch` one tensor a field, [indices.size(), ...], in the fields' order; tensors of that type that are there
  /// already are filled, so that batch after batch needs no memory.
  void gather(std::span<const std::int64_t> indices, std::vector<ir::Tensor>& batch) const;
  /// Splits off the examples at `indices` (sorted) into the second part.
  std::pair<Dataset, Dataset> split(const std::vector<std::int64_t>& indices) const;
  /// The number in the file, from 0, of an example.
  std::int64_t number_in_file(std::int64_t example) const;

 private:
  Dataset part(std::span<const std::int64_t> indices) const;

  std::vector<Column> columns_;
  std::int64_t examples_ = 0;
  std::vector<std::int64_t> numbers_;  // in the file; empty: as they stand
};

/// What a path holds: training examples, and those that the format sets apart for validation (t10k files, test_batch.bin, val/).
struct OpenedData {
  Dataset train;
  std::optional<Dataset> validation;
};

/// Reads `path` for `fields`; every problem is one error with its place (file, and line and column in text).
/// Ranges are not known yet: see `check_ranges`. Without `want_validation` (--valid or --val-split says what validates)
/// the format's own part for validation is not opened.
std::optional<OpenedData> open_data(const std::string& path, const std::vector<ir::DataField>& fields,
                                    ir::Diagnostics& diagnostics, bool want_validation = true);
/// The same for --valid: a format's own part for validation if there is one, else its part for training.
/// A vector field takes the columns of the names that it took in `training`.
std::optional<Dataset> open_validation(const std::string& path, const std::vector<ir::DataField>& fields,
                                       const Dataset& training, ir::Diagnostics& diagnostics);

/// Reports the first example of each field that lies outside [0, range) (ir::DataField).
ir::Status check_ranges(const Dataset& data, const std::map<std::string, std::int64_t>& ranges, const std::string& path,
                        ir::Diagnostics& diagnostics);

/// Draws examples for --synthetic: floats uniform in [0, 1), integers uniform in the field's range, or else the type's.
Dataset synthetic(const std::vector<ir::DataField>& fields, const std::map<std::string, std::int64_t>& ranges,
                  std::int64_t examples, std::uint64_t seed);

}  // namespace nnc::runtime
