// The attributes of fused ops as text:
//
//   dims(i: 128, j: 10)
//   [at(10*i + j), at(i + -2 if i from 2 to 5 else 0.0), at(64*[1] + j)]
//   plan(parallel i, j by 32, vector k of 16, unroll 4)
#pragma once

#include "ir/attribute.h"
#include "ir/text_tokens.h"

#include <string>
#include <vector>

namespace nnc::ir::text {

std::string print_dimensions(const Shape& domain);
std::string print_accesses(const std::vector<Access>& accesses);
std::string print_schedule(const Schedule& schedule);

/// Whether the cursor is before the first access of a list.
bool next_is_access(const Cursor& cursor);
/// One of the three forms; an access has strides up to the last dimension that it names.
bool parse_fused_attr(Cursor& cursor, Attr& attr);

}  // namespace nnc::ir::text
