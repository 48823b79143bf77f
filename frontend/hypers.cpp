#include "frontend/evaluate.h"
#include "frontend/recipe.h"
#include "frontend/suggest.h"
#include "ir/text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace nnc::frontend {

namespace {

/// The whole text as a number; says what is wrong with it.
template <class T>
std::errc read(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return end == text.data() + text.size() ? error : std::errc::invalid_argument;
}

template <class T>
std::optional<T> parse_number(const std::string& text) {
  T value{};
  return read(text, value) == std::errc() ? std::optional(value) : std::nullopt;
}

template <class T>
bool is_beyond(const std::string& text) {
  T value{};
  return read(text, value) == std::errc::result_out_of_range;
}

/// `text` as a value of the default's type.
std::optional<Value::Data> parse_like(const Value& fallback, const std::string& text) {
  if (fallback.as<std::int64_t>()) {
    if (const auto integer = parse_number<std::int64_t>(text)) return Value::Data{*integer};
  } else if (fallback.as<double>()) {
    const auto real = parse_number<double>(text);
    if (real && std::isfinite(*real)) return Value::Data{*real};
  } else if (fallback.as<bool>()) {
    if (text == "true" || text == "false") return Value::Data{text == "true"};
  } else if (fallback.as<std::string>()) {
    return Value::Data{text};
  }
  return std::nullopt;
}

std::string_view kind_of(const Value& value) {
  if (value.as<std::int64_t>()) return "an integer";
  if (value.as<double>()) return "a number";
  if (value.as<bool>()) return "true or false";
  return "a list, which the command line cannot give";
}

}  // namespace

std::map<std::string, Value> read_hypers(const Declarations& declarations, const Options& options,
                                         ir::Diagnostics& diagnostics) {
  std::map<std::string, Value> hypers;
  std::vector<std::string> names;
  for (const ast::Hyper* hyper : declarations.hypers()) names.push_back(hyper->name.text);
  for (const auto& [name, text] : options.set) {
    if (std::count(names.begin(), names.end(), name)) continue;
    const std::string near = suggestion(name, names);
    diagnostics.error(fmt::format("--set: {} has no hyper `{}`{}", declarations.user_file(), name,
                                  !near.empty()   ? fmt::format("; did you mean `{}`?", near)
                                  : names.empty() ? "; it has none"
                                                  : fmt::format("; it has {}", fmt::join(names, ", "))));
  }
  const ir::Recipe no_recipe;
  Context context(declarations, no_recipe, hypers, diagnostics);
  Frame frame = file_frame();
  context.frame = &frame;
  for (const ast::Hyper* hyper : declarations.hypers()) {
    Value value = evaluate(context, *hyper->value);
    const bool plain = value.is_static_number() || value.as<std::string>() || value.as<std::vector<Value>>();
    if (!value.poisoned() && !plain) {
      report(context, hyper->value->span,
             fmt::format("a hyper is a number, a text, true or false, or a list; found {}", describe(value)));
      value = poison(context);
    }
    for (const auto& [name, text] : options.set) {
      if (name != hyper->name.text || value.poisoned()) continue;
      if (auto given = parse_like(value, text))
        value.data = std::move(*given);
      else if (value.as<std::int64_t>() ? is_beyond<std::int64_t>(text) : value.as<double>() && is_beyond<double>(text))
        diagnostics.error(fmt::format("--set: `{}`: {} is beyond the numbers that there are", name, text));
      else
        diagnostics.error(fmt::format("--set: `{}` is {}, as its default is; found `{}`", name, kind_of(value), text));
    }
    hypers.insert_or_assign(hyper->name.text, std::move(value));
  }
  return hypers;
}

}  // namespace nnc::frontend
