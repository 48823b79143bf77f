// The declarations of the user's file and of std, and who sees which.
//
// A name is looked up by place: initializers, schedules and optimizers each have their own, `layer` and `fn` share one.
// A user's name wins over std's, but never inside std, so that a user's `relu` changes no layer of std.
#pragma once

#include "frontend/ast.h"
#include "ir/diagnostics.h"

#include <map>
#include <string>
#include <vector>

namespace nnc::frontend {

enum class Place { value, initializer, schedule, optimizer };

class Declarations {
 public:
  /// Keeps references to both. Reports names declared twice.
  Declarations(const ast::Program& user, const std::vector<ast::Program>& std, ir::Diagnostics& diagnostics);

  const ast::Definition* find(Place place, const std::string& name, bool from_std) const;
  bool is_std(const ast::Definition& definition) const { return is_std_.at(&definition); }
  /// Names of that place, for suggestions.
  std::vector<std::string> names(Place place, bool from_std) const;

  /// For a name that is no value where it stands: ": " and what it is elsewhere in the file, or nothing.
  std::string elsewhere(const std::string& name, const ir::SourcePoint& at) const;

  const std::string& user_file() const { return user_->file; }
  const std::vector<const ast::Hyper*>& hypers() const { return hypers_; }
  const ast::Train* train() const { return train_; }
  const ast::Predict* predict() const { return predict_; }

 private:
  using Table = std::map<std::pair<Place, std::string>, const ast::Definition*>;
  void add(const ast::Definition& definition, bool std, ir::Diagnostics& diagnostics);

  const ast::Program* user_;
  Table user_table_, std_table_;
  std::map<const ast::Definition*, bool> is_std_;
  std::vector<const ast::Hyper*> hypers_;
  const ast::Train* train_ = nullptr;
  const ast::Predict* predict_ = nullptr;
};

}  // namespace nnc::frontend
