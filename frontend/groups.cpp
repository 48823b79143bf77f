#include "frontend/groups.h"

#include "frontend/evaluate.h"
#include "frontend/instances.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::frontend {

namespace {

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// A pattern is a run of whole components.
bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  return std::search(path.begin(), path.end(), pattern.begin(), pattern.end()) != path.end();
}

bool is_index(std::string_view component) { return component[0] >= '0' && component[0] <= '9'; }

std::optional<std::vector<std::string>> components(Context& context, const ast::Pattern& pattern) {
  std::vector<std::string> parts;
  for (const ast::PathPart& part : pattern.parts) {
    if (!part.index) {
      parts.push_back(part.name);
      continue;
    }
    const auto index = evaluate_integer(context, *part.index, "an index in a name");
    if (!index) return std::nullopt;
    parts.push_back(std::to_string(*index));
  }
  return parts;
}

void check_pattern(Context& context, const std::vector<std::string>& parts, const ast::Span& at) {
  std::vector<std::string> known;
  for (const SlotInfo& slot : context.slots) {
    if (slot.slot.kind != ir::SlotKind::parameter) continue;
    const auto path = split(slot.slot.path);
    if (matches(parts, path)) return;
    // Runs of as many components as the pattern has that may be written: an index follows a name.
    for (std::size_t i = 0; i + parts.size() <= path.size(); ++i) {
      if (is_index(path[i])) continue;
      const auto first = path.begin() + static_cast<std::ptrdiff_t>(i);
      known.push_back(fmt::format("{}", fmt::join(first, first + static_cast<std::ptrdiff_t>(parts.size()), ".")));
    }
  }
  const std::string near = suggestion(fmt::format("{}", fmt::join(parts, ".")), known);
  report(context, at,
         fmt::format("no parameter's path has `{}`{}", in_source(fmt::format("{}", fmt::join(parts, "."))),
                     near.empty() ? "" : fmt::format("; did you mean `{}`?", in_source(near))));
}

void check_settings(Context& context, const ast::Group& group, const ast::Definition& optimizer) {
  std::vector<std::string> names = {"frozen"};
  for (const auto& parameter : optimizer.parameters) names.push_back(parameter.name.text);
  std::map<std::string, ast::Span> seen;
  for (const auto& setting : group.settings) {
    const std::string& name = setting.name.text;
    const auto [first, fresh] = seen.emplace(name, setting.name.span);
    if (!fresh) {
      report(context, setting.name.span, fmt::format("`{}` is given twice", name))
          .note(first->second.at, "it is first given here");
    } else if (!std::count(names.begin(), names.end(), name)) {
      const std::string near = suggestion(name, names);
      report(context, setting.name.span,
             fmt::format("the optimizer `{}` has no parameter `{}`; {}", optimizer.name.text, name,
                         near.empty() ? fmt::format("a group sets {}", fmt::join(names, ", "))
                                      : fmt::format("did you mean `{}`?", near)));
    }
  }
}

}  // namespace

std::vector<ResolvedGroup> resolve_groups(Context& context, const ast::Definition& optimizer) {
  std::vector<ResolvedGroup> groups;
  for (const auto& statement : context.declarations.train()->body) {
    const auto* group = std::get_if<ast::Group>(&statement.node);
    if (!group) continue;
    ResolvedGroup resolved{group, {}};
    for (const ast::Pattern& pattern : group->patterns) {
      auto parts = components(context, pattern);
      if (!parts) continue;
      check_pattern(context, *parts, pattern.span);
      resolved.patterns.push_back(std::move(*parts));
    }
    check_settings(context, *group, optimizer);
    groups.push_back(std::move(resolved));
  }
  return groups;
}

std::map<std::string, const ast::Expr*> settings_of(const std::vector<ResolvedGroup>& groups, const std::string& path) {
  const auto parts = split(path);
  std::map<std::string, const ast::Expr*> settings;
  for (const ResolvedGroup& group : groups)
    if (std::any_of(group.patterns.begin(), group.patterns.end(),
                    [&](const auto& pattern) { return matches(pattern, parts); }))
      for (const auto& setting : group.group->settings)
        settings.insert_or_assign(setting.name.text, setting.value.get());
  return settings;
}

}  // namespace nnc::frontend
