// Weights between a module's slots and files (checkpoint.h).
#include "ir/check.h"
#include "runtime/atomic_file.h"
#include "runtime/checkpoint.h"
#include "runtime/data/file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

namespace nnc::runtime {

namespace {

namespace fs = std::filesystem;

bool is_weight(const ir::Slot& slot) {
  return slot.kind == ir::SlotKind::parameter || slot.kind == ir::SlotKind::statistic;
}

/// A tensor of the file as the slot's value, or why it cannot be.
std::string convert(const ir::Tensor& tensor, const ir::Slot& slot, ir::Tensor& value) {
  if (tensor.type().shape != slot.type.shape) {
    return fmt::format("the model has {}, the file {}", ir::to_string(slot.type), ir::to_string(tensor.type()));
  }
  // Files keep statistics that count as f32; a parameter that is an integer in the file is another thing.
  const bool reals = ir::is_float(tensor.type().dtype);
  if (!reals && ir::is_float(slot.type.dtype)) {
    return fmt::format("the model has {}, the file {}", ir::to_string(slot.type), ir::to_string(tensor.type()));
  }
  value = tensor.converted(slot.type.dtype);
  return {};
}

}  // namespace

NamedTensors weights(const ir::Module& module, const Executor& executor) {
  NamedTensors out;
  for (const ir::Slot& slot : module.slots) {
    if (is_weight(slot)) out.emplace(slot.path, executor.slot(slot.path).converted(ir::DType::f32));
  }
  return out;
}

namespace {

/// The file's values for the module's slots; nothing after an error.
std::optional<NamedTensors> fitting_weights(const std::string& path, const ir::Module& module,
                                            ir::Diagnostics& diagnostics) {
  std::optional<NamedTensors> tensors = read_safetensors(path, diagnostics);
  if (!tensors) return std::nullopt;
  const int before = diagnostics.count();
  NamedTensors values;
  std::vector<std::string> open;  // names of the model that the file does not have
  for (const ir::Slot& slot : module.slots) {
    if (!is_weight(slot)) continue;
    const auto tensor = tensors->find(slot.path);
    if (tensor == tensors->end()) {
      open.push_back(slot.path);
      if (slot.kind == ir::SlotKind::statistic) continue;  // stays as `init` made it
      diagnostics.error(whole_file(path),
                        fmt::format("no tensor `{}`, which is a parameter {}", slot.path, ir::to_string(slot.type)));
      continue;
    }
    const std::string problem = convert(tensor->second, slot, values[slot.path]);
    if (!problem.empty()) diagnostics.error(whole_file(path), fmt::format("tensor `{}`: {}", slot.path, problem));
    tensors->erase(tensor);
  }
  for (const auto& [name, tensor] : *tensors) {
    const std::string near = ir::nearest_name(name, open);
    diagnostics.error(whole_file(path), fmt::format("tensor `{}` is no parameter of the model{}", printable(name, 200),
                                                    near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }
  if (diagnostics.count() > before) return std::nullopt;
  return values;
}

}  // namespace

ir::Status load_weights(const std::string& path, const ir::Module& module, Executor& executor,
                        ir::Diagnostics& diagnostics) {
  const std::optional<NamedTensors> values = fitting_weights(path, module, diagnostics);
  if (!values) return ir::Status::failed;
  for (const auto& [name, value] : *values) executor.set_slot(name, value);
  return ir::Status::ok;
}

ir::Status check_weights(const std::string& path, const ir::Module& module, ir::Diagnostics& diagnostics) {
  return fitting_weights(path, module, diagnostics) ? ir::Status::ok : ir::Status::failed;
}

ir::Status prepare_output(const std::string& directory, ir::Diagnostics& diagnostics) {
  if (prepare_directory(directory, "output directory", diagnostics) == ir::Status::failed) return ir::Status::failed;
  std::error_code error;
  for (const std::string_view name : {last_weights, best_weights}) {
    const fs::path file = fs::path(directory) / name;
    if (!fs::is_directory(file, error)) continue;
    diagnostics.error(whole_file(file.string()), "expected a file to replace, found a directory");
    return ir::Status::failed;
  }
  return ir::Status::ok;
}

}  // namespace nnc::runtime
