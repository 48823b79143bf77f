#include "frontend/declarations.h"

#include "ir/module.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace nnc::frontend {

namespace {

Place place_of(ast::Definition::Kind kind) {
  switch (kind) {
    case ast::Definition::Kind::layer:
    case ast::Definition::Kind::fn: return Place::value;
    case ast::Definition::Kind::optimizer: return Place::optimizer;
    case ast::Definition::Kind::schedule: return Place::schedule;
    case ast::Definition::Kind::init: return Place::initializer;
  }
  return Place::value;
}

void report_twice(const std::string& what, const ast::Span& first, const ast::Span& again,
                  ir::Diagnostics& diagnostics) {
  diagnostics.error(again.at, fmt::format("{} is declared twice", what), again.width)
      .note(first.at, "it is first declared here");
}

}  // namespace

Declarations::Declarations(const ast::Program& user, const std::vector<ast::Program>& std, ir::Diagnostics& diagnostics)
    : user_(&user) {
  for (const auto& program : std)
    for (const auto& declaration : program.declarations)
      if (const auto* definition = std::get_if<ast::Definition>(&declaration)) add(*definition, true, diagnostics);
  std::map<std::string, const ast::Hyper*> seen;
  for (const auto& declaration : user.declarations) {
    if (const auto* definition = std::get_if<ast::Definition>(&declaration)) add(*definition, false, diagnostics);
    if (const auto* hyper = std::get_if<ast::Hyper>(&declaration)) {
      const auto [at, fresh] = seen.emplace(hyper->name.text, hyper);
      if (fresh)
        hypers_.push_back(hyper);
      else
        report_twice(fmt::format("hyper `{}`", hyper->name.text), at->second->name.span, hyper->name.span, diagnostics);
    }
    if (const auto* train = std::get_if<ast::Train>(&declaration)) {
      if (train_) report_twice("`train`", train_->span, train->span, diagnostics);
      if (!train_) train_ = train;
    }
    if (const auto* predict = std::get_if<ast::Predict>(&declaration)) {
      if (predict_) report_twice("`predict`", predict_->span, predict->span, diagnostics);
      if (!predict_) predict_ = predict;
    }
  }
}

void Declarations::add(const ast::Definition& definition, bool std, ir::Diagnostics& diagnostics) {
  is_std_.emplace(&definition, std);
  const std::string& name = definition.name.text;
  const auto [at, fresh] =
      (std ? std_table_ : user_table_).emplace(std::pair{place_of(definition.kind), name}, &definition);
  if (!fresh) report_twice(fmt::format("`{}`", name), at->second->name.span, definition.name.span, diagnostics);
  std::map<std::string, const ast::Parameter*> parameters;
  for (const auto& parameter : definition.parameters) {
    const auto [first, new_name] = parameters.emplace(parameter.name.text, &parameter);
    if (!new_name)
      report_twice(fmt::format("parameter `{}` of `{}`", parameter.name.text, name), first->second->name.span,
                   parameter.name.span, diagnostics);
  }
}

const ast::Definition* Declarations::find(Place place, const std::string& name, bool from_std) const {
  if (!from_std)
    if (const auto at = user_table_.find({place, name}); at != user_table_.end()) return at->second;
  const auto at = std_table_.find({place, name});
  return at == std_table_.end() ? nullptr : at->second;
}

std::vector<std::string> Declarations::names(Place place, bool from_std) const {
  std::set<std::string> names;
  for (const auto& [key, definition] : std_table_)
    if (key.first == place) names.insert(key.second);
  if (!from_std)
    for (const auto& [key, definition] : user_table_)
      if (key.first == place) names.insert(key.second);
  return {names.begin(), names.end()};
}

std::string Declarations::elsewhere(const std::string& name, const ir::SourcePoint& at) const {
  if (std::ranges::count(ast::setting_words, name) > 0)
    return fmt::format(": it is a setting of `train`, no value{}",
                       name == "batch" ? "; the examples of a batch are the first dimension of the data" : "");
  if (name == ir::step_slot || name == ir::total_steps_slot) return ": schedules and optimizers alone see it";
  const auto hyper = std::ranges::find_if(hypers_, [&](const ast::Hyper* h) {
    return h->name.text == name && h->name.span.at.file == at.file && h->name.span.at.line > at.line;
  });
  if (hyper == hypers_.end()) return "";
  return fmt::format(": the hyper of that name is declared below, in line {}; it has to come first",
                     (*hyper)->name.span.at.line);
}

}  // namespace nnc::frontend
