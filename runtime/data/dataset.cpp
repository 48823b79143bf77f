#include "runtime/data/dataset.h"

#include "ir/check.h"
#include "runtime/data/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace nnc::runtime {

namespace {

/// Whether the tensor has so many rows of the values' type.
bool fits(const ir::Tensor& tensor, const ir::Type& values, std::size_t rows) {
  const ir::Type& type = tensor.type();
  return type.dtype == values.dtype && type.rank() == values.rank() &&
         type.shape[0] == static_cast<std::int64_t>(rows) &&
         std::equal(type.shape.begin() + 1, type.shape.end(), values.shape.begin() + 1);
}

void copy_rows(const ir::Tensor& values, std::span<const std::int64_t> indices, ir::Tensor& out) {
  const ir::Type& all = values.type();
  const std::size_t row = static_cast<std::size_t>(all.bytes() / std::max<std::int64_t>(all.shape.at(0), 1));
  if (!fits(out, all, indices.size())) {
    ir::Type type = all;
    type.shape[0] = static_cast<std::int64_t>(indices.size());
    out = ir::Tensor(type);
  }
  for (std::size_t i = 0; i < indices.size() && row > 0; ++i) {
    NNC_CHECK(indices[i] >= 0 && indices[i] < values.type().shape[0], "example {} of {}", indices[i],
              values.type().shape[0]);
    std::memcpy(out.bytes().data() + i * row, values.bytes().data() + static_cast<std::size_t>(indices[i]) * row, row);
  }
}

ir::Tensor rows(const ir::Tensor& values, std::span<const std::int64_t> indices) {
  ir::Tensor out;
  copy_rows(values, indices, out);
  return out;
}

/// The position of the first element outside [0, range).
std::optional<std::int64_t> first_outside(const ir::Tensor& values, std::int64_t range) {
  const bool real = ir::is_float(values.type().dtype);
  for (std::int64_t i = 0; i < values.elements(); ++i) {
    const bool inside = real ? values.real(i) >= 0 && values.real(i) < static_cast<double>(range)
                             : values.integer(i) >= 0 && values.integer(i) < range;
    if (!inside) return i;
  }
  return std::nullopt;
}

}  // namespace

bool Dataset::is_sequence() const {
  return std::any_of(columns_.begin(), columns_.end(),
                     [](const Column& column) { return column.field.source != ir::DataField::Source::column; });
}

void Dataset::gather(std::span<const std::int64_t> indices, std::vector<ir::Tensor>& batch) const {
  batch.resize(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) copy_rows(columns_[i].values, indices, batch[i]);
}

Dataset Dataset::part(std::span<const std::int64_t> indices) const {
  Dataset out;
  out.examples_ = static_cast<std::int64_t>(indices.size());
  for (const Column& column : columns_) {
    out.columns_.push_back(
        {column.field, rows(column.values, indices), column.file, column.place, column.names, column.symbols});
  }
  for (const std::int64_t index : indices) out.numbers_.push_back(number_in_file(index));
  return out;
}

std::pair<Dataset, Dataset> Dataset::split(const std::vector<std::int64_t>& indices) const {
  std::vector<std::int64_t> rest;
  rest.reserve(static_cast<std::size_t>(examples_) - indices.size());
  auto next = indices.begin();
  for (std::int64_t i = 0; i < examples_; ++i) {
    if (next != indices.end() && *next == i) {
      ++next;
    } else {
      rest.push_back(i);
    }
  }
  NNC_CHECK(next == indices.end(), "a split by examples that are not ascending or not there");
  return {part(rest), part(indices)};
}

std::int64_t Dataset::number_in_file(std::int64_t example) const {
  return numbers_.empty() ? example : numbers_.at(static_cast<std::size_t>(example));
}

ir::Status check_ranges(const Dataset& data, const std::map<std::string, std::int64_t>& ranges, const std::string& path,
                        ir::Diagnostics& diagnostics) {
  ir::Status status = ir::Status::ok;
  for (const Column& column : data.columns()) {
    const auto range = ranges.find(column.field.name);
    if (range == ranges.end()) continue;
    const std::optional<std::int64_t> position = first_outside(column.values, range->second);
    if (!position) continue;
    status = ir::Status::failed;

    const std::int64_t per_example = std::max<std::int64_t>(column.values.elements() / data.examples(), 1);
    const std::int64_t example = data.number_in_file(*position / per_example);
    const std::string value = ir::is_float(column.values.type().dtype)
                                  ? fmt::format("{}", column.values.real(*position))
                                  : fmt::format("{}", column.values.integer(*position));
    // Examples are counted from 1, like lines.
    const std::string what =
        fmt::format("field `{}`: example {} {} {}, but the model has {} classes (values 0 to {})", column.field.name,
                    example + 1, per_example > 1 ? "has" : "is", value, range->second, range->second - 1);
    const ir::SourcePoint at =
        column.place ? column.place(example, *position % per_example, diagnostics) : ir::SourcePoint();
    if (at.known()) {
      diagnostics.error(at, what, static_cast<int>(value.size()));
    } else {
      diagnostics.error(whole_file(column.file.empty() ? path : column.file), what);
    }
  }
  return status;
}

}  // namespace nnc::runtime
