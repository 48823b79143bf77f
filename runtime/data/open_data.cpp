// Which reader a path calls for.
#include "runtime/data/csv.h"
#include "runtime/data/dataset.h"
#include "runtime/data/file.h"
#include "runtime/data/idx.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

namespace nnc::runtime {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view supported =
    "expected a directory with IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, plain or .gz) or a .csv "
    "file";

/// What is told by the path, as far as messages go, and can be read or not.
enum class Format { idx, csv, none };

struct Told {
  Format format = Format::none;
  std::vector<std::string> names;  // a directory's entries, sorted
};

/// Names formats that are recognized but have no reader, so that the message says more than "unknown".
std::string_view kind_of_directory(const std::vector<std::string>& names, bool folders) {
  const auto has = [&](std::string_view ending) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return n.ends_with(ending); });
  };
  if (names.empty()) return "an empty directory";
  if (has("_batch.bin") || has("batch_1.bin")) return "CIFAR files, which have no reader";
  if (folders) return "a directory of folders, which has no reader";
  return "a directory without IDX files";
}

std::optional<Told> tell_format(const std::string& path, ir::Diagnostics& diagnostics) {
  const auto failed = [&](std::string_view found) {
    diagnostics.error(whole_file(path), fmt::format("{}; found {}", supported, found));
    return std::nullopt;
  };
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    const bool missing = status.type() == fs::file_type::not_found;
    diagnostics.error(whole_file(path),
                      fmt::format("cannot read it: {}", missing ? "No such file or directory" : error.message()));
    return std::nullopt;
  }
  if (fs::is_directory(status)) {
    Told told;
    bool folders = false;
    fs::directory_iterator entry(path, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      told.names.push_back(entry->path().filename().string());
      std::error_code unused;
      folders = folders || entry->is_directory(unused);
    }
    if (error) {
      diagnostics.error(whole_file(path), fmt::format("cannot read it: {}", error.message()));
      return std::nullopt;
    }
    std::sort(told.names.begin(), told.names.end());
    if (!has_idx(told.names)) return failed(kind_of_directory(told.names, folders));
    told.format = Format::idx;
    return told;
  }
  if (!fs::is_regular_file(status)) return failed("a device, pipe or socket");
  if (path.ends_with(".csv")) return Told{Format::csv, {}};
  for (const std::string_view ending : std::array<std::string_view, 3>{".npy", ".npz", ".bin"}) {
    if (path.ends_with(ending)) return failed(fmt::format("a {} file, which has no reader", ending));
  }
  if (path.find("-ubyte") != std::string::npos) return failed("an IDX file: name its directory");
  return failed("a file of another kind");
}

/// Fields that no reader here can fill.
bool check_fields(const std::string& path, const std::vector<ir::DataField>& fields, ir::Diagnostics& diagnostics) {
  bool good = true;
  for (const ir::DataField& field : fields) {
    std::string_view needs;
    if (field.source == ir::DataField::Source::chars) needs = "chars, which text files would fill";
    if (field.source == ir::DataField::Source::tokens) needs = "tokens, which token files would fill";
    if (field.type.dtype == ir::DType::bf16) needs = "bf16, of which there are no files";
    if (needs.empty()) continue;
    diagnostics.error(whole_file(path), fmt::format("field `{}` is {}; {}", field.name, needs, supported));
    good = false;
  }
  return good;
}

}  // namespace

std::optional<OpenedData> open_data(const std::string& path, const std::vector<ir::DataField>& fields,
                                    ir::Diagnostics& diagnostics, bool want_validation) {
  const std::optional<Told> told = tell_format(path, diagnostics);
  if (!told || !check_fields(path, fields, diagnostics)) return std::nullopt;
  if (told->format == Format::csv) {
    std::optional<Dataset> data = read_csv(path, fields, nullptr, diagnostics);
    if (!data) return std::nullopt;
    return OpenedData{std::move(*data), std::nullopt};
  }
  std::optional<Dataset> train = read_idx(path, told->names, idx_train, fields, diagnostics);
  std::optional<Dataset> validation;
  const bool validates = want_validation && has_idx(told->names, idx_test);
  if (validates) validation = read_idx(path, told->names, idx_test, fields, diagnostics);
  if (!train || (validates && !validation)) return std::nullopt;
  return OpenedData{std::move(*train), std::move(validation)};
}

std::optional<Dataset> open_validation(const std::string& path, const std::vector<ir::DataField>& fields,
                                       const Dataset& training, ir::Diagnostics& diagnostics) {
  const std::optional<Told> told = tell_format(path, diagnostics);
  if (!told || !check_fields(path, fields, diagnostics)) return std::nullopt;
  if (told->format == Format::csv) return read_csv(path, fields, &training, diagnostics);
  return read_idx(path, told->names, has_idx(told->names, idx_test) ? idx_test : idx_train, fields, diagnostics);
}

}  // namespace nnc::runtime
