// Reading a safetensors file, which may be anything:
//
//  1. The header's length must lie within the file, its JSON within a few levels, without a name twice.
//  2. Each entry must have a dtype of ours, a shape, and offsets that lie within the data and hold that many bytes.
//  3. Sorted by offset, the tensors must fill the data without gap or overlap.
//  4. Only then are elements copied.
#include "runtime/checkpoint.h"

#include "runtime/atomic_file.h"
#include "runtime/data/file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <utility>

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

struct Entry {
  std::string name;
  ir::Type type;
  std::size_t begin = 0, end = 0;
};

/// `entry` of the header, or what is wrong with it.
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
std::string check_offsets(std::vector<Entry>& entries, std::size_t data_size) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::size_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      return fmt::format("the data of `{}` begins at {}, expected {} ({})", printable(entry.name, 200), entry.begin,
                         end,
                         entry.begin < end ? "it overlaps another tensor's" : "the bytes between belong to no tensor");
    }
    end = entry.end;
  }
  if (end != data_size) return fmt::format("the last {} bytes belong to no tensor", data_size - end);
  return {};
}

/// All tensors in the file, or what is wrong with it.
std::string read_tensors(std::string_view file, NamedTensors& tensors, Metadata& metadata) {
  if (file.size() < length_size) return fmt::format("expected an 8-byte length, the file has {} bytes", file.size());
  std::uint64_t length = 0;
  for (std::size_t i = length_size; i-- > 0;) length = length << 8 | static_cast<unsigned char>(file[i]);
  if (length > file.size() - length_size || length > longest_header) {
    return fmt::format(
        "its first 8 bytes say that the header has {} bytes, but the file has {}: it is truncated or no "
        "safetensors file",
        length, file.size());
  }
  const std::string_view data = file.substr(length_size + length);
  HeaderParser parser;
  const Json header = parser.parse(file.substr(length_size, length));
  if (!parser.problem.empty()) return parser.problem;

  std::vector<Entry> entries;
  for (const auto& item : header.items()) {
    if (item.key() == metadata_key) {
      const bool texts = item.value().is_object() && std::all_of(item.value().begin(), item.value().end(),
                                                                 [](const Json& value) { return value.is_string(); });
      if (!texts) return "its __metadata__ is not a map of texts";
      for (const auto& text : item.value().items()) metadata[text.key()] = text.value().get<std::string>();
      continue;
    }
    Entry& entry = entries.emplace_back();
    entry.name = item.key();
    const std::string problem = read_entry(item.value(), data.size(), entry);
    if (!problem.empty()) return fmt::format("tensor `{}`: {}", printable(entry.name, 200), problem);
  }
  const std::string problem = check_offsets(entries, data.size());
  if (!problem.empty()) return problem;

  for (const Entry& entry : entries) {
    const std::string_view bytes = data.substr(entry.begin, entry.end - entry.begin);
    const bool truth = entry.type.dtype == ir::DType::boolean;
    if (truth && std::any_of(bytes.begin(), bytes.end(), [](char c) { return c != 0 && c != 1; })) {
      return fmt::format("tensor `{}`: a bool is neither 0 nor 1", printable(entry.name, 200));
    }
    ir::Tensor tensor(entry.type);
    if (!bytes.empty()) std::memcpy(tensor.bytes().data(), bytes.data(), bytes.size());
    tensors.emplace(entry.name, std::move(tensor));
  }
  return {};
}

}  // namespace

std::optional<NamedTensors> read_safetensors(const std::string& path, ir::Diagnostics& diagnostics,
                                             Metadata* metadata) {
  const std::optional<std::string> file = read_file(path, diagnostics);
  if (!file) return std::nullopt;
  NamedTensors tensors;
  Metadata unused;
  const std::string problem = read_tensors(*file, tensors, metadata ? *metadata : unused);
  if (problem.empty()) return tensors;
  diagnostics.error(whole_file(path), problem);
  return std::nullopt;
}

ir::Status write_safetensors(const std::string& path, const NamedTensors& tensors, ir::Diagnostics& diagnostics,
                             const Metadata& metadata) {
  // Wide elements first, so that each tensor begins at a multiple of its element's size.
  std::vector<const NamedTensors::value_type*> order;
  for (const auto& named : tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return ir::size_of(a->second.type().dtype) > ir::size_of(b->second.type().dtype);
  });

  Json header = Json::object();
  if (!metadata.empty()) header[std::string(metadata_key)] = metadata;
  std::string data;
  for (const auto* named : order) {
    const ir::Tensor& tensor = named->second;
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
    header[named->first] = {{"dtype", file_name(tensor.type().dtype)},
                            {"shape", tensor.type().shape},
                            {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  text.append((alignment - text.size() % alignment) % alignment, ' ');
  std::string length;
  for (std::size_t i = 0; i < length_size; ++i) length += static_cast<char>(text.size() >> 8 * i & 0xff);
  return write_atomically(path, {length, text, data}, diagnostics);
}

}  // namespace nnc::runtime
