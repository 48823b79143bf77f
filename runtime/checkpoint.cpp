// Reading a safetensors file, which may be anything:
//
//  1. The header's length must lie within the file, its JSON within a few levels, without a name twice.
//  2. Each entry must have a dtype of ours, a shape, and offsets that lie within the data and hold that many bytes.
//  3. Sorted by offset, the tensors must fill the data without gap or overlap.
//  4. Only then are elements read.
#include "runtime/checkpoint.h"

#include "ir/check.h"
#include "runtime/atomic_file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string_view>
#include <vector>

namespace nnc::runtime {

namespace {

using Json = nlohmann::json;

constexpr std::size_t length_size = 8;
constexpr std::size_t longest_header = 100'000'000;  // what other readers accept
constexpr std::size_t alignment = 8;                 // of the data in the file
constexpr std::size_t most_dimensions = 64;
constexpr int deepest = 4;  // { name: { "shape": [ element ] } }
constexpr std::string_view metadata_key = "__metadata__";

constexpr std::array<std::pair<std::string_view, ir::DType>, 8> dtype_names{{{"F64", ir::DType::f64},
                                                                             {"F32", ir::DType::f32},
                                                                             {"BF16", ir::DType::bf16},
                                                                             {"I64", ir::DType::i64},
                                                                             {"I32", ir::DType::i32},
                                                                             {"U16", ir::DType::u16},
                                                                             {"U8", ir::DType::u8},
                                                                             {"BOOL", ir::DType::boolean}}};

std::string_view file_name(ir::DType dtype) {
  return std::find_if(dtype_names.begin(), dtype_names.end(), [&](const auto& d) { return d.second == dtype; })->first;
}

/// Parses JSON; a doubled key or a nesting beyond any header's is a `problem`.
class HeaderParser {
 public:
  Json parse(std::string_view text) {
    const auto callback = [this](int depth, Json::parse_event_t event, const Json& value) {
      return accept(depth, event, value);
    };
    Json json = Json::parse(text, callback, /*allow_exceptions=*/false);
    if (problem.empty() && !json.is_object()) problem = "its header is not a JSON object";
    return json;
  }

  std::string problem;

 private:
  bool accept(int depth, Json::parse_event_t event, const Json& value) {
    if (depth > deepest && problem.empty()) problem = "its header is nested too deeply";
    if (!problem.empty()) return false;
    const auto level = static_cast<std::size_t>(depth);
    if (event == Json::parse_event_t::object_start) keys_[level].clear();
    if (event == Json::parse_event_t::key && !keys_[level - 1].insert(value.get<std::string>()).second) {
      problem = fmt::format("its header has `{}` twice", printable(value.get<std::string>(), 200));
      return false;
    }
    return true;
  }

  std::array<std::set<std::string>, deepest + 1> keys_;  // of the object opened last at each depth
};

using Entry = SafetensorsFile::Entry;
using Entries = std::map<std::string, Entry>;

/// `entry` of the header, offsets within the data; or what is wrong with it.
std::string read_entry(const Json& json, std::size_t data_size, Entry& entry) {
  if (!json.is_object()) return "expected an object";
  for (const auto& item : json.items()) {
    if (item.key() != "dtype" && item.key() != "shape" && item.key() != "data_offsets") {
      return fmt::format("unknown key `{}`", printable(item.key(), 40));
    }
  }
  const auto dtype = json.find("dtype"), shape = json.find("shape"), offsets = json.find("data_offsets");
  if (dtype == json.end() || !dtype->is_string()) return "it has no dtype";
  const auto name = dtype->get<std::string>();
  const auto known =
      std::find_if(dtype_names.begin(), dtype_names.end(), [&](const auto& d) { return d.first == name; });
  if (known == dtype_names.end()) return fmt::format("its dtype `{}` is not supported", printable(name, 40));
  entry.type.dtype = known->second;

  if (shape == json.end() || !shape->is_array() || shape->size() > most_dimensions) return "it has no shape";
  std::int64_t size = ir::size_of(entry.type.dtype);
  for (const Json& dimension : *shape) {
    if (!dimension.is_number_unsigned()) return "a dimension of its shape is no natural number";
    const auto count = dimension.get<std::uint64_t>();
    if (__builtin_mul_overflow(size, count, &size)) return "its shape has too many elements";
    entry.type.shape.push_back(static_cast<std::int64_t>(count));
  }

  const bool pair = offsets != json.end() && offsets->is_array() && offsets->size() == 2 &&
                    (*offsets)[0].is_number_unsigned() && (*offsets)[1].is_number_unsigned();
  if (!pair) return "its data_offsets are not two natural numbers";
  const auto begin = (*offsets)[0].get<std::uint64_t>(), end = (*offsets)[1].get<std::uint64_t>();
  if (begin > end || end > data_size) {
    return fmt::format("its data_offsets [{}, {}] are not within the {} bytes of data", begin, end, data_size);
  }
  if (end - begin != static_cast<std::uint64_t>(size)) {
    return fmt::format("{} has {} bytes, but its data_offsets [{}, {}] hold {}", ir::to_string(entry.type), size, begin,
                       end, end - begin);
  }
  entry.begin = begin;
  entry.end = end;
  return {};
}

/// Whether the entries fill the data; what is wrong if not.
std::string check_offsets(const Entries& named, std::size_t data_size) {
  std::vector<const Entries::value_type*> entries;
  for (const auto& entry : named) entries.push_back(&entry);
  std::ranges::sort(entries, {}, [](const auto* entry) { return std::pair(entry->second.begin, entry->second.end); });
  std::size_t end = 0;
  for (const auto* entry : entries) {
    const std::size_t begin = entry->second.begin;
    if (begin != end) {
      return fmt::format("the data of `{}` begins at {}, expected {} ({})", printable(entry->first, 200), begin, end,
                         begin < end ? "it overlaps another tensor's" : "the bytes between belong to no tensor");
    }
    end = entry->second.end;
  }
  if (end != data_size) return fmt::format("the last {} bytes belong to no tensor", data_size - end);
  return {};
}

/// What the header says, or what is wrong with it.
std::string read_header(std::string_view text, std::size_t data_size, Entries& entries, Metadata& metadata) {
  HeaderParser parser;
  const Json header = parser.parse(text);
  if (!parser.problem.empty()) return parser.problem;
  for (const auto& item : header.items()) {
    if (item.key() == metadata_key) {
      const bool texts = item.value().is_object() && std::all_of(item.value().begin(), item.value().end(),
                                                                 [](const Json& value) { return value.is_string(); });
      if (!texts) return "its __metadata__ is not a map of texts";
      for (const auto& text : item.value().items()) metadata[text.key()] = text.value().get<std::string>();
      continue;
    }
    const std::string problem = read_entry(item.value(), data_size, entries[item.key()]);
    if (!problem.empty()) return fmt::format("tensor `{}`: {}", printable(item.key(), 200), problem);
  }
  return check_offsets(entries, data_size);
}

}  // namespace

std::optional<SafetensorsFile> SafetensorsFile::open(const std::string& path, ir::Diagnostics& diagnostics) {
  std::optional<InputFile> opened = InputFile::open(path, diagnostics);
  if (!opened) return std::nullopt;
  SafetensorsFile file(*std::move(opened));
  const std::size_t size = file.file_.size();
  const auto failed = [&](const std::string& problem) {
    diagnostics.error(whole_file(path), problem);
    return std::nullopt;
  };

  std::array<std::byte, length_size> first{};
  const std::optional<std::size_t> count = file.file_.read(0, first, diagnostics);
  if (!count) return std::nullopt;
  if (*count < length_size) return failed(fmt::format("expected an 8-byte length, the file has {} bytes", *count));
  std::uint64_t length = 0;
  for (std::size_t i = length_size; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(first[i]);
  if (size < length_size || length > size - length_size || length > longest_header) {
    return failed(
        fmt::format("its first 8 bytes say that the header has {} bytes, but the file has {}: it is truncated or no "
                    "safetensors file",
                    length, size));
  }

  std::string header(length, ' ');
  const auto read = file.file_.read(length_size, std::as_writable_bytes(std::span(header)), diagnostics);
  if (!read) return std::nullopt;
  const std::size_t data = length_size + length;
  const std::string problem =
      read_header(std::string_view(header).substr(0, *read), size - data, file.entries_, file.metadata_);
  if (!problem.empty()) return failed(problem);
  for (auto& [name, entry] : file.entries_) {
    entry.begin += data;
    entry.end += data;
  }
  return file;
}

ir::Status SafetensorsFile::read(const std::string& name, std::span<std::byte> into,
                                 ir::Diagnostics& diagnostics) const {
  const Entry& entry = entries_.at(name);
  NNC_CHECK(into.size() == entry.end - entry.begin, "{} bytes for {}", into.size(), name);
  const std::optional<std::size_t> count = file_.read(entry.begin, into, diagnostics);
  if (!count) return ir::Status::failed;
  const auto failed = [&](std::string_view problem) {
    diagnostics.error(whole_file(file_.path()), fmt::format("tensor `{}`: {}", printable(name, 200), problem));
    return ir::Status::failed;
  };
  if (*count < into.size()) return failed("the file was shortened while it was read");
  const bool truth = entry.type.dtype == ir::DType::boolean;
  if (truth && std::ranges::any_of(into, [](std::byte b) { return b > std::byte{1}; }))
    return failed("a bool is neither 0 nor 1");
  return ir::Status::ok;
}

std::optional<NamedTensors> read_safetensors(const std::string& path, ir::Diagnostics& diagnostics) {
  const std::optional<SafetensorsFile> file = SafetensorsFile::open(path, diagnostics);
  if (!file) return std::nullopt;
  NamedTensors tensors;
  for (const auto& [name, entry] : file->entries()) {
    ir::Tensor& tensor = tensors.emplace(name, entry.type).first->second;
    if (file->read(name, tensor.bytes(), diagnostics) == ir::Status::failed) return std::nullopt;
  }
  return tensors;
}

ir::Status write_safetensors(const std::string& path, const NamedViews& tensors, ir::Diagnostics& diagnostics,
                             const Metadata& metadata) {
  // Wide elements first, so that each tensor begins at a multiple of its element's size.
  std::vector<const NamedViews::value_type*> order;
  for (const auto& named : tensors) order.push_back(&named);
  std::ranges::stable_sort(order, std::greater(),
                           [](const auto* named) { return ir::size_of(named->second.type.dtype); });

  Json header = Json::object();
  if (!metadata.empty()) header[std::string(metadata_key)] = metadata;
  std::vector<std::string_view> parts(2);  // the length and the header, then the data
  std::size_t begin = 0;
  for (const auto* named : order) {
    const TensorView& tensor = named->second;
    parts.emplace_back(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    header[named->first] = {{"dtype", file_name(tensor.type.dtype)},
                            {"shape", tensor.type.shape},
                            {"data_offsets", {begin, begin + tensor.bytes.size()}}};
    begin += tensor.bytes.size();
  }
  std::string text = header.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  text.append((alignment - text.size() % alignment) % alignment, ' ');
  std::string length;
  for (std::size_t i = 0; i < length_size; ++i) length += static_cast<char>(text.size() >> 8 * i & 0xff);
  parts[0] = length;
  parts[1] = text;
  return write_atomically(path, parts, diagnostics);
}

}  // namespace nnc::runtime
