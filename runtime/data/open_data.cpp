// Which reader a path calls for.
#include "runtime/data/csv.h"
#include "runtime/data/dataset.h"
#include "runtime/data/file.h"
#include "runtime/data/idx.h"
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
    "expected a directory with IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, plain or .gz), a .csv "
    "file, a text file for a field of chars, or a token file (u16) for one of tokens";

enum class Format { idx, csv, text, tokens };

struct Told {
  Format format;
  std::vector<std::string> names = {};  // a directory's entries, sorted
};

bool has_source(const std::vector<ir::DataField>& fields, Source source) {
  return std::any_of(fields.begin(), fields.end(), [&](const ir::DataField& f) { return f.source == source; });
}

/// What a directory that has no reader holds, as far as messages go.
std::string_view kind_of_directory(const std::vector<std::string>& names, bool folders) {
  const auto has = [&](std::string_view ending) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return n.ends_with(ending); });
  };
  if (names.empty()) return "an empty directory";
  if (has("_batch.bin") || has("batch_1.bin")) return "CIFAR files, which have no reader";
  if (folders) return "a directory of folders, which has no reader";
  return "a directory without IDX files";
}

std::optional<Told> tell_directory(const std::string& path, ir::Diagnostics& diagnostics) {
  std::vector<std::string> names;
  bool folders = false;
  std::error_code error;
  fs::directory_iterator entry(path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
    std::error_code unused;
    folders = folders || entry->is_directory(unused);
  }
  if (error) {
    diagnostics.error(whole_file(path), fmt::format("cannot read it: {}", error.message()));
    return std::nullopt;
  }
  std::sort(names.begin(), names.end());
  if (has_idx(names)) return Told{Format::idx, std::move(names)};
  diagnostics.error(whole_file(path), fmt::format("{}; found {}", supported, kind_of_directory(names, folders)));
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
  for (const std::string_view ending : {".npy", ".npz"}) {
    if (path.ends_with(ending)) return failed(fmt::format("a {} file, which has no reader", ending));
  }
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

bool has_validation(const Told& told) { return told.format == Format::idx && has_idx(told.names, idx_test); }

/// `training`: what the part validates, or null.
std::optional<Dataset> read(const Told& told, const std::string& path, Part part,
                            const std::vector<ir::DataField>& fields, const Dataset* training,
                            ir::Diagnostics& diagnostics) {
  switch (told.format) {
    case Format::idx:
      return read_idx(path, told.names, part == Part::train ? idx_train : idx_test, fields, diagnostics);
    case Format::csv: return read_csv(path, fields, training, diagnostics);
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
  if (validates) validation = read(*told, path, Part::validation, fields, train ? &*train : nullptr, diagnostics);
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
