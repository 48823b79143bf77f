#include "tools/command_line.h"

#include <catch2/catch.hpp>

#include <new>

using namespace nnc;

TEST_CASE("a tool that runs out of memory ends as after any error of the user") {
  CHECK(tools::within_limits([]() -> int { throw std::bad_alloc(); }) == 1);
  CHECK(tools::within_limits([] { return 7; }) == 7);
}
