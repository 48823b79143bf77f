#include "runtime/data/csv.h"

#include "runtime/data/csv_scanner.h"
#include "runtime/data/exact.h"
#include "runtime/data/file.h"
#include "runtime/data/fit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <set>
#include <variant>

namespace nnc::runtime {

namespace {

constexpr std::size_t most_shown = 40;  // characters of a cell in a message

/// A field, the columns of the file it takes, and its elements so far.
struct Taker {
  ir::DataField field;
  std::vector<std::size_t> columns;
  std::vector<std::byte> bytes;

  void append(double value) { append_as(value); }
  void append(std::int64_t value) { append_as(value); }

 private:
  template <class V>
  void append_as(V value) {
    ir::visit_dtype(field.type.dtype, [&]<class T>() {
      const T element = static_cast<T>(value);
      const auto* begin = reinterpret_cast<const std::byte*>(&element);
      bytes.insert(bytes.end(), begin, begin + sizeof(T));
    });
  }
};

/// A cell as a number: whole where it is written so, or what is wrong with it.
using Number = std::variant<std::int64_t, double, std::string>;

Number number_in(std::string_view text) {
  if (text.empty()) return "expected a number, found nothing";
  const std::string found = printable(text, most_shown);
  std::string_view digits = text;
  if (digits.starts_with('+') && !digits.substr(1).starts_with('-')) digits.remove_prefix(1);
  const char* end = digits.data() + digits.size();

  std::int64_t whole = 0;
  const auto as_whole = std::from_chars(digits.data(), end, whole);
  if (as_whole.ptr == end && as_whole.ec == std::errc()) return whole;
  double real = 0;
  const auto as_real = std::from_chars(digits.data(), end, real);
  if (as_real.ptr != end || as_real.ec == std::errc::invalid_argument) {
    return fmt::format("expected a number, found `{}`", found);
  }
  if (as_real.ec == std::errc::result_out_of_range) return fmt::format("`{}` is too large or too small for f64", found);
  return real;
}

bool is_number(std::string_view text) { return !std::holds_alternative<std::string>(number_in(text)); }

class CsvReader {
 public:
  CsvReader(const std::string& path, std::string_view text, ir::Diagnostics& diagnostics)
      : path_(path), scanner_(path, text), diagnostics_(diagnostics) {}

  std::optional<Dataset> read(const std::vector<ir::DataField>& fields, const Dataset* training) {
    const int before = diagnostics_.count();
    if (!read_header() || !match(fields, training)) return std::nullopt;
    std::int64_t examples = 0;
    // A file of another kind would be wrong in every line: a page of errors is enough.
    while (diagnostics_.count() - before < ir::Diagnostics::max_errors) {
      const CsvScanner::Step step = scanner_.next(cells_, diagnostics_);
      if (step == CsvScanner::Step::failed) break;
      if (step == CsvScanner::Step::end) {
        if (examples == 0) diagnostics_.error(whole_file(path_), "there is a header, but no examples");
        break;
      }
      read_row();
      ++examples;
    }
    if (diagnostics_.count() > before) return std::nullopt;
    return dataset(examples);
  }

 private:
  bool read_header() {
    switch (scanner_.next(cells_, diagnostics_)) {
      case CsvScanner::Step::failed: return false;
      case CsvScanner::Step::end: diagnostics_.error(whole_file(path_), "the file is empty"); return false;
      case CsvScanner::Step::row: break;
    }
    header_at_ = cells_.front().offset;
    bool good = true;
    for (const Cell& cell : cells_) {
      std::string name = printable(cell.text, 200);
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) {
        scanner_.error(cell.offset, cell.width,
                       fmt::format("column `{}` is there twice{}", name,
                                   is_number(name) ? "; the first line has the names of the columns" : ""),
                       diagnostics_);
        good = false;
      }
      names_.push_back(std::move(name));
    }
    return good;
  }

  /// Finds the columns of each field.
  bool match(const std::vector<ir::DataField>& fields, const Dataset* training) {
    bool good = true;
    std::set<std::size_t> named;
    const ir::DataField* vector_field = nullptr;
    for (const ir::DataField& field : fields) {
      takers_.push_back({field, {}, {}});
      if (field.type.rank() > 0) {
        if (vector_field) {
          diagnostics_.error(whole_file(path_),
                             fmt::format("fields `{}` and `{}` both have dimensions, but only one field can take the "
                                         "columns that no other names",
                                         vector_field->name, field.name));
          good = false;
        }
        vector_field = &field;
        continue;
      }
      const std::optional<std::size_t> found = column_for(field.name, names_, fields);
      if (!found) {
        missing(field);
        good = false;
        continue;
      }
      takers_.back().columns.push_back(*found);
      named.insert(takers_.back().columns.back());
    }
    // With a column missing, what the vector field takes means nothing.
    if (!good || !vector_field) return good;
    const std::vector<std::string> trained =
        training ? names_in(*training, vector_field->name) : std::vector<std::string>();
    return trained.empty() ? match_rest(*vector_field, named) : match_trained(*vector_field, trained, named);
  }

  static std::vector<std::string> names_in(const Dataset& data, const std::string& field) {
    for (const Column& column : data.columns()) {
      if (column.field.name == field) return column.names;
    }
    return {};
  }

  /// Takes the columns that the field took in the training data; all of them must be there and no others.
  bool match_trained(const ir::DataField& field, const std::vector<std::string>& trained,
                     const std::set<std::size_t>& named) {
    Taker& taker = taker_of(field);
    std::vector<std::string> missing, surplus;
    for (const std::string& name : trained) {
      const auto found = std::find(names_.begin(), names_.end(), name);
      const auto index = static_cast<std::size_t>(found - names_.begin());
      if (found == names_.end() || named.contains(index)) {
        missing.push_back(name);
      } else {
        taker.columns.push_back(index);
      }
    }
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const bool taken = std::find(taker.columns.begin(), taker.columns.end(), i) != taker.columns.end();
      if (!taken && !named.contains(i)) surplus.push_back(names_[i]);
    }
    for (const std::string& name : missing) {
      const std::string near = ir::nearest_name(name, surplus);
      scanner_.error(header_at_, scanner_.row_end() - header_at_,
                     fmt::format("no column `{}`, which field `{}` takes in the training data{}", name, field.name,
                                 near.empty() ? "" : fmt::format("; did you mean `{}`?", near)),
                     diagnostics_);
    }
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (std::find(surplus.begin(), surplus.end(), names_[i]) == surplus.end()) continue;
      scanner_.error(cells_[i].offset, cells_[i].width,
                     fmt::format("column `{}` is not in the training data, where field `{}` takes all columns that no "
                                 "other field names",
                                 names_[i], field.name),
                     diagnostics_);
    }
    return missing.empty() && surplus.empty();
  }

  Taker& taker_of(const ir::DataField& field) {
    return *std::find_if(takers_.begin(), takers_.end(), [&](const Taker& t) { return t.field == field; });
  }

  void missing(const ir::DataField& field) {
    const std::string near = ir::nearest_name(field.name, names_);
    std::string what = fmt::format("no column for field `{}`", field.name);
    what += near.empty() ? "." : fmt::format("; did you mean `{}`?", near);
    what += fmt::format(" The header has `{}`", fmt::join(names_, "`, `"));
    if (names_.size() == 1 && cells_[0].text.find_first_of(";|\t") != std::string::npos)
      what += ": a comma separates columns";
    else if (cells_[0].text.find('\0') != std::string::npos)
      what += ": the file is not text in UTF-8, perhaps in UTF-16";
    else if (std::ranges::all_of(names_, is_number))
      what += ": the first line has the names of the columns";
    scanner_.error(header_at_, scanner_.row_end() - header_at_, what, diagnostics_);
  }

  bool match_rest(const ir::DataField& field, const std::set<std::size_t>& named) {
    Taker& taker = taker_of(field);
    std::vector<std::string> rest;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (named.contains(i)) continue;
      taker.columns.push_back(i);
      rest.push_back(names_[i]);
    }
    if (static_cast<std::int64_t>(rest.size()) == field.type.elements()) return true;
    scanner_.error(header_at_, scanner_.row_end() - header_at_,
                   fmt::format("field `{}` is {} and takes {} columns, but no other field names {}: `{}`", field.name,
                               ir::to_string(field.type), field.type.elements(), rest.size(), fmt::join(rest, "`, `")),
                   diagnostics_);
    return false;
  }

  void read_row() {
    if (cells_.size() != names_.size()) {
      const bool surplus = cells_.size() > names_.size();
      const Cell& at = surplus ? cells_[names_.size()] : cells_.back();
      scanner_.error(surplus ? at.offset : scanner_.row_end(), surplus ? at.width : 1,
                     fmt::format("expected {} cells, as the header has, found {}", names_.size(), cells_.size()),
                     diagnostics_);
      return;
    }
    for (Taker& taker : takers_) {
      for (const std::size_t column : taker.columns) read_cell(cells_[column], names_[column], taker);
    }
  }

  void read_cell(const Cell& cell, const std::string& column, Taker& taker) {
    const Number number = number_in(cell.text);
    std::string problem;
    if (const auto* what = std::get_if<std::string>(&number)) {
      problem = *what;
    } else {
      const auto* whole = std::get_if<std::int64_t>(&number);
      // A float rounds its text, however many digits it has.
      const std::string why =
          whole && !ir::is_float(taker.field.type.dtype)
              ? misfit(*whole, taker.field.type.dtype)
              : misfit(whole ? static_cast<double>(*whole) : std::get<double>(number), taker.field.type.dtype);
      if (!why.empty()) problem = fmt::format("`{}` {}", printable(cell.text, most_shown), why);
    }
    if (!problem.empty()) {
      scanner_.error(cell.offset, cell.width,
                     fmt::format("column `{}` for field `{}`: {}", column, taker.field.name, problem), diagnostics_);
    } else if (const auto* whole = std::get_if<std::int64_t>(&number)) {
      taker.append(*whole);
    } else {
      taker.append(std::get<double>(number));
    }
  }

  Dataset dataset(std::int64_t examples) const {
    std::vector<Column> columns;
    for (const Taker& taker : takers_) {
      ir::Type type = taker.field.type;
      type.shape.insert(type.shape.begin(), examples);
      ir::Tensor values(type);
      NNC_CHECK(values.bytes().size() == taker.bytes.size(), "{}: {} bytes for {}", path_, taker.bytes.size(),
                ir::to_string(type));
      std::memcpy(values.bytes().data(), taker.bytes.data(), taker.bytes.size());
      const auto place = [path = path_, columns = taker.columns](std::int64_t example, std::int64_t element,
                                                                 ir::Diagnostics& diagnostics) {
        return find_cell(path, example, columns[static_cast<std::size_t>(element)], diagnostics);
      };
      std::vector<std::string> names;
      for (const std::size_t column : taker.columns) names.push_back(names_[column]);
      columns.push_back({taker.field, std::move(values), path_, place, std::move(names)});
    }
    return Dataset(std::move(columns), examples);
  }

  /// Reads the file once more: places are needed for one error a run, too seldom to keep them all.
  static ir::SourcePoint find_cell(const std::string& path, std::int64_t example, std::size_t column,
                                   ir::Diagnostics& diagnostics) {
    ir::Diagnostics unused;
    const std::optional<std::string> text = read_file(path, unused);
    if (!text) return {};
    CsvScanner scanner(path, *text);
    std::vector<Cell> cells;
    for (std::int64_t row = 0; row <= example + 1; ++row) {  // the first is the header
      if (scanner.next(cells, unused) != CsvScanner::Step::row) return {};
    }
    return column < cells.size() ? scanner.place(cells[column].offset, diagnostics) : ir::SourcePoint();
  }

  std::string path_;
  CsvScanner scanner_;
  ir::Diagnostics& diagnostics_;
  std::vector<Cell> cells_;
  std::vector<std::string> names_;
  std::size_t header_at_ = 0;
  std::vector<Taker> takers_;
};

}  // namespace

std::optional<Dataset> read_csv(const std::string& path, const std::vector<ir::DataField>& fields,
                                const Dataset* training, ir::Diagnostics& diagnostics) {
  const std::optional<std::string> text = read_file(path, diagnostics);
  if (!text) return std::nullopt;
  return CsvReader(path, *text, diagnostics).read(fields, training);
}

}  // namespace nnc::runtime
