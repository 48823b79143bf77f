#include "frontend/instances.h"

#include "frontend/evaluate.h"
#include "frontend/suggest.h"

#include <fmt/format.h>

#include <algorithm>

namespace nnc::frontend {

namespace {

std::string root_of(const std::string& key) { return key.substr(0, key.find('.')); }

/// The name in its block, `fc1` or `h.0`; empty after an error.
std::optional<std::string> key_of(Context& context, const ast::Definition& layer, const ast::Call& call) {
  const Frame& frame = *context.frame;
  if (!call.alias) {
    const auto& unnamed = context.numbers(frame).unnamed;
    const auto number = unnamed.find(&call);
    std::string key = fmt::format("{}_{}", layer.name.text, number == unnamed.end() ? 1 : number->second);
    for (const std::int64_t index : frame.unroll) key += fmt::format(".{}", index);
    return key;
  }
  std::string key = call.alias->name.text;
  for (const auto& expr : call.alias->indices) {
    const auto index = evaluate_integer(context, *expr, "an index in a name");
    if (!index) return std::nullopt;
    if (*index < 0) {
      report(context, expr->span, fmt::format("an index in a name is at least 0, found {}", *index));
      return std::nullopt;
    }
    key += fmt::format(".{}", *index);
  }
  return key;
}

/// Components of `h[0].attn` as `h`, `0`, `attn`; empty if it is no path.
std::optional<std::vector<std::string>> path_of(Context& context, const ast::Expr& expr) {
  if (const auto* use = std::get_if<ast::NameUse>(&expr.node)) return std::vector<std::string>{use->name};
  if (const auto* member = std::get_if<ast::Member>(&expr.node)) {
    auto parts = path_of(context, *member->object);
    if (parts) parts->push_back(member->member.text);
    return parts;
  }
  const auto* index = std::get_if<ast::Index>(&expr.node);
  if (!index || index->subscripts.size() != 1) return std::nullopt;
  const auto* at = std::get_if<ast::ExprPtr>(&index->subscripts.front().value);
  auto parts = at ? path_of(context, *index->object) : std::nullopt;
  if (!parts) return std::nullopt;
  const bool known = std::any_of(context.frame->instances.begin(), context.frame->instances.end(),
                                 [&](const auto& entry) { return root_of(entry.first) == parts->front(); });
  if (!known && context.frame->kind != Frame::Kind::predict) return std::nullopt;
  const auto number = evaluate_integer(context, **at, "an index in a name");
  if (!number) return std::nullopt;
  parts->push_back(std::to_string(*number));
  return parts;
}

bool clashes(Context& context, const std::string& key, const ast::Span& at) {
  const std::string root = root_of(key);
  const auto indices = std::count(key.begin(), key.end(), '.');
  for (const auto& [other, instance] : context.frame->instances) {
    if (root_of(other) != root || std::count(other.begin(), other.end(), '.') == indices) continue;
    report(context, at,
           fmt::format("`{}` and `{}` stand in one block: a name has the same number of indices everywhere",
                       in_source(key), in_source(other)))
        .note(instance.at.at, fmt::format("`{}` is here", in_source(other)));
    return true;
  }
  return false;
}

}  // namespace

std::string in_source(const std::string& key) {
  std::string text;
  bool index = false;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const bool digit_next = key[i] == '.' && i + 1 < key.size() && key[i + 1] >= '0' && key[i + 1] <= '9';
    if (key[i] == '.' && index) text += ']';
    if (key[i] == '.') index = digit_next;
    text += key[i] == '.' ? (digit_next ? '[' : '.') : key[i];
  }
  return index ? text + ']' : text;
}

std::optional<std::string> name_instance(Context& context, const ast::Definition& layer, const ast::Call& call,
                                         const ast::Span& at) {
  Frame& frame = *context.frame;
  const bool predicts = context.target && context.target->predicts;
  if (!call.alias && frame.kind == Frame::Kind::predict) {
    report(context, at,
           fmt::format(
               "a layer call in `predict` is named, `{}(...) as NAME`: the name tells which layer of `train` it is",
               layer.name.text));
    return std::nullopt;
  }
  const auto key = key_of(context, layer, call);
  if (!key) return std::nullopt;
  const ast::Span place = call.alias ? call.alias->span : at;
  if (clashes(context, *key, place)) return std::nullopt;
  const bool share = call.alias && call.alias->share;
  const std::string path = frame.path.empty() ? *key : frame.path + "." + *key;

  const auto [entry, fresh] = frame.instances.emplace(*key, Instance{&layer, path, place, share, 1});
  Instance& instance = entry->second;
  if (!fresh) {
    const bool shared = instance.shared && share;
    if (!shared && instance.at.at == place.at) {
      report(context, place,
             fmt::format(
                 "this layer call is made again, and is named `{0}` each time; in `for i in ..`, `as {0}[i]` names "
                 "instances of their own, `as share {0}` means one",
                 in_source(*key)));
      return std::nullopt;
    }
    if (!shared) {
      report(context, place,
             fmt::format("two layer calls are named `{}`; one instance is meant by `as share {}` on both",
                         in_source(*key), in_source(*key)))
          .note(instance.at.at, "the other one is here");
      return std::nullopt;
    }
    ++instance.uses;
    if (instance.layer != &layer) {
      report(context, place,
             fmt::format("`{}` is shared by `{}` and `{}`: sharing calls are of one layer", in_source(*key),
                         instance.layer->name.text, layer.name.text))
          .note(instance.at.at, "the other one is here");
      return std::nullopt;
    }
  }
  if (!predicts) {
    context.instances.emplace(path, &layer);
    return path;
  }
  const auto trained = context.instances.find(path);
  if (trained != context.instances.end() && trained->second == &layer) return path;
  std::vector<std::string> paths;
  for (const auto& [known, definition] : context.instances) paths.push_back(known);
  const std::string near = suggestion(path, paths);
  report(context, place,
         trained == context.instances.end()
             ? fmt::format("`train` has no layer call named `{}`{}", in_source(path),
                           near.empty() ? "" : fmt::format("; did you mean `{}`?", in_source(near)))
             : fmt::format("`{}` is a `{}` in `train`, not a `{}`", in_source(path), trained->second->name.text,
                           layer.name.text));
  return std::nullopt;
}

void check_shares(Context& context, const Frame& frame) {
  for (const auto& [key, instance] : frame.instances)
    if (instance.shared && instance.uses == 1)
      report(context, instance.at, fmt::format("`share {}` stands once only: sharing takes two calls", in_source(key)));
}

std::optional<Value> evaluate_parameter_of_instance(Context& context, const ast::Member& member, const ast::Span& at) {
  const auto parts = path_of(context, *member.object);
  if (!parts) return std::nullopt;
  const Frame& frame = *context.frame;
  std::string key, owner;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    key += (i ? "." : "") + (*parts)[i];
    if (!owner.empty()) {
      owner += "." + (*parts)[i];
    } else if (const auto instance = frame.instances.find(key); instance != frame.instances.end()) {
      owner = instance->second.path;
    } else if (frame.kind == Frame::Kind::predict && context.instances.contains(key)) {
      owner = key;
    }
  }
  if (owner.empty()) {
    if (frame.variables.contains(parts->front())) return std::nullopt;
    std::vector<std::string> indexed;
    for (const auto& [known, instance] : frame.instances)
      if (known.starts_with(parts->front() + ".")) indexed.push_back("`" + in_source(known) + "`");
    if (indexed.empty()) return std::nullopt;
    if (indexed.size() > 3) indexed.erase(indexed.begin() + 1, indexed.end() - 1);
    return fail(context, member.object->span,
                fmt::format("no layer call here is named `{}`; there are {}", in_source(key),
                            fmt::join(indexed, indexed.size() == 2 ? " to " : ", ")));
  }
  if (const SlotInfo* slot = context.find_slot(owner + "." + member.member.text)) {
    if (!context.target || context.target->kind != Target::Kind::model)
      return fail(context, at, "a parameter is known in the training step only");
    return Value{TensorValue{newest(context, ir::Slot(slot->slot), slot->at)}, at};
  }
  // A layer that had an error has said so already, and may lack the parameter for that reason.
  if (context.diagnostics->failed()) return poison(context);
  std::vector<std::string> names;
  for (const SlotInfo& slot : context.slots)
    if (slot.slot.path.starts_with(owner + ".")) names.push_back(slot.slot.path.substr(owner.size() + 1));
  const std::string near = suggestion(member.member.text, names);
  return fail(context, member.member.span,
              fmt::format("`{}` has no parameter `{}`; {}", in_source(owner), member.member.text,
                          !near.empty()   ? fmt::format("did you mean `{}`?", near)
                          : names.empty() ? "it has none"
                                          : fmt::format("it has {}", fmt::join(names, ", "))));
}

}  // namespace nnc::frontend
