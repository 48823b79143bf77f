// For our own mistakes: a broken invariant stops the program and says where, with the op and its `.nn` line if known.
#pragma once

#include <fmt/format.h>

#include <string>

namespace nnc::ir {

struct Op;

[[noreturn]] void internal_error(const char* file, int line, const std::string& message);
[[noreturn]] void internal_error(const char* file, int line, const Op& op, const std::string& message);

}  // namespace nnc::ir

#define NNC_CHECK(condition, ...)                                                                   \
  do {                                                                                              \
    if (!(condition)) ::nnc::ir::internal_error(__FILE__, __LINE__, fmt::format(__VA_ARGS__));      \
  } while (false)
#define NNC_CHECK_OP(condition, op, ...)                                                            \
  do {                                                                                              \
    if (!(condition)) ::nnc::ir::internal_error(__FILE__, __LINE__, (op), fmt::format(__VA_ARGS__)); \
  } while (false)
