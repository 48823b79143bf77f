#include "runtime/data/image_folder.h"

#include "runtime/data/exact.h"
#include "runtime/data/file.h"
#include "runtime/data/fit.h"
#include "runtime/data/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>

namespace nnc::runtime {

namespace {

namespace fs = std::filesystem;

struct Labelled {
  std::string path;
  std::int64_t label = 0;
};

bool is_image(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.ends_with(".png") || lower.ends_with(".jpg") || lower.ends_with(".jpeg");
}

/// What the field asks of an image; nothing after an error.
struct Wanted {
  int channels = 0;
  ImageSize size;
};
std::optional<Wanted> wanted(const ir::DataField& field, const std::string& directory, ir::Diagnostics& diagnostics) {
  const ir::Shape& shape = field.type.shape;
  if (shape.size() == 2) return Wanted{1, {shape[0], shape[1]}};
  if (shape.size() == 3 && (shape[0] == 1 || shape[0] == 3)) {
    return Wanted{static_cast<int>(shape[0]), {shape[1], shape[2]}};
  }
  fail({directory},
       fmt::format("field `{}` is {}, expected [height, width] or [channels, height, width] with 1 or 3 channels, as "
                   "images have",
                   field.name, ir::to_string(field.type)),
       diagnostics);
  return std::nullopt;
}

class FolderReader {
 public:
  FolderReader(const std::string& directory, const Dataset* training, ir::Diagnostics& diagnostics)
      : directory_(directory), diagnostics_(diagnostics), before_(diagnostics.count()) {
    if (!training) return;
    for (const Column& column : training->columns()) {
      if (column.field.name == "label") classes_ = column.symbols;
    }
  }

  std::optional<Dataset> read(const std::vector<ir::DataField>& fields) {
    list();
    std::vector<Column> columns;
    for (const ir::DataField& field : fields) {
      if (diagnostics_.count() > before_) return std::nullopt;
      std::optional<Column> column;
      if (field.name == "image") {
        column = images(field);
      } else if (field.name == "label") {
        column = labels(field);
      } else {
        const std::string near = ir::nearest_name(field.name, {"image", "label"});
        fail({directory_},
             fmt::format("no column for field `{}`: an image folder has `image` and `label`{}", field.name,
                         near.empty() ? "" : fmt::format("; did you mean `{}`?", near)),
             diagnostics_);
      }
      if (!column) return std::nullopt;
      column->place = [files = files_](std::int64_t example, std::int64_t, ir::Diagnostics&) {
        return whole_file(files.at(static_cast<std::size_t>(example)).path);
      };
      columns.push_back(std::move(*column));
    }
    return join(std::move(columns), diagnostics_);
  }

 private:
  /// The names in a directory, sorted, without hidden ones.
  std::vector<fs::directory_entry> entries(const std::string& directory) {
    std::vector<fs::directory_entry> out;
    std::error_code error;
    fs::directory_iterator entry(directory, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      if (!entry->path().filename().string().starts_with('.')) out.push_back(*entry);
    }
    if (error) fail({directory}, fmt::format("cannot read it: {}", error.message()), diagnostics_);
    std::sort(out.begin(), out.end());
    return out;
  }

  /// Finds the classes and their images.
  void list() {
    const bool given = !classes_.empty();
    for (const fs::directory_entry& entry : entries(directory_)) {
      const std::string name = entry.path().filename().string();
      std::error_code unused;
      if (!entry.is_directory(unused)) {
        if (is_image(name)) fail({entry.path().string()}, "an image beside the folders has no class", diagnostics_);
        continue;
      }
      const auto known = std::find(classes_.begin(), classes_.end(), name);
      if (given && known == classes_.end()) {
        fail({entry.path().string()}, "the training data has no such class", diagnostics_);
        continue;
      }
      const std::int64_t label = given ? known - classes_.begin() : static_cast<std::int64_t>(classes_.size());
      if (!given) classes_.push_back(name);
      list_class(entry.path().string(), label);
    }
    if (files_.empty() && diagnostics_.count() == before_) {
      fail({directory_}, "expected a folder of images for each class, found none", diagnostics_);
    }
  }

  void list_class(const std::string& folder, std::int64_t label) {
    const std::size_t others = files_.size();
    for (const fs::directory_entry& entry : entries(folder)) {
      const std::string path = entry.path().string();
      if (is_image(path)) {
        files_.push_back({path, label});
      } else {
        std::error_code unused;
        fail({path},
             fmt::format("expected a .png, .jpg or .jpeg file in the folder of a class, found {}",
                         entry.is_directory(unused) ? "a directory" : "a file of another kind"),
             diagnostics_);
      }
    }
    if (files_.size() == others) fail({folder}, "the class has no images", diagnostics_);
  }

  ir::Type type_of(const ir::DataField& field) const {
    ir::Type type = field.type;
    type.shape.insert(type.shape.begin(), static_cast<std::int64_t>(files_.size()));
    return type;
  }

  std::optional<Column> images(const ir::DataField& field) {
    const std::optional<Wanted> want = wanted(field, directory_, diagnostics_);
    if (!want) return std::nullopt;
    if (const std::string why = misfit(std::int64_t{255}, field.type.dtype); !why.empty()) {
      fail({directory_}, fmt::format("field `{}`: a pixel may be 255, which {}", field.name, why), diagnostics_);
      return std::nullopt;
    }
    ir::Tensor values(type_of(field));
    std::int64_t at = 0;
    // A page of errors is enough.
    for (const Labelled& file : files_) {
      if (diagnostics_.count() - before_ >= ir::Diagnostics::max_errors) break;
      const std::optional<std::string> bytes = read_file(file.path, diagnostics_);
      if (!bytes) continue;
      std::string problem;
      const std::optional<Image> image = decode_image(*bytes, want->size, problem);
      if (!image) {
        fail({file.path}, problem, diagnostics_);
        continue;
      }
      for (const std::uint8_t pixel : planes(*image, want->channels)) values.set_integer(at++, pixel);
    }
    if (diagnostics_.count() > before_) return std::nullopt;
    return Column{field, std::move(values), directory_};
  }

  std::optional<Column> labels(const ir::DataField& field) {
    if (field.type.rank() != 0) {
      fail({directory_},
           fmt::format("field `{}` is {}, but the class is a single number", field.name, ir::to_string(field.type)),
           diagnostics_);
      return std::nullopt;
    }
    const auto last = static_cast<std::int64_t>(classes_.size()) - 1;
    if (const std::string why = misfit(last, field.type.dtype); !why.empty()) {
      fail({directory_}, fmt::format("field `{}`: the last class is {}, which {}", field.name, last, why),
           diagnostics_);
      return std::nullopt;
    }
    ir::Tensor values(type_of(field));
    for (std::size_t i = 0; i < files_.size(); ++i) {
      values.set_integer(static_cast<std::int64_t>(i), files_[i].label);
    }
    Column column{field, std::move(values), directory_};
    column.symbols = classes_;
    return column;
  }

  const std::string& directory_;
  ir::Diagnostics& diagnostics_;
  int before_;
  std::vector<std::string> classes_;
  std::vector<Labelled> files_;
};

}  // namespace

std::optional<Dataset> read_image_folder(const std::string& directory, const std::vector<ir::DataField>& fields,
                                         const Dataset* training, ir::Diagnostics& diagnostics) {
  return FolderReader(directory, training, diagnostics).read(fields);
}

}  // namespace nnc::runtime
