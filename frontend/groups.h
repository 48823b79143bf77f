// `group bias, h[1].ln { weight_decay = 0 }`: which settings hold for which parameter.
#pragma once

#include "frontend/context.h"

#include <map>
#include <string>
#include <vector>

namespace nnc::frontend {

struct ResolvedGroup {
  const ast::Group* group = nullptr;
  std::vector<std::vector<std::string>> patterns;  // path components
};

/// Evaluates the patterns of all groups in `train`; reports patterns that match no parameter, settings that the
/// optimizer does not have, and those given twice.
std::vector<ResolvedGroup> resolve_groups(Context& context, const ast::Definition& optimizer);

/// The settings that hold for a parameter, by name; later groups win.
std::map<std::string, const ast::Expr*> settings_of(const std::vector<ResolvedGroup>& groups, const std::string& path);

}  // namespace nnc::frontend
