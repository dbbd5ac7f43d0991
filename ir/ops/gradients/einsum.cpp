// Einsum: the cotangent of an operand is an Einsum of the result's cotangent and the other operands.
#include "ir/ops/einsum.h"

#include <algorithm>

#include "ir/ops/gradients/rules.h"

namespace dlc::ir {
namespace {

bool has_label(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// One letter a label.
class Alphabet {
 public:
  explicit Alphabet(const Equation& equation) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    check(equation.extents.size() <= kLetters.size(), "labels are letters and axes");
    size_t next = 0;
    for (const auto& [label, extent] : equation.extents) letters_[label] = kLetters[next++];
  }
  std::string term(const Labels& labels) const {
    std::string result;
    for (Label label : labels) result += letters_.at(label);
    return result;
  }

 private:
  std::map<Label, char> letters_;
};

// Each label once.
Labels distinct(const Labels& labels) {
  Labels result;
  for (Label label : labels) {
    if (!has_label(result, label)) result.push_back(label);
  }
  return result;
}

// An axis of extent 1 at each position where a label of `all` is missing in `present`.
Term with_axes(const Term& x, const Labels& present, const Labels& all) {
  Shape shape;
  size_t next = 0;
  for (Label label : all) shape.push_back(has_label(present, label) ? x.shape()[next++] : Dim(1));
  return reshape(x, shape);
}

// The elements of x, of distinct labels, on the diagonals that repeated labels mean; zeros elsewhere.
Term on_diagonals(const Term& x, const Labels& labels, const Shape& shape) {
  Labels seen;
  Term result = x;
  for (size_t i = 0; i < labels.size(); ++i) {
    auto first = std::find(labels.begin(), labels.begin() + static_cast<ptrdiff_t>(i), labels[i]);
    if (first == labels.begin() + static_cast<ptrdiff_t>(i)) continue;
    auto along = [&](size_t axis) {
      Shape line(labels.size(), 1);
      line[axis] = shape[axis];
      return reshape(range(x.builder(), shape[axis]), line);
    };
    Shape wider = result.shape();
    wider.insert(wider.begin() + static_cast<ptrdiff_t>(i), 1);
    result = reshape(result, wider);
    // Axes behind i may still be missing: the mask has those of the whole.
    Term hit = equal(along(i), along(static_cast<size_t>(first - labels.begin())));
    Shape mask = hit.shape();
    mask.resize(result.shape().size(), Dim(1));
    result = where(reshape(hit, mask), result, 0);
  }
  return result;
}

Term cotangent(GradientContext& context, const Equation& equation, size_t operand) {
  Alphabet alphabet(equation);
  std::vector<Value*> inputs = {context.grad()};
  std::string text = alphabet.term(equation.output);
  Labels available = equation.output;
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    if (i == operand) continue;
    inputs.push_back(context.input(i));
    text += "," + alphabet.term(equation.operands[i]);
    available.insert(available.end(), equation.operands[i].begin(), equation.operands[i].end());
  }
  Labels wanted = distinct(equation.operands[operand]);
  Labels present;
  std::copy_if(wanted.begin(), wanted.end(), std::back_inserter(present),
               [&](Label label) { return has_label(available, label); });
  text += "->" + alphabet.term(present);
  Builder& builder = context.builder();
  Term sum(builder, builder.op("Einsum", inputs, {{"equation", text}}));
  // A label of this operand alone is summed over: its elements share the cotangent.
  Term whole = with_axes(sum, present, wanted);
  Shape shape;
  for (Label label : wanted) shape.push_back(equation.extents.at(label));
  return expand(whole, shape);
}

}  // namespace

void einsum_gradient(GradientContext& context) {
  InferContext facts(context.node());
  Equation equation = equation_of(facts);
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    if (!context.wants(i)) continue;
    Term d = cotangent(context, equation, i);
    const Labels& labels = equation.operands[i];
    context.set(i,
                d.shape().size() == labels.size() ? d : on_diagonals(d, labels, context.input(i)->shape()));
  }
}

}  // namespace dlc::ir
