// A directory with one folder a class, which holds PNG (.png) and JPEG (.jpg, .jpeg) images:
//
//   cats/a.png  cats/b.jpg  dogs/a.png    ->    label 0 0 1: the folders in sorted order
//
// If there are the folders train/ and val/, the class folders lie within them, and val/ validates. Field `image` is the
// images, u8[H, W] or u8[1, H, W] in grey, u8[3, H, W] in colour, all of that size; field `label` the classes.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "runtime/data/dataset.h"

#include <optional>
#include <string>
#include <vector>

namespace nnc::runtime {

inline constexpr const char* train_folder = "train";
inline constexpr const char* validation_folder = "val";

/// Images of `directory`, whose entries are class folders. `training`: the data whose classes label them; null: they
/// have their own.
std::optional<Dataset> read_image_folder(const std::string& directory, const std::vector<ir::DataField>& fields,
                                         const Dataset* training, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
