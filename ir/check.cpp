#include "ir/check.h"

#include "ir/graph.h"
#include "ir/text.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace nnc::ir {

namespace {
thread_local OnInternalError* innermost = nullptr;
}

OnInternalError::OnInternalError(std::function<void()> last_words)
    : last_words_(std::move(last_words)), outer_(std::exchange(innermost, this)) {}

OnInternalError::~OnInternalError() { innermost = outer_; }

void internal_error(const char* file, int line, const std::string& message) {
  fmt::print(stderr, "internal error at {}:{}: {}\n", file, line, message);
  // Taken out first, so that an internal error among the last words ends.
  if (OnInternalError* scope = std::exchange(innermost, nullptr)) scope->last_words_();
  std::abort();
}

void internal_error(const char* file, int line, const Op& op, const std::string& message) {
  const SourcePoint at = op.location.point();
  internal_error(file, line,
                 fmt::format("{}\n  in op: {}\n  from: {}:{}:{}", message, describe(op), at.file, at.line, at.column));
}

}  // namespace nnc::ir
