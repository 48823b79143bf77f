// That whatever reads memory finds what was written there last for it.
//
// Each buffer that is no alias is written once, so it stands for one value: a read of it has to come after that write
// and before any other write to its bytes. Params, slots and constants are there from the start; a slot's write is its
// overwriter, behind which nothing reads it.
#include "ir/program_memory.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace nnc::ir {
namespace {

class MemoryChecker {
 public:
  MemoryChecker(const Module& module, std::size_t index, const Report& report)
      : program_(module.programs[index]),
        sharing_(module),
        index_(index),
        report_(report),
        names_(buffer_names(program_)),
        states_(program_.buffers.size()) {
    for (std::size_t i = 0; i < program_.buffers.size(); ++i) {
      states_[i].place = place_of(program_, static_cast<int>(i));
      states_[i].holds = program_.buffers[i].region != Region::transient;
    }
  }

  void run() {
    run_range(0, static_cast<int>(program_.instructions.size()), 0);
    for (std::size_t i = 0; i < program_.results.size(); ++i) check_read(program_.results[i].second, {Part::result, i});
  }

 private:
  using Part = Subject::Part;
  struct Where {
    Part part;
    std::size_t item;
  };
  struct State {
    Place place;
    // And of a buffer that is no alias:
    bool holds = false;   // its value
    int written_by = -1;  // an instruction
    int lost_to = -1;     // the instruction that has overwritten it
  };

  void fail(Where where, std::string message) {
    report_({.kind = Subject::Kind::program, .index = index_, .part = where.part, .item = where.item},
            std::move(message));
  }
  std::string name(int buffer) const { return "%" + names_[static_cast<std::size_t>(buffer)]; }
  State& state(int buffer) { return states_[static_cast<std::size_t>(buffer)]; }

  /// A second step of a loop finds what the first has left, as all others do. `loop` is the first that may begin here.
  void run_range(int first, int end, std::size_t loop) {
    for (int i = first; i < end;) {
      while (loop < program_.loops.size() && program_.loops[loop].first < i) ++loop;
      if (loop == program_.loops.size() || program_.loops[loop].first > i || program_.loops[loop].end > end) {
        run_instruction(static_cast<std::size_t>(i++));
        continue;
      }
      const Loop& around = program_.loops[loop];
      for (int step = 0; step < std::min<std::int64_t>(around.length, 2); ++step)
        run_range(around.first, around.end, loop + 1);
      i = around.end;
    }
  }

  void run_instruction(std::size_t i) {
    const Instruction& instruction = program_.instructions[i];
    for (const ArgumentSet& set : instruction.sets) {
      for (const int read : set.reads) check_read(read, {Part::instruction, i});
      check_set(instruction, set, i);
    }
    check_sets(instruction, i);
    for (const ArgumentSet& set : instruction.sets)
      for (const int write : set.writes) take_write(write, i);
  }

  void check_read(int buffer, Where where) {
    const State& read = state(root_of(program_, buffer));
    if (read.holds) return;
    if (read.lost_to < 0) return fail(where, fmt::format("{} is read before it is written", name(buffer)));
    fail(where, fmt::format("{} is read after instruction {} has overwritten it", name(buffer), read.lost_to));
  }

  /// Within a set, results may lie over operands where the kernel allows it, and nothing else may overlap.
  void check_set(const Instruction& instruction, const ArgumentSet& set, std::size_t i) {
    for (std::size_t w = 0; w < set.writes.size(); ++w) {
      const Place& written = state(set.writes[w]).place;
      for (std::size_t other = 0; other < w; ++other)
        if (may_overlap(program_, set.writes[w], set.writes[other]))
          fail({Part::instruction, i},
               fmt::format("{} and {} are written to the same memory", name(set.writes[other]), name(set.writes[w])));
      for (std::size_t r = 0; r < set.reads.size(); ++r) {
        const Place& read = state(set.reads[r]).place;
        if (!may_overlap(program_, set.writes[w], set.reads[r]) ||
            (read.begin == written.begin && sharing_(instruction, r, w)))
          continue;
        fail({Part::instruction, i},
             fmt::format("{} is written over {}, which it still reads", name(set.writes[w]), name(set.reads[r])));
      }
    }
  }

  /// The sets of an instruction run in any order.
  void check_sets(const Instruction& instruction, std::size_t i) {
    if (instruction.sets.size() < 2) return;
    struct Use {
      Place place;
      std::size_t set;
      bool writes;
      int buffer;
    };
    std::vector<Use> uses;
    for (std::size_t s = 0; s < instruction.sets.size(); ++s) {
      for (const int read : instruction.sets[s].reads) uses.push_back({state(read).place, s, false, read});
      for (const int write : instruction.sets[s].writes) uses.push_back({state(write).place, s, true, write});
    }
    std::ranges::sort(uses, {}, [](const Use& use) { return std::tuple(use.place.space, use.place.begin, use.set); });
    for (std::size_t a = 0; a < uses.size(); ++a)
      for (std::size_t b = a + 1; b < uses.size() && uses[a].place.overlaps(uses[b].place); ++b)
        if (uses[a].set != uses[b].set && (uses[a].writes || uses[b].writes) &&
            may_overlap(program_, uses[a].buffer, uses[b].buffer))
          return fail({Part::instruction, i}, fmt::format("its sets are not independent: {} and {} lie over each other",
                                                          name(uses[a].buffer), name(uses[b].buffer)));
  }

  void take_write(int buffer, std::size_t i) {
    const int root = root_of(program_, buffer);
    State& written = state(root);
    const bool is_row = program_.buffers[static_cast<std::size_t>(buffer)].row_of >= 0;
    if (!is_row && written.written_by >= 0 && written.written_by != static_cast<int>(i))
      fail({Part::instruction, i},
           fmt::format("{} is written a second time, after instruction {}", name(buffer), written.written_by));
    written.written_by = static_cast<int>(i);
    const Place& place = state(buffer).place;
    const auto loses = [&](int other) {
      State& lost = state(other);
      if (!place.overlaps(lost.place)) return false;
      lost.holds = false;
      lost.lost_to = static_cast<int>(i);
      return true;
    };
    if (program_.buffers[static_cast<std::size_t>(root)].region != Region::transient) {
      if (written.holds) loses(root);  // a slot's new value is there for the next program
      return;
    }
    std::erase_if(held_, loses);
    if (!written.holds) held_.push_back(root);
    written.holds = true;
  }

  const Program& program_;
  Sharing sharing_;
  std::size_t index_;
  const Report& report_;
  std::vector<std::string> names_;
  std::vector<State> states_;
  std::vector<int> held_;  // transient buffers that hold their values
};

}  // namespace

void check_memory(const Module& module, std::size_t program, const Report& report) {
  MemoryChecker(module, program, report).run();
}

}  // namespace nnc::ir
