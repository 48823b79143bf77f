// Counts allocations in a stretch of a test, by who makes them: `operator new` and, without the sanitizers, `malloc` and its
// kin are replaced in this executable.
//
//   const AllocationCount counted = count_allocations([&] { executor->run("train", 128, batch); });
#pragma once

#include <functional>

namespace nnc::tests {

struct AllocationCount {
  int ours = 0;
  int onednn = 0;  // asked for by code of its library: small lists of arguments
};

AllocationCount count_allocations(const std::function<void()>& body);

}  // namespace nnc::tests
