// Where the time of programs goes, instruction by instruction, as an executor measures it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nnc::runtime {

struct ProgramProfile {
  /// What one instruction did once; in a loop it does so many times in a run.
  struct Event {
    std::size_t instruction;
    double begin, seconds;  // since the run began
  };
  /// Runs that are counted. The first touches memory for the first time: it counts only while it is the only one.
  std::int64_t runs = 0;
  double seconds = 0;                  // of these runs
  std::vector<double> seconds_of;      // by instruction
  std::vector<std::int64_t> times_of;  // how often each was done
  std::vector<Event> last;             // the last run, in order
};

/// By the full name of the program: train@128.
using Profile = std::map<std::string, ProgramProfile>;

}  // namespace nnc::runtime
