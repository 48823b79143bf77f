// Which reader a path calls for.
#include "runtime/data/cifar.h"
#include "runtime/data/csv.h"
#include "runtime/data/dataset.h"
#include "runtime/data/file.h"
#include "runtime/data/idx.h"
#include "runtime/data/image_folder.h"
#include "runtime/data/npy.h"
#include "runtime/data/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace nnc::runtime {

namespace {

namespace fs = std::filesystem;
using Source = ir::DataField::Source;

constexpr std::string_view supported =
    "expected a directory with IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, plain or .gz), CIFAR-10's "
    "binary files (data_batch_1.bin) or a folder of images for each class; a .csv, .npy or .npz file; a text file for "
    "a field of chars; a token file (u16) for one of tokens";

enum class Format { idx, cifar, image_folder, csv, npy, npz, text, tokens };

struct Told {
  Format format;
  std::vector<std::string> names = {};    // a directory's entries, sorted
  std::vector<std::string> folders = {};  // those that are directories
};

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool has_source(const std::vector<ir::DataField>& fields, Source source) {
  return std::any_of(fields.begin(), fields.end(), [&](const ir::DataField& f) { return f.source == source; });
}

std::optional<Told> tell_directory(const std::string& path, ir::Diagnostics& diagnostics) {
  Told told{Format::idx};
  std::error_code error;
  fs::directory_iterator entry(path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    told.names.push_back(entry->path().filename().string());
    std::error_code unused;
    const bool folder = entry->is_directory(unused) && !told.names.back().starts_with('.');
    if (folder) told.folders.push_back(told.names.back());
  }
  if (error) {
    diagnostics.error(whole_file(path), fmt::format("cannot read it: {}", error.message()));
    return std::nullopt;
  }
  std::sort(told.names.begin(), told.names.end());
  const bool cifar = !cifar_train_files(told.names).empty() || !cifar_test_files(told.names).empty();
  if (has_idx(told.names)) return told;
  if (cifar || !told.folders.empty()) {
    told.format = cifar ? Format::cifar : Format::image_folder;
    return told;
  }
  diagnostics.error(whole_file(path),
                    fmt::format("{}; found {}", supported,
                                told.names.empty() ? "an empty directory" : "a directory with files of another kind"));
  return std::nullopt;
}

std::optional<Told> tell_format(const std::string& path, const std::vector<ir::DataField>& fields,
                                ir::Diagnostics& diagnostics) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    const bool missing = status.type() == fs::file_type::not_found;
    diagnostics.error(whole_file(path),
                      fmt::format("cannot read it: {}", missing ? "No such file or directory" : error.message()));
    return std::nullopt;
  }
  if (fs::is_directory(status)) return tell_directory(path, diagnostics);
  const auto failed = [&](std::string_view found) {
    diagnostics.error(whole_file(path), fmt::format("{}; found {}", supported, found));
    return std::nullopt;
  };
  if (!fs::is_regular_file(status)) return failed("a device, pipe or socket");
  if (path.ends_with(".csv")) return Told{Format::csv};
  if (path.ends_with(".npy")) return Told{Format::npy};
  if (path.ends_with(".npz")) return Told{Format::npz};
  if (path.find("-ubyte") != std::string::npos) return failed("an IDX file: name its directory");
  if (has_source(fields, Source::chars)) return Told{Format::text};
  if (has_source(fields, Source::tokens)) return Told{Format::tokens};
  return failed("a file of another kind");
}

/// Fields that the format cannot fill.
bool check_fields(const std::string& path, Format format, const std::vector<ir::DataField>& fields,
                  ir::Diagnostics& diagnostics) {
  const bool sequence = format == Format::text || format == Format::tokens;
  bool good = true;
  const auto failed = [&](const std::string& what) {
    diagnostics.error(whole_file(path), what);
    good = false;
  };
  if (sequence && fields.size() > 1) {
    failed(fmt::format("a {} fills one field, but the model has `{}` and `{}`",
                       format == Format::text ? "text" : "token file", fields[0].name, fields[1].name));
  }
  for (const ir::DataField& field : fields) {
    std::string_view needs;
    if (!sequence && field.source == Source::chars) needs = "chars, which a text file fills";
    if (!sequence && field.source == Source::tokens) needs = "tokens, which a token file fills";
    if (field.type.dtype == ir::DType::bf16) needs = "bf16, of which there are no files";
    if (!needs.empty()) failed(fmt::format("field `{}` is {}; {}", field.name, needs, supported));
  }
  return good;
}

/// A format's own division: what trains, and what it sets apart for validation.
enum class Part { train, validation };

/// Whether a directory of images has a part for training and one for validation.
bool is_divided(const Told& told) {
  return contains(told.folders, train_folder) && contains(told.folders, validation_folder);
}

bool has_validation(const Told& told) {
  switch (told.format) {
    case Format::idx: return has_idx(told.names, idx_test);
    case Format::cifar: return !cifar_test_files(told.names).empty();
    case Format::image_folder: return is_divided(told);
    default: return false;
  }
}

/// `training`: what the part validates, or null.
std::optional<Dataset> read(const Told& told, const std::string& path, Part part,
                            const std::vector<ir::DataField>& fields, const Dataset* training,
                            ir::Diagnostics& diagnostics) {
  switch (told.format) {
    case Format::idx:
      return read_idx(path, told.names, part == Part::train ? idx_train : idx_test, fields, diagnostics);
    case Format::cifar: {
      const bool trains = part == Part::train;
      return read_cifar(path, trains ? cifar_train_files(told.names) : cifar_test_files(told.names), fields,
                        diagnostics);
    }
    case Format::image_folder: {
      const fs::path folder = fs::path(path) / (part == Part::train ? train_folder : validation_folder);
      return read_image_folder(is_divided(told) ? folder.string() : path, fields, training, diagnostics);
    }
    case Format::csv: return read_csv(path, fields, training, diagnostics);
    case Format::npy: return read_npy(path, fields, diagnostics);
    case Format::npz: return read_npz(path, fields, diagnostics);
    case Format::text: return read_text(path, fields.at(0), training, diagnostics);
    case Format::tokens: return read_tokens(path, fields.at(0), diagnostics);
  }
  return std::nullopt;
}

}  // namespace

std::optional<OpenedData> open_data(const std::string& path, const std::vector<ir::DataField>& fields,
                                    ir::Diagnostics& diagnostics, bool want_validation) {
  const std::optional<Told> told = tell_format(path, fields, diagnostics);
  if (!told || !check_fields(path, told->format, fields, diagnostics)) return std::nullopt;
  std::optional<Dataset> train = read(*told, path, Part::train, fields, nullptr, diagnostics);
  const bool validates = want_validation && has_validation(*told);
  std::optional<Dataset> validation;
  if (validates && train) validation = read(*told, path, Part::validation, fields, &*train, diagnostics);
  if (!train || (validates && !validation)) return std::nullopt;
  return OpenedData{std::move(*train), std::move(validation)};
}

std::optional<Dataset> open_validation(const std::string& path, const std::vector<ir::DataField>& fields,
                                       const Dataset& training, ir::Diagnostics& diagnostics) {
  const std::optional<Told> told = tell_format(path, fields, diagnostics);
  if (!told || !check_fields(path, told->format, fields, diagnostics)) return std::nullopt;
  return read(*told, path, has_validation(*told) ? Part::validation : Part::train, fields, &training, diagnostics);
}

}  // namespace nnc::runtime
