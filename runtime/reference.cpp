// The slow, obvious executor: each op by its record's evaluation, one after the other. It is what compiled programs are
// tested against.
#include "ir/check.h"
#include "ir/evaluate.h"
#include "runtime/executor.h"

#include <map>
#include <utility>

namespace nnc::runtime {

namespace {

class ReferenceExecutor : public Executor {
 public:
  explicit ReferenceExecutor(const ir::Module& module) : module_(module) {
    for (const ir::Slot& slot : module_.slots) slots_.emplace(slot.path, ir::Tensor(slot.type));
  }

  const std::vector<NamedTensor>& run(std::string_view name, std::int64_t batch,
                                      const std::vector<ir::Tensor>& params) override {
    const ir::Graph* graph = module_.find_graph(name, batch);
    NNC_CHECK(graph != nullptr, "no graph {}@{}", name, batch);
    check_params(*graph, params);
    const auto read = [this](std::string_view path) -> const ir::Tensor& { return find(path); };
    std::vector<ir::Tensor> results = ir::evaluate(graph->body, params, read);

    // Slots change only now: all reads in the graph have seen the old values.
    results_.clear();
    for (std::size_t i = 0; i < results.size(); ++i) {
      const ir::GraphResult& result = graph->results.at(i);
      if (result.kind != ir::GraphResult::Kind::slot) {
        results_.push_back({result.name, std::move(results[i])});
      } else {
        set_slot(result.name, results[i]);
      }
    }
    return results_;
  }

  ir::Tensor slot(std::string_view path) const override { return find(path); }
  void set_slot(std::string_view path, const ir::Tensor& value) override {
    const ir::Tensor& old = find(path);
    NNC_CHECK(old.type() == value.type(), "{} does not fit slot @{}", ir::to_string(value.type()), path);
    slots_.find(path)->second = value;
  }
  std::span<std::byte> slot_bytes(std::string_view path) override {
    find(path);
    return slots_.find(path)->second.bytes();
  }
  std::int64_t planned_bytes() const override { return 0; }

 private:
  const ir::Tensor& find(std::string_view path) const {
    const auto slot = slots_.find(path);
    NNC_CHECK(slot != slots_.end(), "no slot @{}", path);
    return slot->second;
  }

  static void check_params(const ir::Graph& graph, const std::vector<ir::Tensor>& params) {
    const std::vector<ir::ValueId>& declared = graph.body.params();
    NNC_CHECK(params.size() == declared.size(), "{} has {} parameters, given {}", graph.full_name(), declared.size(),
              params.size());
    for (std::size_t i = 0; i < params.size(); ++i) {
      NNC_CHECK(params[i].type() == graph.body.type(declared[i]), "parameter {} of {} is {}, given {}", i,
                graph.full_name(), ir::to_string(graph.body.type(declared[i])), ir::to_string(params[i].type()));
    }
  }

  const ir::Module module_;
  std::map<std::string, ir::Tensor, std::less<>> slots_;
  std::vector<NamedTensor> results_;
};

}  // namespace

std::unique_ptr<Executor> make_reference_executor(const ir::Module& module) {
  return std::make_unique<ReferenceExecutor>(module);
}

}  // namespace nnc::runtime
