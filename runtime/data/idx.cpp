#include "runtime/data/idx.h"

#include "runtime/data/exact.h"
#include "runtime/data/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

namespace nnc::runtime {

namespace {

/// A column of the format: the field's name and the word in the file's name.
struct IdxColumn {
  std::string_view field, word;
};
constexpr std::array<IdxColumn, 2> idx_columns{{{"image", "images"}, {"label", "labels"}}};

/// An element type of the format and the one that holds it here.
struct IdxCode {
  int code;
  std::int64_t size;
  ir::DType dtype;
};
constexpr std::array<IdxCode, 6> idx_codes{{{0x08, 1, ir::DType::u8},
                                            {0x09, 1, ir::DType::i32},
                                            {0x0b, 2, ir::DType::i32},
                                            {0x0c, 4, ir::DType::i32},
                                            {0x0d, 4, ir::DType::f32},
                                            {0x0e, 8, ir::DType::f64}}};
constexpr std::size_t most_dimensions = 8;
constexpr std::int64_t most_inflation = 1040;  // deflate cannot shrink more than 1032 times

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

  std::optional<ir::Tensor> read(const ir::DataField& field) {
    if (!read_header() || !fits(field)) return std::nullopt;
    const std::string_view elements = data();
    if (elements.empty()) return std::nullopt;
    ir::Tensor tensor = decode(elements);
    if (const std::optional<Misfit> bad = find_misfit(tensor, field.type.dtype)) {
      const std::int64_t per_example = tensor.elements() / dims_[0];
      fail(fmt::format("field `{}`: example {} has {}, which {}", field.name, bad->position / per_example + 1,
                       bad->value, bad->why));
      return std::nullopt;
    }
    return tensor.type().dtype == field.type.dtype ? std::move(tensor) : tensor.converted(field.type.dtype);
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
    unpacked_ = inflate_gzip(contents_, count);
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
    size_ = code_.size;
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

  bool fits(const ir::DataField& field) {
    const ir::Shape example(dims_.begin() + 1, dims_.end());
    if (example == field.type.shape) return true;
    return fail(fmt::format("field `{}` is {}, but an example of the file has the shape {}", field.name,
                            ir::to_string(field.type), ir::to_string(example)));
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

  ir::Tensor decode(std::string_view elements) const {
    ir::Tensor tensor(ir::Type{code_.dtype, dims_, {}});
    if (code_.size == 1 && code_.dtype == ir::DType::u8) {
      std::memcpy(tensor.bytes().data(), elements.data(), elements.size());
      return tensor;
    }
    const auto size = static_cast<std::size_t>(code_.size);
    for (std::size_t i = 0; i * size < elements.size(); ++i) {
      std::uint64_t bits = 0;
      for (std::size_t b = 0; b < size; ++b) bits = bits << 8 | static_cast<unsigned char>(elements[i * size + b]);
      if (code_.dtype == ir::DType::f64) {
        std::memcpy(&tensor.as<double>()[i], &bits, sizeof(double));
      } else if (code_.dtype == ir::DType::f32) {
        const auto low = static_cast<std::uint32_t>(bits);
        std::memcpy(&tensor.as<float>()[i], &low, sizeof(float));
      } else {
        const auto unused = static_cast<unsigned>(64 - 8 * size);  // shifted out and back in, with the sign
        tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(bits << unused) >> unused);
      }
    }
    return tensor;
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
    std::optional<ir::Tensor> values;
    if (contents) values = IdxFile(path, std::move(*contents), diagnostics).read(field);
    failed = failed || !values;
    if (values) columns.push_back({field, std::move(*values), path});
  }
  if (failed) return std::nullopt;
  const std::int64_t examples = columns.empty() ? 0 : columns[0].values.type().shape[0];
  for (const Column& column : columns) {
    const std::int64_t others = column.values.type().shape[0];
    if (others != examples) {
      diagnostics.error(whole_file(column.file),
                        fmt::format("{} examples, but {} has {}", others, columns[0].file, examples));
      return std::nullopt;
    }
  }
  return Dataset(std::move(columns), examples);
}

}  // namespace nnc::runtime
