// For our own mistakes: a broken invariant stops the program and says where, with the op and its `.nn` line if known.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>

namespace nnc::ir {

struct Op;

[[noreturn]] void internal_error(const char* file, int line, const std::string& message);
[[noreturn]] void internal_error(const char* file, int line, const Op& op, const std::string& message);

/// While one lives, an internal error on its thread calls `last_words` before the program stops: to say or save what
/// would help to find the mistake. The innermost one is called.
class OnInternalError {
 public:
  explicit OnInternalError(std::function<void()> last_words);
  ~OnInternalError();
  OnInternalError(const OnInternalError&) = delete;
  OnInternalError& operator=(const OnInternalError&) = delete;

 private:
  friend void internal_error(const char* file, int line, const std::string& message);
  std::function<void()> last_words_;
  OnInternalError* outer_;
};

}  // namespace nnc::ir

#define NNC_CHECK(condition, ...)                                                              \
  do {                                                                                         \
    if (!(condition)) ::nnc::ir::internal_error(__FILE__, __LINE__, fmt::format(__VA_ARGS__)); \
  } while (false)
#define NNC_CHECK_OP(condition, op, ...)                                                             \
  do {                                                                                               \
    if (!(condition)) ::nnc::ir::internal_error(__FILE__, __LINE__, (op), fmt::format(__VA_ARGS__)); \
  } while (false)
