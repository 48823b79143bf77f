#include "ir/check.h"
#include "runtime/data/dataset.h"
#include "runtime/random.h"

namespace nnc::runtime {

namespace {

/// How the elements of a field are drawn: from `lowest` on, `count` different values; 0 stands for all 2^64.
struct Draw {
  std::int64_t lowest = 0;
  std::uint64_t count = 0;
};

Draw draw_of(const ir::DataField& field, const std::map<std::string, std::int64_t>& ranges) {
  const auto range = ranges.find(field.name);
  if (range != ranges.end()) return {0, static_cast<std::uint64_t>(range->second)};
  if (field.vocabulary > 0) return {0, static_cast<std::uint64_t>(field.vocabulary)};
  const std::int64_t lowest = ir::lowest(field.type.dtype), highest = ir::highest(field.type.dtype);
  return {lowest, static_cast<std::uint64_t>(highest) - static_cast<std::uint64_t>(lowest) + 1};
}

}  // namespace

Dataset synthetic(const std::vector<ir::DataField>& fields, const std::map<std::string, std::int64_t>& ranges,
                  std::int64_t examples, std::uint64_t seed) {
  std::vector<Column> columns;
  for (const ir::DataField& field : fields) {
    Random random(seed, columns.size());
    ir::Type type = field.type;
    type.shape.insert(type.shape.begin(), examples);
    ir::Tensor values(type);
    if (ir::is_float(type.dtype)) {
      for (std::int64_t i = 0; i < values.elements(); ++i) values.set_real(i, random.unit());
    } else {
      const Draw draw = draw_of(field, ranges);
      for (std::int64_t i = 0; i < values.elements(); ++i) {
        const std::uint64_t drawn = draw.count == 0 ? random.next() : random.below(draw.count);
        values.set_integer(i, static_cast<std::int64_t>(static_cast<std::uint64_t>(draw.lowest) + drawn));
      }
    }
    columns.push_back({field, std::move(values)});
  }
  return Dataset(std::move(columns), examples);
}

}  // namespace nnc::runtime
