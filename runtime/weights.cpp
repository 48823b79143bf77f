// Weights between a module's slots and files (checkpoint.h).
#include "ir/check.h"
#include "runtime/atomic_file.h"
#include "runtime/checkpoint.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <list>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

namespace nnc::runtime {

namespace {

namespace fs = std::filesystem;

/// What of a module a file holds.
enum class Contents {
  weights,  // parameters and statistics
  slots     // all
};

bool holds(Contents contents, const ir::Slot& slot) {
  return contents == Contents::slots || slot.kind == ir::SlotKind::parameter || slot.kind == ir::SlotKind::statistic;
}

/// Why a tensor of the file cannot be the slot's value; empty if it can, converted or as it is.
std::string misfit(Contents contents, const ir::Type& tensor, const ir::Slot& slot) {
  // Files of weights keep statistics that count as f32; a parameter that is an integer in the file is another thing.
  const bool converts = ir::is_float(tensor.dtype) || !ir::is_float(slot.type.dtype);
  const bool fits = contents == Contents::slots ? tensor == slot.type : tensor.shape == slot.type.shape && converts;
  return fits ? "" : fmt::format("the model has {}, the file {}", ir::to_string(slot.type), ir::to_string(tensor));
}

/// What of the file the module does not need, and what it lacks; empty if nothing.
std::vector<std::string> problems_of(Contents contents, const SafetensorsFile& file, const ir::Module& module) {
  const std::string_view noun = contents == Contents::weights ? "parameter" : "slot";
  std::vector<std::string> problems;
  std::vector<std::string> open;  // names of the model that the file does not have
  std::set<std::string> used;
  for (const ir::Slot& slot : module.slots) {
    if (!holds(contents, slot)) continue;
    const auto entry = file.entries().find(slot.path);
    if (entry == file.entries().end()) {
      open.push_back(slot.path);
      // A file of weights may lack statistics, which stay as `init` made them.
      if (contents == Contents::weights && slot.kind == ir::SlotKind::statistic) continue;
      problems.push_back(fmt::format("no tensor `{}`, which is a {} {}", slot.path, noun, ir::to_string(slot.type)));
      continue;
    }
    used.insert(slot.path);
    const std::string problem = misfit(contents, entry->second.type, slot);
    if (!problem.empty()) problems.push_back(fmt::format("tensor `{}`: {}", slot.path, problem));
  }
  for (const auto& [name, entry] : file.entries()) {
    if (used.contains(name)) continue;
    const std::string near = ir::nearest_name(name, open);
    problems.push_back(fmt::format("tensor `{}` is no {} of the model{}", printable(name, 200), noun,
                                   near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }
  return problems;
}

/// Whether the file has what the module needs and nothing else.
ir::Status check(Contents contents, const SafetensorsFile& file, const std::string& path, const ir::Module& module,
                 ir::Diagnostics& diagnostics) {
  const std::vector<std::string> problems = problems_of(contents, file, module);
  if (problems.empty()) return ir::Status::ok;
  if (contents == Contents::weights) {
    for (const std::string& problem : problems) diagnostics.error(whole_file(path), problem);
  } else {
    // Nobody writes these by hand: that they differ says more than how.
    const std::string others = problems.size() == 1 ? "" : fmt::format(", and {} more", problems.size() - 1);
    diagnostics.error(whole_file(path),
                      fmt::format("its run is of another model or optimizer: {}{}", problems[0], others));
  }
  return ir::Status::failed;
}

ir::Status load(Contents contents, const std::string& path, const ir::Module& module, Executor& executor,
                ir::Diagnostics& diagnostics) {
  const std::optional<SafetensorsFile> file = SafetensorsFile::open(path, diagnostics);
  if (!file || check(contents, *file, path, module, diagnostics) == ir::Status::failed) return ir::Status::failed;
  for (const ir::Slot& slot : module.slots) {
    const auto entry = file->entries().find(slot.path);
    if (!holds(contents, slot) || entry == file->entries().end()) continue;
    if (entry->second.type == slot.type) {
      if (file->read(slot.path, executor.slot_bytes(slot.path), diagnostics) == ir::Status::failed)
        return ir::Status::failed;
      continue;
    }
    ir::Tensor tensor(entry->second.type);
    if (file->read(slot.path, tensor.bytes(), diagnostics) == ir::Status::failed) return ir::Status::failed;
    executor.set_slot(slot.path, tensor.converted(slot.type.dtype));
  }
  return ir::Status::ok;
}

ir::Status check(Contents contents, const std::string& path, const ir::Module& module, ir::Diagnostics& diagnostics) {
  const std::optional<SafetensorsFile> file = SafetensorsFile::open(path, diagnostics);
  return file ? check(contents, *file, path, module, diagnostics) : ir::Status::failed;
}

ir::Status save(Contents contents, const std::string& path, const ir::Module& module, Executor& executor,
                const Metadata& metadata, ir::Diagnostics& diagnostics) {
  NamedViews views;
  std::list<ir::Tensor> converted;
  for (const ir::Slot& slot : module.slots) {
    if (!holds(contents, slot)) continue;
    const bool as_it_is = contents == Contents::slots || slot.type.dtype == ir::DType::f32;
    views.emplace(slot.path, as_it_is ? TensorView(slot.type, executor.slot_bytes(slot.path))
                                      : converted.emplace_back(executor.slot(slot.path).converted(ir::DType::f32)));
  }
  return write_safetensors(path, views, diagnostics, metadata);
}

}  // namespace

ir::Status save_weights(const std::string& path, const ir::Module& module, Executor& executor, const Metadata& metadata,
                        ir::Diagnostics& diagnostics) {
  return save(Contents::weights, path, module, executor, metadata, diagnostics);
}
ir::Status load_weights(const std::string& path, const ir::Module& module, Executor& executor,
                        ir::Diagnostics& diagnostics) {
  return load(Contents::weights, path, module, executor, diagnostics);
}
ir::Status check_weights(const std::string& path, const ir::Module& module, ir::Diagnostics& diagnostics) {
  return check(Contents::weights, path, module, diagnostics);
}

ir::Status save_slots(const std::string& path, const ir::Module& module, Executor& executor, const Metadata& metadata,
                      ir::Diagnostics& diagnostics) {
  return save(Contents::slots, path, module, executor, metadata, diagnostics);
}
ir::Status load_slots(const std::string& path, const ir::Module& module, Executor& executor,
                      ir::Diagnostics& diagnostics) {
  return load(Contents::slots, path, module, executor, diagnostics);
}
ir::Status check_slots(const std::string& path, const ir::Module& module, ir::Diagnostics& diagnostics) {
  return check(Contents::slots, path, module, diagnostics);
}

ir::Status prepare_output(const std::string& directory, ir::Diagnostics& diagnostics) {
  if (prepare_directory(directory, "output directory", diagnostics) == ir::Status::failed) return ir::Status::failed;
  std::error_code error;
  for (const std::string_view name : {last_weights, best_weights, best_epoch_weights, run_file}) {
    const fs::path file = fs::path(directory) / name;
    remove_leftovers(file.string());
    if (!fs::is_directory(file, error)) continue;
    diagnostics.error(whole_file(file.string()), "expected a file to replace, found a directory");
    return ir::Status::failed;
  }
  return ir::Status::ok;
}

}  // namespace nnc::runtime
