#include "runtime/data/npy_header.h"

#include "runtime/data/file.h"

#include <fmt/format.h>

#include <charconv>

namespace nnc::runtime {

namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t most_dimensions = 32;  // NumPy's own limit for long
constexpr std::string_view dtypes = "bool, i1, i2, i4, i8, u1, u2, u4, f4 or f8";

/// header = "{" [ item { "," item } [ "," ] ] "}" blanks
/// item   = string ":" ( string | "True" | "False" | shape )
/// shape  = "(" [ number { "," number } [ "," ] ] ")"
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  std::optional<NpyHeader> parse(std::string& problem) {
    const bool good = dictionary();
    if (good && descr_ && order_ && shape_) return header_;
    problem = !problem_.empty() ? problem_
              : good            ? "its header has not all of 'descr', 'fortran_order' and 'shape'"
                                : fmt::format("its header is no dictionary, at `{}`", printable(text_, 20));
    return std::nullopt;
  }

 private:
  void blanks() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n' || text_[0] == '\t')) text_.remove_prefix(1);
  }
  bool accept(std::string_view token) {
    blanks();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  bool dictionary() {
    if (!accept("{")) return false;
    while (!accept("}")) {
      if (!item()) return false;
      if (!accept(",")) {
        if (!accept("}")) return false;
        break;
      }
    }
    blanks();
    return text_.empty();
  }

  bool string(std::string_view& out) {
    blanks();
    if (text_.empty() || (text_[0] != '\'' && text_[0] != '"')) return false;
    const std::size_t end = text_.find(text_[0], 1);
    if (end == std::string_view::npos) return false;
    out = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return true;
  }

  bool item() {
    std::string_view key;
    if (!string(key) || !accept(":")) return false;
    bool* seen = key == "descr" ? &descr_ : key == "fortran_order" ? &order_ : key == "shape" ? &shape_ : nullptr;
    if (seen == nullptr) return fail(fmt::format("its header has an unknown key `{}`", printable(key, 40)));
    if (*seen) return fail(fmt::format("its header has `{}` twice", key));
    *seen = true;
    return seen == &descr_ ? descr() : seen == &order_ ? order() : shape();
  }

  bool descr() {
    std::string_view name;
    if (!string(name)) {
      return fail(fmt::format("its elements are records, expected {}: save each column as an array", dtypes));
    }
    const auto unknown = [&] {
      return fail(fmt::format("its elements are `{}`, expected {}", printable(name, 40), dtypes));
    };
    if (name.size() != 3) return unknown();
    const char order = name[0], kind = name[1];
    const auto size = static_cast<std::int64_t>(name[2] - '0');
    const bool sized = size == 1 || size == 2 || size == 4 || size == 8;
    if ((order != '<' && order != '>' && order != '|' && order != '=') || !sized) return unknown();
    RawType& type = header_.type;
    type.size = size;
    type.big_endian = order == '>';
    switch (kind) {
      case 'b': type.kind = RawType::Kind::boolean; return size == 1 || unknown();
      case 'i': type.kind = RawType::Kind::integer; return true;
      case 'u': type.kind = RawType::Kind::natural; return size < 8 || unknown();
      case 'f': type.kind = RawType::Kind::real; return size >= 4 || unknown();
      default: return unknown();
    }
  }

  bool order() {
    header_.fortran_order = accept("True");
    return header_.fortran_order || accept("False");
  }

  bool shape() {
    if (!accept("(")) return false;
    while (!accept(")")) {
      blanks();
      std::int64_t dim = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), dim);
      if (error == std::errc::result_out_of_range) return fail("its header has a dimension beyond 64 bits");
      if (error != std::errc() || dim < 0) return false;
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      header_.shape.push_back(dim);
      if (header_.shape.size() > most_dimensions) {
        return fail(fmt::format("its header has more than {} dimensions", most_dimensions));
      }
      if (!accept(",")) return accept(")");
    }
    return true;
  }

  std::string_view text_;
  NpyHeader header_;
  bool descr_ = false, order_ = false, shape_ = false;
  std::string problem_;
};

}  // namespace

std::optional<NpyHeader> read_npy_header(std::string_view file, std::string& problem) {
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(file[i])); };
  if (!file.starts_with(magic)) {
    problem = fmt::format("expected an array of NumPy, which begins with \\x93NUMPY, found `{}`", printable(file, 6));
    return std::nullopt;
  }
  const std::size_t before = magic.size() + 2;  // the version
  const std::size_t version = file.size() < before ? 0 : byte(magic.size());
  const std::size_t digits = version == 1 ? 2 : 4;  // bytes of the header's length
  if (file.size() >= before && (version < 1 || version > 3 || byte(magic.size() + 1) != 0)) {
    problem = fmt::format("its format has the version {}.{}, expected 1.0, 2.0 or 3.0", version, byte(before - 1));
    return std::nullopt;
  }
  std::size_t length = 0;
  for (std::size_t i = before + digits; file.size() >= before + digits && i-- > before;) length = length << 8 | byte(i);
  if (file.size() < before + digits || file.size() - before - digits < length) {
    problem = "the file ends within its header";
    return std::nullopt;
  }
  std::optional<NpyHeader> header = HeaderParser(file.substr(before + digits, length)).parse(problem);
  if (header) header->size = before + digits + length;
  return header;
}

}  // namespace nnc::runtime
