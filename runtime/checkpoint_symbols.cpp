// What the values of data fields stand for, in a checkpoint's metadata (checkpoint.h).
#include "runtime/checkpoint.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nnc::runtime {

Metadata symbol_tables(const Dataset& data) {
  Metadata tables;
  for (const Column& column : data.columns()) {
    if (column.symbols.empty()) continue;
    tables["nnc.symbols." + column.field.name] =
        nlohmann::json(column.symbols).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  return tables;
}

ir::Status check_symbols(const std::string& path, const Dataset& data, ir::Diagnostics& diagnostics) {
  const std::optional<SafetensorsFile> file = SafetensorsFile::open(path, diagnostics);
  if (!file) return ir::Status::failed;
  const Metadata& metadata = file->metadata();
  ir::Status status = ir::Status::ok;
  for (const auto& [key, table] : symbol_tables(data)) {
    const auto found = metadata.find(key);
    if (found == metadata.end() || found->second == table) continue;
    diagnostics.error(whole_file(path), fmt::format("its weights were trained on {0} {1}, but the data has {2}", key,
                                                    printable(found->second, 400), printable(table, 400)));
    status = ir::Status::failed;
  }
  return status;
}

}  // namespace nnc::runtime
