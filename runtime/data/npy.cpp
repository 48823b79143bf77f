#include "runtime/data/npy.h"

#include "runtime/data/file.h"
#include "runtime/data/fit.h"
#include "runtime/data/npy_header.h"
#include "runtime/data/zip.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

namespace nnc::runtime {

namespace {

constexpr std::string_view npy_ending = ".npy";

/// Elements that lie with the first dimension innermost, with the last one innermost.
ir::Tensor row_major(const ir::Tensor& columns, const ir::Shape& shape) {
  ir::Tensor out(ir::Type{columns.type().dtype, shape, {}});
  const auto size = static_cast<std::size_t>(ir::size_of(columns.type().dtype));
  ir::Shape index(shape.size(), 0);
  std::int64_t from = 0;
  for (std::int64_t to = 0; to < out.elements(); ++to) {
    std::memcpy(out.bytes().data() + static_cast<std::size_t>(to) * size,
                columns.bytes().data() + static_cast<std::size_t>(from) * size, size);
    // Counts up `index` in row-major order and moves `from` along.
    for (std::size_t d = shape.size(); d-- > 0;) {
      std::int64_t stride = 1;
      for (std::size_t before = 0; before < d; ++before) stride *= shape[before];
      from += stride;
      if (++index[d] < shape[d]) break;
      from -= stride * shape[d];
      index[d] = 0;
    }
  }
  return out;
}

std::optional<Column> read_array(std::string_view file, const ir::DataField& field, const ColumnSource& source,
                                 ir::Diagnostics& diagnostics) {
  const auto failed = [&](const std::string& what) {
    fail(source, what, diagnostics);
    return std::nullopt;
  };
  std::string problem;
  const std::optional<NpyHeader> header = read_npy_header(file, problem);
  if (!header) return failed(problem);
  const ir::Shape& shape = header->shape;
  if (shape.empty()) return failed("it is a single value, expected an array with the examples first");
  const std::string_view elements = file.substr(header->size);
  std::int64_t size = header->type.size;
  bool too_large = false;
  for (const std::int64_t dim : shape) {
    if (dim == 0) return failed(fmt::format("its shape is {}: there are no elements", ir::to_string(shape)));
    too_large = too_large || __builtin_mul_overflow(size, dim, &size);
  }
  if (too_large) return failed(fmt::format("its shape {} has too many elements", ir::to_string(shape)));
  if (static_cast<std::size_t>(size) != elements.size()) {
    return failed(
        fmt::format("its header says {}, {} bytes, but there are {}", ir::to_string(shape), size, elements.size()));
  }
  if (!has_shape_of(field, shape, source, diagnostics)) return std::nullopt;
  if (header->type.kind == RawType::Kind::boolean) {
    const auto bad = std::find_if(elements.begin(), elements.end(), [](char c) { return c != 0 && c != 1; });
    if (bad != elements.end()) {
      return failed(fmt::format("element {} is a bool of {}, expected 0 or 1", bad - elements.begin(),
                                static_cast<int>(static_cast<unsigned char>(*bad))));
    }
  }
  ir::Tensor tensor = decode(elements, header->type, shape);
  if (header->fortran_order && shape.size() > 1) tensor = row_major(tensor, shape);
  return cast_exactly(std::move(tensor), field, source, diagnostics);
}

/// The array's name; empty if the member is none.
std::string array_name(const ZipMember& member) {
  if (!member.name.ends_with(npy_ending)) return {};
  return member.name.substr(0, member.name.size() - npy_ending.size());
}

class NpzReader {
 public:
  NpzReader(const std::string& path, std::string_view file, ir::Diagnostics& diagnostics)
      : path_(path), file_(file), diagnostics_(diagnostics) {}

  std::optional<Dataset> read(const std::vector<ir::DataField>& fields) {
    std::string problem;
    std::optional<std::vector<ZipMember>> members = zip_members(file_, problem);
    if (!members) {
      diagnostics_.error(whole_file(path_), problem);
      return std::nullopt;
    }
    for (ZipMember& member : *members) {
      std::string name = array_name(member);
      if (name.empty()) continue;
      names_.push_back(printable(name, 200));
      arrays_.push_back(std::move(member));
    }
    const bool by_order = are_numbered() && fields.size() == arrays_.size();
    std::vector<Column> columns;
    bool good = true;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::string wanted = by_order ? fmt::format("arr_{}", i) : fields[i].name;
      std::optional<Column> column = read_field(fields[i], wanted, fields);
      good = good && column;
      if (column) columns.push_back(std::move(*column));
    }
    if (!good) return std::nullopt;
    return join(std::move(columns), diagnostics_);
  }

 private:
  bool are_numbered() const {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (std::find(names_.begin(), names_.end(), fmt::format("arr_{}", i)) == names_.end()) return false;
    }
    return true;
  }

  std::optional<Column> read_field(const ir::DataField& field, const std::string& name,
                                   const std::vector<ir::DataField>& fields) {
    const std::optional<std::size_t> found = column_for(name, names_, fields);
    if (!found) {
      const std::string near = ir::nearest_name(name, names_);
      if (names_.empty()) {
        diagnostics_.error(whole_file(path_), fmt::format("no array for field `{}`: the file has none", field.name));
        return std::nullopt;
      }
      diagnostics_.error(whole_file(path_), fmt::format("no array for field `{}`{} The file has `{}`", field.name,
                                                        near.empty() ? "." : fmt::format("; did you mean `{}`?", near),
                                                        fmt::join(names_, "`, `")));
      return std::nullopt;
    }
    const ColumnSource source{path_, fmt::format("array `{}`: ", names_[*found])};
    std::string problem;
    const ZipMember& member = arrays_[*found];
    const std::optional<std::string> array = unpack(file_, member, problem);
    if (!array) {
      fail(source, problem, diagnostics_);
      return std::nullopt;
    }
    return read_array(*array, field, source, diagnostics_);
  }

  const std::string& path_;
  std::string_view file_;
  ir::Diagnostics& diagnostics_;
  std::vector<ZipMember> arrays_;
  std::vector<std::string> names_;  // of the arrays
};

}  // namespace

std::optional<Dataset> read_npy(const std::string& path, const std::vector<ir::DataField>& fields,
                                ir::Diagnostics& diagnostics) {
  if (fields.size() != 1) {
    diagnostics.error(whole_file(path),
                      fmt::format("a .npy file is one array and fills one field, but the model has {}: a .npz file has "
                                  "several arrays",
                                  fields.size()));
    return std::nullopt;
  }
  const std::optional<std::string> file = read_file(path, diagnostics);
  if (!file) return std::nullopt;
  std::optional<Column> column = read_array(*file, fields[0], {path}, diagnostics);
  if (!column) return std::nullopt;
  std::vector<Column> columns;
  columns.push_back(std::move(*column));
  return join(std::move(columns), diagnostics);
}

std::optional<Dataset> read_npz(const std::string& path, const std::vector<ir::DataField>& fields,
                                ir::Diagnostics& diagnostics) {
  const std::optional<std::string> file = read_file(path, diagnostics);
  if (!file) return std::nullopt;
  return NpzReader(path, *file, diagnostics).read(fields);
}

}  // namespace nnc::runtime
