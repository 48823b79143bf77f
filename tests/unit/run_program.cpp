#include "tests/unit/run_program.h"

#include "ir/check.h"
#include "ir/evaluate.h"
#include "ir/program_memory.h"
#include "tests/unit/random_values.h"

#include <algorithm>
#include <cstring>

namespace nnc::tests {

using namespace ir;

namespace {

class Machine {
 public:
  Machine(const Module& module, const Program& program, const std::vector<Tensor>& params, Slots& slots)
      : module_(module),
        program_(program),
        transient_(static_cast<std::size_t>(program.transient_bytes), std::byte{0xFF}) {
    for (std::size_t b = 0; b < program.buffers.size(); ++b) {
      const Buffer& buffer = program.buffers[b];
      if (buffer.region == Region::param && buffer.same_as < 0 && buffer.row_of < 0)
        own_[static_cast<int>(b)] = bytes_of(params.at(b));
      if (buffer.value) own_[static_cast<int>(b)] = bytes_of(*buffer.value);
      if (buffer.region == Region::slot && buffer.same_as < 0 && buffer.row_of < 0)
        own_[static_cast<int>(b)] = bytes_of(slots.at(buffer.path));
    }
  }

  std::map<std::string, Tensor> run(Slots& slots) {
    run(0, static_cast<int>(program_.instructions.size()), 0);
    std::map<std::string, Tensor> results;
    for (const auto& [name, buffer] : program_.results) results[name] = load(buffer);
    for (std::size_t b = 0; b < program_.buffers.size(); ++b)
      if (program_.buffers[b].region == Region::slot && program_.buffers[b].same_as < 0 &&
          program_.buffers[b].row_of < 0)
        slots[program_.buffers[b].path] = load(static_cast<int>(b));
    return results;
  }

 private:
  static std::vector<std::byte> bytes_of(const Tensor& tensor) {
    return {tensor.bytes().begin(), tensor.bytes().end()};
  }

  void run(int first, int end, std::size_t loop) {
    for (int i = first; i < end;) {
      while (loop < program_.loops.size() && program_.loops[loop].first < i) ++loop;
      if (loop == program_.loops.size() || program_.loops[loop].first > i) {
        const Instruction& instruction = program_.instructions[static_cast<std::size_t>(i++)];
        // Any order has to do.
        for (auto set = instruction.sets.rbegin(); set != instruction.sets.rend(); ++set) run(instruction, *set);
        continue;
      }
      const Loop& around = program_.loops[loop];
      for (std::int64_t k = 0; k < around.length; ++k) {
        step_[static_cast<int>(loop)] = around.reverse ? around.length - 1 - k : k;
        run(i, around.end, loop + 1);
      }
      i = around.end;
    }
  }

  /// Where a buffer begins within the memory of its root.
  std::int64_t offset(int buffer) const {
    const Buffer& row = program_.buffers[static_cast<std::size_t>(whole_of(program_, buffer))];
    if (row.row_of < 0) return 0;
    const Buffer& all = program_.buffers[static_cast<std::size_t>(row.row_of)];
    const std::int64_t index = row.loop < 0 ? row.row : (step_.at(row.loop) + row.row) % all.type.shape[0];
    return offset(row.row_of) + index * row_bytes(all);
  }

  std::byte* at(int buffer) {
    const Place place = place_of(program_, root_of(program_, buffer));
    std::vector<std::byte>& space = place.space == 0 ? transient_ : own_.at(place.space - 1);
    NNC_CHECK(place.end <= static_cast<std::int64_t>(space.size()), "buffer {} lies outside", buffer);
    const std::int64_t bytes = program_.buffers[static_cast<std::size_t>(buffer)].type.bytes();
    NNC_CHECK(place.begin + offset(buffer) + bytes <= place.end, "buffer {} lies outside of its memory", buffer);
    return space.data() + place.begin + offset(buffer);
  }

  Tensor load(int buffer) {
    Tensor tensor(program_.buffers[static_cast<std::size_t>(buffer)].type);
    std::memcpy(tensor.bytes().data(), at(buffer), tensor.bytes().size());
    return tensor;
  }

  void run(const Instruction& instruction, const ArgumentSet& set) {
    std::vector<Tensor> operands;
    for (const int read : set.reads) operands.push_back(load(read));
    std::vector<Tensor> results;
    if (instruction.kernel < 0) {
      results = evaluate(view(program_, instruction), pointers(operands));
    } else {
      const Op& kernel = module_.kernels[static_cast<std::size_t>(instruction.kernel)].op;
      const std::optional<Op> op = at_extent(kernel, set.extent);
      NNC_CHECK(op.has_value(), "a kernel cannot have the extent {}", set.extent);
      results = evaluate(view(program_, *op, set), pointers(operands));
    }
    for (std::size_t i = 0; i < results.size(); ++i)
      std::memcpy(at(set.writes[i]), results[i].bytes().data(), results[i].bytes().size());
  }

  const Module& module_;
  const Program& program_;
  std::vector<std::byte> transient_;
  std::map<int, std::vector<std::byte>> own_;
  std::map<int, std::int64_t> step_;  // of the loops that run
};

}  // namespace

std::map<std::string, Tensor> run_program(const Module& module, const Program& program,
                                          const std::vector<Tensor>& params, Slots& slots) {
  return Machine(module, program, params, slots).run(slots);
}

std::map<std::string, Tensor> run_graph(const Graph& graph, const std::vector<Tensor>& params, Slots& slots) {
  const std::vector<Tensor> values =
      evaluate(graph.body, params, [&](std::string_view path) -> const Tensor& { return slots.at(std::string(path)); });
  std::map<std::string, Tensor> results;
  for (std::size_t i = 0; i < graph.results.size(); ++i) {
    const GraphResult& result = graph.results[i];
    if (result.kind == GraphResult::Kind::slot)
      slots[result.name] = values[i];
    else
      results[result.name] = values[i];
  }
  return results;
}

}  // namespace nnc::tests
