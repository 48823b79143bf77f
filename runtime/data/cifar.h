// CIFAR-10's binary files: a directory with data_batch_1.bin, data_batch_2.bin, ..., which train, and test_batch.bin,
// which validates. A record is the label (0 to 9) and then 3072 bytes, red, green and blue planes of 32 x 32. Field
// `image` is the images, field `label` the labels.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "runtime/data/dataset.h"

#include <optional>
#include <string>
#include <vector>

namespace nnc::runtime {

/// The training files among `names` (a directory's entries), in order of their numbers; the test file.
std::vector<std::string> cifar_train_files(const std::vector<std::string>& names);
std::vector<std::string> cifar_test_files(const std::vector<std::string>& names);

std::optional<Dataset> read_cifar(const std::string& directory, const std::vector<std::string>& files,
                                  const std::vector<ir::DataField>& fields, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
