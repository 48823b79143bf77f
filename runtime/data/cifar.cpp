#include "runtime/data/cifar.h"

#include "runtime/data/file.h"
#include "runtime/data/fit.h"
#include "runtime/data/raw.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace nnc::runtime {

namespace {

const ir::Shape image_shape{3, 32, 32};
constexpr std::size_t image_bytes = 3 * 32 * 32, record_bytes = 1 + image_bytes;
constexpr int classes = 10;

/// N of data_batch_N.bin.
std::optional<int> batch_number(std::string_view name) {
  constexpr std::string_view begin = "data_batch_", end = ".bin";
  if (!name.starts_with(begin) || !name.ends_with(end) || name.size() <= begin.size() + end.size()) return std::nullopt;
  name = name.substr(begin.size(), name.size() - begin.size() - end.size());
  int number = 0;
  const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || stop != name.data() + name.size()) return std::nullopt;
  return number;
}

/// Appends a file's records to the planes of all images and to all labels.
bool read_batch(const std::string& path, std::string& images, std::string& labels, ir::Diagnostics& diagnostics) {
  const std::optional<std::string> file = read_file(path, diagnostics);
  if (!file) return false;
  if (file->size() % record_bytes != 0) {
    return fail({path},
                fmt::format("expected records of {} bytes, a label and 3 x 32 x 32 pixels, found {} and {} bytes more",
                            record_bytes, file->size() / record_bytes, file->size() % record_bytes),
                diagnostics);
  }
  for (std::size_t at = 0; at < file->size(); at += record_bytes) {
    const int label = static_cast<unsigned char>((*file)[at]);
    if (label >= classes) {
      return fail({path},
                  fmt::format("record {}, at byte {}, has the label {}, expected 0 to {}", at / record_bytes + 1, at,
                              label, classes - 1),
                  diagnostics);
    }
    labels += (*file)[at];
    images.append(*file, at + 1, image_bytes);
  }
  return true;
}

}  // namespace

std::vector<std::string> cifar_train_files(const std::vector<std::string>& names) {
  std::vector<std::pair<int, std::string>> numbered;
  for (const std::string& name : names) {
    if (const std::optional<int> number = batch_number(name)) numbered.emplace_back(*number, name);
  }
  std::sort(numbered.begin(), numbered.end());
  std::vector<std::string> files;
  for (auto& [number, name] : numbered) files.push_back(std::move(name));
  return files;
}

std::vector<std::string> cifar_test_files(const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), "test_batch.bin");
  return found == names.end() ? std::vector<std::string>() : std::vector<std::string>{*found};
}

std::optional<Dataset> read_cifar(const std::string& directory, const std::vector<std::string>& files,
                                  const std::vector<ir::DataField>& fields, ir::Diagnostics& diagnostics) {
  const int before = diagnostics.count();
  for (const ir::DataField& field : fields) {
    ir::Shape shape{1};
    if (field.name == "image") {
      shape.insert(shape.end(), image_shape.begin(), image_shape.end());
    } else if (field.name != "label") {
      const std::string near = ir::nearest_name(field.name, {"image", "label"});
      fail({directory},
           fmt::format("no column for field `{}`: CIFAR-10 has `image` and `label`{}", field.name,
                       near.empty() ? "" : fmt::format("; did you mean `{}`?", near)),
           diagnostics);
      continue;
    }
    static_cast<void>(has_shape_of(field, shape, {directory}, diagnostics));
  }
  if (files.empty()) fail({directory}, "expected the training files data_batch_1.bin, ..., found none", diagnostics);
  if (diagnostics.count() > before) return std::nullopt;

  std::string images, labels;
  for (const std::string& file : files) {
    if (!read_batch(directory + "/" + file, images, labels, diagnostics)) return std::nullopt;
  }
  const auto examples = static_cast<std::int64_t>(labels.size());
  const RawType bytes{RawType::Kind::natural, 1, false};
  std::vector<Column> columns;
  for (const ir::DataField& field : fields) {
    ir::Shape shape{examples};
    const bool is_image = field.name == "image";
    if (is_image) shape.insert(shape.end(), image_shape.begin(), image_shape.end());
    std::optional<Column> column =
        cast_exactly(decode(is_image ? images : labels, bytes, shape), field, {directory}, diagnostics);
    if (!column) return std::nullopt;
    columns.push_back(std::move(*column));
  }
  return join(std::move(columns), diagnostics);
}

}  // namespace nnc::runtime
