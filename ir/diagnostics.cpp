#include "ir/diagnostics.h"

#include "ir/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace nnc::ir {

namespace {

constexpr std::size_t longest_line_shown = 160;

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin <= text.size();) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    std::string line = text.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

std::string paint(std::string text, std::string_view code, bool colour) {
  return colour ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
}

std::string place(const SourcePoint& at) {
  if (!at.known()) return "";
  if (at.line <= 0) return at.file + ": ";
  if (at.column <= 0) return fmt::format("{}:{}: ", at.file, at.line);
  return fmt::format("{}:{}:{}: ", at.file, at.line, at.column);
}

}  // namespace

void Diagnostic::note_calls(const CallChain& chain, std::size_t shown) {
  constexpr std::size_t most = 3;
  if (shown + 1 < chain.size() && chain.back().known())
    note(chain.back(), "the error is met here, in the standard library");
  for (std::size_t i = shown; i-- > 0 && shown - i <= most;)
    if (chain[i].known()) note(chain[i], "in the call here");
}

Diagnostic& Diagnostic::note(SourcePoint where, std::string text) {
  notes.push_back({std::move(where), std::move(text)});
  return *this;
}

void Diagnostics::add_source(std::string file, std::string text) { sources_[std::move(file)] = split_lines(text); }

void Diagnostics::add_line(const std::string& file, int line, std::string text) {
  lines_[{file, line}] = std::move(text);
}

Diagnostic& Diagnostics::error(SourcePoint at, std::string message, int width) {
  for (Diagnostic& known : errors_)
    if (known.at == at && known.message == message) {
      dropped_ = known;
      return dropped_;
    }
  ++count_;
  Diagnostic diagnostic{std::move(at), width, std::move(message), {}};
  if (errors_.size() >= max_errors) {
    dropped_ = std::move(diagnostic);
    return dropped_;
  }
  // A caller may still add notes to an earlier error while others are reported.
  if (errors_.capacity() == 0) errors_.reserve(max_errors);
  return errors_.emplace_back(std::move(diagnostic));
}

Diagnostic& Diagnostics::error(std::string message) { return error(SourcePoint{}, std::move(message)); }

std::string Diagnostics::excerpt(const SourcePoint& at, int width, bool colour) const {
  std::string line;
  if (auto found = lines_.find({at.file, at.line}); found != lines_.end()) {
    line = found->second;
  } else if (auto source = sources_.find(at.file); source != sources_.end()) {
    if (at.line < 1 || at.line > static_cast<int>(source->second.size())) return "";
    line = source->second[static_cast<std::size_t>(at.line - 1)];
  } else {
    return "";
  }
  // A long line is shown around the place.
  std::size_t column = static_cast<std::size_t>(std::max(at.column, 1)) - 1;
  column = std::min(column, line.size());
  if (line.size() > longest_line_shown) {
    const std::size_t begin = column > longest_line_shown / 2 ? column - longest_line_shown / 2 : 0;
    line = line.substr(begin, longest_line_shown);
    column -= begin;
  }
  std::string margin;  // tabs stay tabs, so that the caret stands below its character
  for (std::size_t i = 0; i < column; ++i) {
    const auto byte = static_cast<unsigned char>(line[i]);
    if (byte == '\t')
      margin += '\t';
    else if ((byte & 0xC0) != 0x80)
      margin += ' ';
  }
  line = printable_text(line);
  std::string result = fmt::format("{:>6} | {}\n", at.line, line);
  if (at.column >= 1) {
    const int room = std::max(1, static_cast<int>(line.size() - column));
    const std::string marks = "^" + std::string(static_cast<std::size_t>(std::clamp(width, 1, room) - 1), '~');
    result += fmt::format("       | {}{}\n", margin, paint(marks, "1;32", colour));
  }
  return result;
}

std::string Diagnostics::render(bool colour) const {
  std::string text;
  for (const Diagnostic& error : errors_) {
    text += paint(place(error.at), "1", colour) + paint("error: ", "1;31", colour) + error.message + "\n";
    text += excerpt(error.at, error.width, colour);
    for (const Note& note : error.notes) {
      text += paint(place(note.at), "1", colour) + paint("note: ", "1;36", colour) + note.text + "\n";
      text += excerpt(note.at, 1, colour);
    }
  }
  if (count_ > static_cast<int>(errors_.size()))
    text += fmt::format("error: {} more errors are not shown\n", count_ - static_cast<int>(errors_.size()));
  return text;
}

namespace {

/// Edit distance in which swapping two neighbours is one edit.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

/// Without what people spell differently: `BatchNorm` and `batch_norm` are one.
std::string folded(std::string_view name) {
  std::string letters;
  for (const char c : name)
    if (c != '_') letters += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return letters;
}

}  // namespace

// Of a program with thousands of names and as many slips, the first names will do.
constexpr std::size_t most_candidates = 1000;

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  const std::string wanted = folded(name);
  // A third of the letters may be wrong, of a short name one, else two at least.
  std::size_t best_distance = 1 + (name.size() > 64   ? 0
                                   : name.size() <= 4 ? 1
                                                      : std::max<std::size_t>(2, name.size() / 3));
  for (const std::string& candidate : std::span(candidates).first(std::min(candidates.size(), most_candidates))) {
    if (candidate.size() > 64 || candidate == name) continue;
    const std::string given = folded(candidate);
    const std::size_t distance = edit_distance(wanted, given);
    if (distance < best_distance && distance < std::max(wanted.size(), given.size())) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace nnc::ir
