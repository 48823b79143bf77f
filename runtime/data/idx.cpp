#include "runtime/data/idx.h"

#include "runtime/data/file.h"
#include "runtime/data/fit.h"
#include "runtime/data/raw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace nnc::runtime {

namespace {

/// A column of the format: the field's name and the word in the file's name.
struct IdxColumn {
  std::string_view field, word;
};
constexpr std::array<IdxColumn, 2> idx_columns{{{"image", "images"}, {"label", "labels"}}};

/// An element type of the format.
struct IdxCode {
  int code;
  RawType raw;
};
constexpr std::array<IdxCode, 6> idx_codes{{{0x08, {RawType::Kind::natural, 1, true}},
                                            {0x09, {RawType::Kind::integer, 1, true}},
                                            {0x0b, {RawType::Kind::integer, 2, true}},
                                            {0x0c, {RawType::Kind::integer, 4, true}},
                                            {0x0d, {RawType::Kind::real, 4, true}},
                                            {0x0e, {RawType::Kind::real, 8, true}}}};
constexpr std::size_t most_dimensions = 8;

/// part "-" word ("-" | ".") "idx" digit "-ubyte" [".gz"]
bool is_idx(std::string_view name, std::string_view part, std::string_view word) {
  const auto take = [&name](std::string_view prefix) {
    if (!name.starts_with(prefix)) return false;
    name.remove_prefix(prefix.size());
    return true;
  };
  if (!take(part) || !take("-") || !take(word) || !(take("-idx") || take(".idx"))) return false;
  if (name.empty() || !std::isdigit(static_cast<unsigned char>(name.front()))) return false;
  name.remove_prefix(1);
  return take("-ubyte") && (name.empty() || name == ".gz");
}

/// The bytes of an IDX file, unpacked as far as asked for.
class IdxFile {
 public:
  IdxFile(std::string path, std::string contents, ir::Diagnostics& diagnostics)
      : path_(std::move(path)),
        contents_(std::move(contents)),
        packed_(path_.ends_with(".gz")),
        diagnostics_(diagnostics) {}

  std::optional<Column> read(const ir::DataField& field) {
    if (!read_header() || !has_shape_of(field, dims_, {path_}, diagnostics_)) return std::nullopt;
    const std::string_view elements = data();
    if (elements.empty()) return std::nullopt;
    return cast_exactly(decode(elements, code_.raw, dims_), field, {path_}, diagnostics_);
  }

 private:
  bool fail(std::string_view what) {
    diagnostics_.error(whole_file(path_), std::string(what));
    return false;
  }

  /// The first `count` bytes or fewer; fills `more_` and `problem_`.
  std::string_view bytes(std::size_t count) {
    if (!packed_) {
      more_ = contents_.size() > count;
      return std::string_view(contents_).substr(0, count);
    }
    unpacked_ = inflate(contents_, count, Wrapping::gzip);
    more_ = unpacked_.more;
    return unpacked_.bytes;
  }

  bool read_header() {
    const std::string_view header = bytes(4 + 4 * most_dimensions);
    if (header.size() < 4) {
      return fail(unpacked_.problem.empty() ? "expected an IDX header, the file ends within it" : unpacked_.problem);
    }
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(header[i]); };
    const auto code =
        std::find_if(idx_codes.begin(), idx_codes.end(), [&](const IdxCode& c) { return c.code == byte(2); });
    if (byte(0) != 0 || byte(1) != 0 || code == idx_codes.end() || byte(3) == 0 || byte(3) > most_dimensions) {
      return fail(
          fmt::format("expected an IDX header (0, 0, a type, 1 to {} dimensions), found the bytes {:02x} {:02x} "
                      "{:02x} {:02x}",
                      most_dimensions, byte(0), byte(1), byte(2), byte(3)));
    }
    code_ = *code;
    header_size_ = 4 + 4 * std::size_t{byte(3)};
    if (header.size() < header_size_) {
      return fail(unpacked_.problem.empty() ? "expected an IDX header, the file ends within it" : unpacked_.problem);
    }
    const std::int64_t most = static_cast<std::int64_t>(contents_.size()) * (packed_ ? most_inflation : 1);
    size_ = code_.raw.size;
    for (std::size_t at = 4; at < header_size_; at += 4) {
      dims_.push_back(std::int64_t{byte(at)} << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3));
      if (dims_.back() == 0)
        return fail(fmt::format("the header says {}: there are no elements", ir::to_string(dims_)));
      // Before anything of that size is asked for: can the file hold it?
      if (__builtin_mul_overflow(size_, dims_.back(), &size_) || size_ > most) {
        return fail(
            fmt::format("the header says {} and more, which is more than the file holds: it is truncated or its "
                        "header is corrupted",
                        ir::to_string(dims_)));
      }
    }
    return true;
  }

  /// The elements' bytes; empty after an error.
  std::string_view data() {
    const std::size_t expected = header_size_ + static_cast<std::size_t>(size_);
    const std::string_view all = bytes(expected);
    if (all.size() < expected || !unpacked_.problem.empty()) {
      const bool all_there = all.size() == expected;
      fail(all_there ? unpacked_.problem
                     : fmt::format("the header says {}, {} bytes, but there are {}{}{}", ir::to_string(dims_), size_,
                                   all.size() - std::min(all.size(), header_size_),
                                   unpacked_.problem.empty() ? "" : ": ", unpacked_.problem));
      return {};
    }
    if (more_) {
      fail(fmt::format("the header says {}, {} bytes, but there are more", ir::to_string(dims_), size_));
      return {};
    }
    return all.substr(header_size_);
  }

  std::string path_, contents_;
  bool packed_;
  ir::Diagnostics& diagnostics_;
  Inflated unpacked_;
  bool more_ = false;
  IdxCode code_{};
  std::size_t header_size_ = 0;
  ir::Shape dims_;
  std::int64_t size_ = 0;  // bytes of all elements
};

/// The file of a field: its name, or empty after an error.
std::string file_of(const ir::DataField& field, const std::string& directory, const std::vector<std::string>& names,
                    std::string_view part, ir::Diagnostics& diagnostics) {
  std::vector<std::string> known;
  for (const IdxColumn& column : idx_columns) {
    known.emplace_back(column.field);
    if (column.field != field.name) continue;
    // Sorted, so that a plain file goes before its .gz.
    const auto found = std::find_if(names.begin(), names.end(),
                                    [&](const std::string& name) { return is_idx(name, part, column.word); });
    if (found != names.end()) return directory + "/" + *found;
    diagnostics.error(whole_file(directory),
                      fmt::format("field `{}` needs a file {}-{}-idx{}-ubyte or the same with .gz, found none",
                                  field.name, part, column.word, field.type.rank() + 1));
    return {};
  }
  const std::string near = ir::nearest_name(field.name, known);
  diagnostics.error(whole_file(directory),
                    fmt::format("no column for field `{}`: an IDX directory has `image` and `label`{}", field.name,
                                near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  return {};
}

}  // namespace

bool has_idx(const std::vector<std::string>& names, std::string_view part) {
  const std::array<std::string_view, 2> parts{idx_train, idx_test};
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    for (const std::string_view p : parts) {
      for (const IdxColumn& column : idx_columns) {
        if ((part.empty() || part == p) && is_idx(name, p, column.word)) return true;
      }
    }
    return false;
  });
}

std::optional<Dataset> read_idx(const std::string& directory, const std::vector<std::string>& names,
                                std::string_view part, const std::vector<ir::DataField>& fields,
                                ir::Diagnostics& diagnostics) {
  std::vector<Column> columns;
  bool failed = false;
  for (const ir::DataField& field : fields) {
    const std::string path = file_of(field, directory, names, part, diagnostics);
    std::optional<std::string> contents;
    if (!path.empty()) contents = read_file(path, diagnostics);
    std::optional<Column> column;
    if (contents) column = IdxFile(path, std::move(*contents), diagnostics).read(field);
    failed = failed || !column;
    if (column) columns.push_back(std::move(*column));
  }
  if (failed) return std::nullopt;
  return join(std::move(columns), diagnostics);
}

}  // namespace nnc::runtime
