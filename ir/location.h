// Where an op comes from.
//
// A location is a set of call chains. A chain starts at the line the user wrote and goes inward, one point per inlined
// call, so the last point is the expression that made the op:
//
//   loc("mlp.nn":7:12 > "std/layers.nn":9:10)
//
// Passes that merge ops (CSE, fusion) merge the sets, so that no line of the user is lost.
#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace nnc::ir {

/// A place in a text; line and column count from 1. An empty file means "no place".
struct SourcePoint {
  std::string file;
  int line = 0;
  int column = 0;

  auto operator<=>(const SourcePoint&) const = default;
  bool known() const { return !file.empty(); }
};

using CallChain = std::vector<SourcePoint>;

/// Which point of a chain is the innermost one in the file where it starts: the line that a user of a library wrote.
std::size_t innermost_in_first_file(const CallChain& chain);

/// An immutable set of call chains, sorted and without duplicates; cheap to copy.
class Location {
 public:
  Location() = default;
  explicit Location(CallChain chain);
  explicit Location(std::vector<CallChain> chains);

  const std::vector<CallChain>& chains() const;
  bool empty() const { return chains().empty(); }
  /// The user's line: the first point of the first chain, or an unknown point.
  SourcePoint point() const;
  Location merged(const Location& other) const;

 private:
  std::shared_ptr<const std::vector<CallChain>> chains_;
};

}  // namespace nnc::ir
