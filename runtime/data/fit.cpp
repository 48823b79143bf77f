#include "runtime/data/fit.h"

#include "runtime/data/exact.h"
#include "runtime/data/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nnc::runtime {

namespace {

/// As a field may be spelt: lower case, and `_` for what is neither a letter nor a digit.
std::string spelt(const std::string& name) {
  std::string result = name;
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
    if (!plain) c = '_';
  }
  return result;
}

}  // namespace

std::optional<std::size_t> column_for(const std::string& field, const std::vector<std::string>& names,
                                      const std::vector<ir::DataField>& fields) {
  std::vector<std::size_t> alike;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == field) return i;
    const bool anothers = std::ranges::count(fields, names[i], &ir::DataField::name) > 0;
    if (!anothers && spelt(names[i]) == spelt(field)) alike.push_back(i);
  }
  return alike.size() == 1 ? std::optional(alike.front()) : std::nullopt;
}

bool fail(const ColumnSource& source, const std::string& what, ir::Diagnostics& diagnostics) {
  diagnostics.error(whole_file(source.file), source.within + what);
  return false;
}

bool has_shape_of(const ir::DataField& field, const ir::Shape& shape, const ColumnSource& source,
                  ir::Diagnostics& diagnostics) {
  const ir::Shape example(shape.begin() + 1, shape.end());
  if (example == field.type.shape) return true;
  return fail(source,
              fmt::format("field `{}` is {}, but an example of the file has the shape {}", field.name,
                          ir::to_string(field.type), ir::to_string(example)),
              diagnostics);
}

std::optional<Column> cast_exactly(ir::Tensor tensor, const ir::DataField& field, const ColumnSource& source,
                                   ir::Diagnostics& diagnostics) {
  if (const std::optional<Misfit> bad = find_misfit(tensor, field.type.dtype)) {
    const std::int64_t per_example = tensor.elements() / tensor.type().shape.at(0);
    fail(source,
         fmt::format("field `{}`: example {} has {}, which {}", field.name, bad->position / per_example + 1, bad->value,
                     bad->why),
         diagnostics);
    return std::nullopt;
  }
  const bool same = tensor.type().dtype == field.type.dtype;
  return Column{field, same ? std::move(tensor) : tensor.converted(field.type.dtype), source.file};
}

std::optional<Dataset> join(std::vector<Column> columns, ir::Diagnostics& diagnostics) {
  const std::int64_t examples = columns.empty() ? 0 : columns[0].values.type().shape[0];
  for (const Column& column : columns) {
    const std::int64_t others = column.values.type().shape[0];
    if (others == examples) continue;
    const bool same_file = column.file == columns[0].file;
    diagnostics.error(whole_file(column.file),
                      same_file ? fmt::format("field `{}` has {} examples, but field `{}` has {}", column.field.name,
                                              others, columns[0].field.name, examples)
                                : fmt::format("{} examples, but {} has {}", others, columns[0].file, examples));
    return std::nullopt;
  }
  return Dataset(std::move(columns), examples);
}

}  // namespace nnc::runtime
