// Programs, from text; program.h shows it.
//
//   program  = "program" path [ path ] params "{" { "transient" integer | "scratch" integer | buffer | run }
//              "return" [ word "=" value { "," word "=" value } ] "}"
//   buffer   = "buffer" value ":" type place
//   place    = "transient" integer | "slot" path | "constant" tensor | "is" value
//   run      = "run" ( path | word attrs ) set { "," set } "threads" integer [ "scratch" integer ] location role
//   set      = "(" [ values ] ")" "->" "(" [ values ] ")" [ "extent" integer ]
//   values   = value { "," value }
#pragma once

#include "ir/module.h"
#include "ir/parse_graph.h"

#include <string_view>
#include <unordered_map>
#include <vector>

namespace nnc::ir::text {

/// Where the parts of a program stand.
struct ProgramPlaces {
  Token header;
  std::vector<Token> buffers, instructions, results;  // buffers with the params
};

class ProgramParser {
 public:
  /// Appends to `slot_uses` the paths that have to be slots.
  ProgramParser(Cursor& cursor, const std::vector<Kernel>& kernels, std::vector<Token>& slot_uses,
                ProgramPlaces& places)
      : cursor_(cursor), kernels_(kernels), slot_uses_(slot_uses), places_(places) {}

  bool parse(Program& program);

 private:
  bool parse_params(Program& program);
  bool parse_statement(Program& program);
  bool parse_bytes(std::string_view keyword, bool& given, std::int64_t& bytes);
  bool parse_buffer(Program& program);
  bool parse_place(const Program& program, Buffer& buffer);
  bool parse_row(const Program& program, Buffer& buffer);
  bool parse_run(Program& program);
  bool parse_loop(Program& program);
  bool parse_kernel_name(Instruction& instruction);
  bool parse_contraction(OpText& text, Instruction& instruction);
  bool parse_set(ArgumentSet& set);
  bool parse_values(std::vector<int>& buffers);
  bool parse_results(Program& program);

  void define(const Token& name, int buffer);
  /// The buffer, or -1 after an error.
  int look_up(const Token& name);

  Cursor& cursor_;
  const std::vector<Kernel>& kernels_;
  std::vector<Token>& slot_uses_;
  ProgramPlaces& places_;
  std::unordered_map<std::string_view, std::pair<int, Token>> buffers_;
  std::vector<std::size_t> open_loops_;
  bool transient_given_ = false, scratch_given_ = false;
};

}  // namespace nnc::ir::text
