#include "frontend/recipe.h"

#include "frontend/evaluate.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::frontend {

namespace {

/// `label: u8`, `text: chars(vocab)[n]`.
std::optional<ir::DataField> read_field(Context& context, const ast::Field& field) {
  ir::DataField result{field.name.text, {}, ir::DataField::Source::column, 0};
  const auto type = evaluate_type(context, field.type);
  if (!type) return std::nullopt;
  result.type = *type;
  if (!field.type.vocabulary) return result;
  const auto vocabulary = evaluate_integer(context, *field.type.vocabulary, "the size of a vocabulary");
  if (!vocabulary) return std::nullopt;
  const bool chars = field.type.kind == ast::TypeExpr::Kind::chars;
  const std::int64_t most = chars ? 256 : 65536;
  if (*vocabulary < 1 || *vocabulary > most) {
    report(context, field.type.vocabulary->span,
           fmt::format("the vocabulary of `{}` has 1 to {} entries, since it is read from {}, found {}",
                       chars ? "chars" : "tokens", most, chars ? "bytes" : "u16 numbers", *vocabulary));
    return std::nullopt;
  }
  result.source = chars ? ir::DataField::Source::chars : ir::DataField::Source::tokens;
  result.vocabulary = result.range = *vocabulary;
  return result;
}

std::vector<ir::DataField> read_fields(Context& context, const ast::Block& body) {
  std::vector<ir::DataField> fields;
  std::map<std::string, ast::Span> places;
  for (const auto& statement : body) {
    const auto* data = std::get_if<ast::Data>(&statement.node);
    if (!data) continue;
    for (const ast::Field& field : data->fields) {
      const auto [first, fresh] = places.emplace(field.name.text, field.name.span);
      if (!fresh) {
        report(context, field.name.span, fmt::format("two data fields are named `{}`", field.name.text))
            .note(first->second.at, "the other one is here");
        continue;
      }
      if (auto read = read_field(context, field)) fields.push_back(std::move(*read));
    }
  }
  return fields;
}

/// A whole number of at least 1; 0 after an error.
std::int64_t count(Context& context, const ast::Expr& expr, const std::string& name) {
  const auto value = evaluate_integer(context, expr, fmt::format("`{}`", name));
  if (!value) return 0;
  if (*value >= 1) return *value;
  report(context, expr.span, fmt::format("`{}` is at least 1, found {}", name, *value));
  return 0;
}

ir::Stop read_stop(Context& context, const ast::Stop& stop) {
  ir::Stop result;
  for (const auto& setting : stop.settings) {
    if (setting.name.text == "patience") {
      result.patience = count(context, *setting.value, "patience");
      continue;
    }
    const Value value = evaluate(context, *setting.value);
    const auto number = value.number();
    if (number && *number >= 0)
      result.min_delta = *number;
    else if (!value.poisoned())
      report(context, setting.value->span,
             fmt::format("`min_delta` is a number of at least 0, found {}", describe(value)));
  }
  return result;
}

void read_setting(Context& context, const ast::Setting& setting, ir::Recipe& recipe) {
  const std::string& name = setting.name.text;
  if (name == "steps") {
    recipe.steps = count(context, *setting.value, name);
  } else if (name == "batch") {
    recipe.batch = count(context, *setting.value, name);
  } else if (name == "epochs") {
    recipe.epochs = count(context, *setting.value, name);
  }
}

void read_train(Context& context, const ast::Train& train, ir::Recipe& recipe) {
  std::map<std::string, ast::Span> seen;
  const auto once = [&](const std::string& name, const std::string& what, const ast::Span& at) {
    const auto [first, fresh] = seen.emplace(name, at);
    if (!fresh)
      report(context, at, fmt::format("{} stands twice", what)).note(first->second.at, "the other one is here");
    return fresh;
  };
  for (const auto& statement : train.body) {
    if (const auto* setting = std::get_if<ast::Setting>(&statement.node)) {
      if (once(setting->name.text, fmt::format("`{}`", setting->name.text), statement.span))
        read_setting(context, *setting, recipe);
    } else if (const auto* stop = std::get_if<ast::Stop>(&statement.node)) {
      if (once("stop", "`stop`", statement.span)) recipe.stop = read_stop(context, *stop);
    } else if (const auto* metric = std::get_if<ast::Metric>(&statement.node)) {
      if (metric->name.text == "loss")
        report(context, metric->name.span, "a metric cannot be named `loss`: the loss is reported by that name");
      if (once("metric " + metric->name.text, fmt::format("the metric `{}`", metric->name.text), metric->name.span))
        recipe.metrics.push_back(metric->name.text);
    } else if (std::get_if<ast::UseOptimizer>(&statement.node)) {
      once("optimizer", "`optimizer`", statement.span);
    }
  }
}

}  // namespace

Frame file_frame() { return Frame{}; }

ir::Recipe read_recipe(const Declarations& declarations, const std::map<std::string, Value>& hypers,
                       const Options& options, ir::Diagnostics& diagnostics) {
  ir::Recipe recipe;
  const ast::Train* train = declarations.train();
  if (!train) {
    diagnostics.error(
        fmt::format("{} has no `train` block, which says what is trained on what", declarations.user_file()));
    return recipe;
  }
  Context context(declarations, recipe, hypers, diagnostics);
  Frame frame = file_frame();
  context.frame = &frame;
  recipe.data = read_fields(context, train->body);
  if (declarations.predict()) recipe.predict_data = read_fields(context, declarations.predict()->body);
  read_train(context, *train, recipe);

  const auto states = [&]<class T>(const T*) {
    return std::any_of(train->body.begin(), train->body.end(),
                       [](const ast::Statement& statement) { return std::holds_alternative<T>(statement.node); });
  };
  const auto missing = [&](std::string_view what, const std::string& word = "") {
    ir::Diagnostic& diagnostic = report(context, train->span, fmt::format("`train` has no {}", what));
    if (word.empty()) return;
    for_each_target(train->body, [&](const ast::Name& name) {
      if (name.text.find(word.substr(0, 5)) != std::string::npos || suggestion(name.text, {word}) == word)
        diagnostic.note(name.span.at,
                        fmt::format("`{}` is a name like any other: did you mean `{}`?", name.text, word));
    });
  };
  const auto sets = [&](std::string_view name) {
    return std::any_of(train->body.begin(), train->body.end(), [&](const ast::Statement& statement) {
      const auto* setting = std::get_if<ast::Setting>(&statement.node);
      return setting && setting->name.text == name;
    });
  };
  if (!states(static_cast<const ast::Data*>(nullptr)))
    missing("`data`: write `data NAME: TYPE`, the columns of the data set");
  if (!states(static_cast<const ast::UseOptimizer*>(nullptr)))
    missing("`optimizer`: write, say, `optimizer adam(lr = 1e-3)`");
  if (options.batch) recipe.batch = *options.batch;
  if (!options.batch && !sets("batch")) missing("`batch`: write, say, `batch = 32`, or give --batch", "batch");
  if (sets("epochs") && sets("steps"))
    report(context, train->span, "`train` has both `epochs` and `steps`: one of them says how long");
  if (!options.epochs && !sets("epochs") && !sets("steps") && !recipe.stop)
    missing("`epochs`: write, say, `epochs = 10`, give --epochs, or let `stop` end the training", "epochs");
  if (options.epochs) {
    recipe.epochs = *options.epochs;
    recipe.steps.reset();
  }
  return recipe;
}

}  // namespace nnc::frontend
