#include "runtime/data/text.h"

#include "ir/check.h"
#include "runtime/data/exact.h"
#include "runtime/data/file.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <string_view>
#include <vector>

namespace nnc::runtime {

namespace {

constexpr int no_id = -1;
constexpr std::size_t byte_values = 256;
constexpr std::size_t token_size = 2;

/// The ids of all bytes; `no_id` for those that are no character of the table.
using CharacterIds = std::array<int, byte_values>;

/// A byte as the text of a symbol: the character of that code, in UTF-8.
std::string symbol_of(std::size_t byte) {
  if (byte < 0x80) return {static_cast<char>(byte)};
  return {static_cast<char>(0xc0 | byte >> 6), static_cast<char>(0x80 | (byte & 0x3f))};
}

std::size_t byte_of(std::string_view symbol) {
  const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(symbol[i])); };
  return symbol.size() == 1 ? at(0) : (at(0) & 0x03) << 6 | (at(1) & 0x3f);
}

/// A byte for a message: `a` or 0x0a.
std::string shown(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x80 && std::isprint(byte) != 0 ? fmt::format("`{}`", c) : fmt::format("0x{:02x}", byte);
}

std::vector<std::string> distinct_characters(std::string_view text) {
  std::array<bool, byte_values> there{};
  for (const char c : text) there[static_cast<unsigned char>(c)] = true;
  std::vector<std::string> symbols;
  for (std::size_t byte = 0; byte < byte_values; ++byte) {
    if (there[byte]) symbols.push_back(symbol_of(byte));
  }
  return symbols;
}

CharacterIds ids_of(const std::vector<std::string>& symbols) {
  CharacterIds ids;
  ids.fill(no_id);
  for (std::size_t id = 0; id < symbols.size(); ++id) ids[byte_of(symbols[id])] = static_cast<int>(id);
  return ids;
}

/// Reports that the text has more different characters than the field, at the first one too many.
void too_many_characters(const std::string& path, std::string_view text, const ir::DataField& field, std::size_t count,
                         ir::Diagnostics& diagnostics) {
  std::array<bool, byte_values> seen{};
  std::int64_t distinct = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool& before = seen[static_cast<unsigned char>(text[i])];
    if (before) continue;
    before = true;
    if (++distinct <= field.vocabulary) continue;
    diagnostics.error(place_in_text(path, text, i, count_line_ends(text, 0, i), diagnostics),
                      fmt::format("field `{}` is chars({}), but the text has {} different characters; {} is number {}",
                                  field.name, field.vocabulary, count, shown(text[i]), distinct));
    return;
  }
}

/// [examples, window] of ids.
template <class IdOf>
std::optional<Column> windows(const std::string& path, const ir::DataField& field, std::size_t length,
                              std::string_view unit, const IdOf& id_of, ir::Diagnostics& diagnostics) {
  const auto window = static_cast<std::size_t>(field.type.shape.at(0));
  const std::size_t examples = length / window;
  if (examples == 0) {
    diagnostics.error(whole_file(path), fmt::format("field `{}` takes windows of {} {}s, but the file has {}",
                                                    field.name, window, unit, length));
    return std::nullopt;
  }
  ir::Type type = field.type;
  type.shape.insert(type.shape.begin(), static_cast<std::int64_t>(examples));
  ir::Tensor values(type);
  ir::visit_dtype(type.dtype, [&]<class T>() {
    const std::span<T> out = values.as<T>();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<T>(id_of(i));
  });
  return Column{field, std::move(values), path};
}

}  // namespace

std::optional<Dataset> read_text(const std::string& path, const ir::DataField& field, const Dataset* training,
                                 ir::Diagnostics& diagnostics) {
  NNC_CHECK(field.type.rank() == 1 && misfit(field.vocabulary - 1, field.type.dtype).empty(), "{} for chars({})",
            ir::to_string(field.type), field.vocabulary);
  const std::optional<std::string> text = read_file(path, diagnostics);
  if (!text) return std::nullopt;

  const std::vector<std::string> symbols = training ? training->columns().at(0).symbols : distinct_characters(*text);
  if (static_cast<std::int64_t>(symbols.size()) > field.vocabulary) {
    too_many_characters(path, *text, field, symbols.size(), diagnostics);
    return std::nullopt;
  }
  const CharacterIds ids = ids_of(symbols);
  const auto id_of = [&](std::size_t i) { return ids[static_cast<unsigned char>((*text)[i])]; };
  for (std::size_t i = 0; i < text->size(); ++i) {
    if (id_of(i) != no_id) continue;
    diagnostics.error(place_in_text(path, *text, i, count_line_ends(*text, 0, i), diagnostics),
                      fmt::format("the character {} is not in the training data", shown((*text)[i])));
    return std::nullopt;
  }

  std::optional<Column> column = windows(path, field, text->size(), "character", id_of, diagnostics);
  if (!column) return std::nullopt;
  column->symbols = symbols;
  // Reads the file once more: the place is needed for one error a run.
  column->place = [path, window = field.type.shape[0]](std::int64_t example, std::int64_t element,
                                                       ir::Diagnostics& to) -> ir::SourcePoint {
    ir::Diagnostics unused;
    const std::optional<std::string> again = read_file(path, unused);
    const auto offset = static_cast<std::size_t>(example * window + element);
    if (!again || offset >= again->size()) return whole_file(path);
    return place_in_text(path, *again, offset, count_line_ends(*again, 0, offset), to);
  };
  const std::int64_t examples = column->values.type().shape[0];
  return Dataset({std::move(*column)}, examples);
}

std::optional<Dataset> read_tokens(const std::string& path, const ir::DataField& field, ir::Diagnostics& diagnostics) {
  NNC_CHECK(field.type.rank() == 1, "{} for tokens", ir::to_string(field.type));
  const std::optional<std::string> bytes = read_file(path, diagnostics);
  if (!bytes) return std::nullopt;
  const auto failed = [&](const std::string& what) {
    diagnostics.error(whole_file(path), what);
    return std::nullopt;
  };
  if (bytes->size() % token_size != 0) {
    return failed(fmt::format("expected u16 tokens, an even number of bytes, found {} bytes", bytes->size()));
  }
  const std::size_t count = bytes->size() / token_size;
  const auto token = [&](std::size_t i) {
    const auto byte = [&](std::size_t b) { return static_cast<unsigned char>((*bytes)[token_size * i + b]); };
    return byte(0) | byte(1) << 8;
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (token(i) < field.vocabulary) continue;
    return failed(fmt::format("field `{}` is tokens({}) (values 0 to {}), but token {} at byte {} is {}", field.name,
                              field.vocabulary, field.vocabulary - 1, i + 1, token_size * i, token(i)));
  }
  std::optional<Column> column = windows(path, field, count, "token", token, diagnostics);
  if (!column) return std::nullopt;
  const std::int64_t examples = column->values.type().shape[0];
  return Dataset({std::move(*column)}, examples);
}

}  // namespace nnc::runtime
