// Graphs, rules and the ops in them, from text.
//
// A name that could not be given its meaning is reported once: what uses it is read on with the types that the text
// gives, but is not checked.
#pragma once

#include "ir/module.h"
#include "ir/op.h"
#include "ir/parse_literal.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace nnc::ir::text {

/// Where the parts of a graph stand.
struct GraphPlaces {
  Token header;
  std::vector<Token> params, ops, results;  // ops with those of regions, in the order of the text
};

/// An op as it stands in the text.
struct OpText {
  std::vector<Token> results;
  Token name;
  std::vector<Token> operands, slots;
  std::vector<TensorText> tensors;
  std::vector<AttrText> attrs;
  std::vector<Block> regions;
  std::vector<Type> types;
  std::vector<Token> type_places;
  Location location;
  Role role;
};

/// name = path [ path ]: a graph's name and its batch size, as in `@train@128`.
bool parse_graph_name(Cursor& cursor, std::string& name, std::int64_t& batch);
/// Collects the attributes from where they stand: in braces, among the arguments, in the result type.
bool take_attrs(Cursor& cursor, const OpDef& def, const OpText& text, std::vector<NamedAttr>& attrs);
/// The attribute that the message names, or else the op.
const Token& attr_place(const OpText& text, std::string_view message);

class GraphParser {
 public:
  /// Appends to `slot_uses` the paths that have to be slots.
  GraphParser(Cursor& cursor, std::vector<Token>& slot_uses, GraphPlaces& places)
      : cursor_(cursor), slot_uses_(slot_uses), places_(places) {}

  bool parse(Graph& graph);
  /// What stands behind `kernel`; the result types are those of the values that the region yields.
  bool parse_kernel(Kernel& kernel);

 private:
  struct Definition {
    ValueId value;
    Token place;
    bool known = true;  // its op is well formed
  };
  struct Scope {
    std::unordered_map<std::string_view, Definition> values;
    bool is_region = false;
  };

  bool parse_params(Block& block, Scope& scope, std::vector<Token>& places);
  /// Up to the word that ends the block, which is taken; false at the end of a block without it.
  bool parse_ops(Block& block, Scope& scope, std::string_view last_word);
  bool parse_op(Block& block, Scope& scope);
  bool parse_op_text(OpText& text);
  bool parse_arguments(OpText& text);
  bool parse_region(Block& region);
  bool parse_region_at_depth(Block& region);
  bool parse_results(Graph& graph, Scope& scope);

  /// Appends the op; one that is wrong is reported and appended without its meaning.
  void build_op(Block& block, Scope& scope, OpText text);
  bool check_counts(const OpText& text, const OpDef& def);
  bool look_up(const Scope& scope, const Token& name, Definition& found);
  void define(Scope& scope, const Token& name, ValueId value, bool known);

  Cursor& cursor_;
  std::vector<Token>& slot_uses_;
  GraphPlaces& places_;
  int depth_ = 0;
};

}  // namespace nnc::ir::text
