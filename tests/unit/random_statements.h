// Random statements of a `train` block (random_training.h), each of which computes a variable from an earlier one.
#pragma once

#include "tests/unit/choices.h"

#include <string>
#include <vector>

namespace nnc::tests {

using Dims = std::vector<int>;  // without the batch

struct Variable {
  std::string name;
  Dims dims;
  bool used = false;
};

/// A `train` block under construction.
struct RandomBody {
  void line(const std::string& text) { this->text += "  " + text + "\n"; }

  std::string text;
  std::vector<Variable> variables;
  int names = 0, instances = 0;  // given so far
};

/// What the statements call besides std: layers, functions, an optimizer.
extern const char* const own_declarations;

int random_extent(Choices& choices);
void add_statement(Choices& choices, RandomBody& body);

}  // namespace nnc::tests
