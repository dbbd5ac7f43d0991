#include "ir/ops/einsum.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "ir/builder.h"
#include "ir/ops/contract.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

// ---- Equation ---------------------------------------------------------------------------------------------

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Letters of a term; an ellipsis becomes `ellipsis` labels.
Labels parse_term(const InferContext& context, std::string_view term, size_t ellipsis) {
  Labels result;
  bool seen = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term.substr(i).starts_with("...") && !seen) {
      for (size_t j = ellipsis; j-- > 0;) result.push_back(-1 - static_cast<Label>(j));
      seen = true;
      i += 2;
    } else if (is_letter(term[i])) {
      result.push_back(term[i]);
    } else {
      context.fail("attribute 'equation': unexpected character '{}' in the term '{}'", term[i], term);
    }
  }
  return result;
}

size_t letters_in(std::string_view term) {
  return static_cast<size_t>(std::count_if(term.begin(), term.end(), is_letter));
}

bool has_ellipsis(std::string_view term) { return term.find("...") != std::string_view::npos; }

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (char c : text) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  return terms;
}

struct Text {
  std::vector<std::string> terms;
  std::optional<std::string> output;
};

Text text_of(const Node& node) {
  auto equation = node.attribute<std::string>("equation");
  std::erase(equation, ' ');
  size_t arrow = equation.find("->");
  if (arrow == std::string::npos) return {split_terms(equation), std::nullopt};
  return {split_terms(equation.substr(0, arrow)), equation.substr(arrow + 2)};
}

// Without an arrow: the ellipsis, then the letters that appear once, in order.
Labels implicit_output(const std::vector<Labels>& operands, size_t ellipsis) {
  std::map<Label, int> count;
  for (const Labels& operand : operands) {
    for (Label label : operand) ++count[label];
  }
  Labels result;
  for (size_t i = ellipsis; i-- > 0;) result.push_back(-1 - static_cast<Label>(i));
  for (const auto& [label, times] : count) {
    if (label >= 0 && times == 1) result.push_back(label);
  }
  return result;
}

void add_extents(const InferContext& context, Equation& equation, size_t operand) {
  const Labels& labels = equation.operands[operand];
  const Shape& shape = context.shape(operand);
  if (labels.size() != shape.size()) {
    context.fail("attribute 'equation': term {} has {} axes, input {} has shape {}", operand, labels.size(),
                 operand, to_string(shape));
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    auto [it, inserted] = equation.extents.try_emplace(labels[i], shape[i]);
    if (!inserted) it->second = broadcast_extents(context, it->second, shape[i]);
  }
}

}  // namespace

Equation equation_of(const InferContext& context) {
  Text text = text_of(context.node());
  size_t count = context.node().inputs().size();
  if (text.terms.size() != count) {
    context.fail("attribute 'equation': {} terms for {} inputs", text.terms.size(), count);
  }
  Equation result;
  size_t widest = 0;
  for (size_t i = 0; i < count; ++i) {
    size_t rank = context.shape(i).size();
    size_t letters = letters_in(text.terms[i]);
    size_t ellipsis = has_ellipsis(text.terms[i]) && rank > letters ? rank - letters : 0;
    widest = std::max(widest, ellipsis);
    result.operands.push_back(parse_term(context, text.terms[i], ellipsis));
    add_extents(context, result, i);
  }
  result.output =
      text.output ? parse_term(context, *text.output, widest) : implicit_output(result.operands, widest);
  std::set<Label> seen;
  for (Label label : result.output) {
    if (!result.extents.contains(label))
      context.fail("attribute 'equation': the output has an axis of no input");
    if (!seen.insert(label).second) context.fail("attribute 'equation': the output repeats an axis");
  }
  return result;
}

namespace {

void infer_einsum(InferContext& context) {
  require_same_types(context, TypeClass::kNumeric);
  Equation equation = equation_of(context);
  Shape shape;
  for (Label label : equation.output) shape.push_back(equation.extents.at(label));
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

// ---- Lowering ---------------------------------------------------------------------------------------------

bool contains_label(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// Labels along which an operand does not repeat.
Labels varying(const Labels& labels, const Shape& shape) {
  Labels result;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (shape[i] != Dim(1)) result.push_back(labels[i]);
  }
  return result;
}

Index operand_index(const Labels& labels, const Shape& shape, const Equation& equation,
                    const std::map<Label, Expr>& at) {
  Index result;
  for (size_t i = 0; i < labels.size(); ++i) {
    result.push_back(broadcast_coordinate(at.at(labels[i]), shape[i], equation.extents.at(labels[i])));
  }
  return result;
}

std::optional<AxisRole> role_of(bool in_a, bool in_b, bool in_output) {
  if (in_a && in_b) return in_output ? AxisRole::kBatch : AxisRole::kK;
  if (!in_output) return std::nullopt;
  if (in_a) return AxisRole::kM;
  if (in_b) return AxisRole::kN;
  return AxisRole::kBatch;  // of extent 1 in both
}

// The roles of all labels if the equation is a contraction of two operands, which share all summed labels.
std::optional<std::map<Label, AxisRole>> contraction_roles(const LowerContext& context,
                                                           const Equation& equation) {
  if (equation.operands.size() != 2) return std::nullopt;
  std::array<Labels, 2> labels;
  for (size_t i = 0; i < 2; ++i) {
    labels[i] = varying(equation.operands[i], context.input_shape(i));
    if (std::set<Label>(labels[i].begin(), labels[i].end()).size() != labels[i].size()) return std::nullopt;
  }
  std::map<Label, AxisRole> result;
  bool sums = false;
  for (const auto& [label, extent] : equation.extents) {
    if (extent == Dim(1)) continue;
    auto role = role_of(contains_label(labels[0], label), contains_label(labels[1], label),
                        contains_label(equation.output, label));
    if (!role) return std::nullopt;
    sums = sums || role == AxisRole::kK;
    result[label] = *role;
  }
  return sums ? std::optional(result) : std::nullopt;
}

void lower_contraction(LowerContext& context, const Equation& equation,
                       const std::map<Label, AxisRole>& roles) {
  ContractionBuilder builder(context, context.input_type(0).dtype);
  std::map<Label, Expr> at;
  for (const auto& [label, extent] : equation.extents) at[label] = integer(0);
  constexpr AxisRole kOrder[] = {AxisRole::kBatch, AxisRole::kM, AxisRole::kN, AxisRole::kK};
  for (AxisRole wanted : kOrder) {
    // In the output's order, then the summed ones.
    for (Label label : equation.output) {
      auto it = roles.find(label);
      if (it != roles.end() && it->second == wanted)
        at[label] = builder.axis(equation.extents.at(label), wanted);
    }
  }
  for (const auto& [label, role] : roles) {
    if (role == AxisRole::kK) at[label] = builder.axis(equation.extents.at(label), role);
  }
  builder.a(context.input(0), operand_index(equation.operands[0], context.input_shape(0), equation, at));
  builder.b(context.input(1), operand_index(equation.operands[1], context.input_shape(1), equation, at));
  Index out;
  for (Label label : equation.output) out.push_back(at.at(label));
  builder.finish(context.output(), out, builder.sum());
}

// out[output labels] = sum over the other labels of the product of all operands.
void lower_sum_of_products(LowerContext& context, const Equation& equation) {
  Labels summed;
  Shape reduced;
  for (const auto& [label, extent] : equation.extents) {
    if (contains_label(equation.output, label)) continue;
    summed.push_back(label);
    reduced.push_back(extent);
  }
  DType type = accumulator_type(context.output_type().dtype);
  auto value = [&](const Index& outer, const Index& inner) {
    std::map<Label, Expr> at;
    for (size_t i = 0; i < outer.size(); ++i) at[equation.output[i]] = outer[i];
    for (size_t i = 0; i < inner.size(); ++i) at[summed[i]] = inner[i];
    Expr result;
    for (size_t i = 0; i < equation.operands.size(); ++i) {
      Index index = operand_index(equation.operands[i], context.input_shape(i), equation, at);
      Expr factor = cast(context.at_input(i, index), type);
      result = result ? result * factor : factor;
    }
    return result;
  };
  auto finish = [&](const Expr& sum) { return cast(sum, context.output_type().dtype); };
  context.reduce(context.output(), reduced, Combiner::kSum, constant(type, 0), value, finish);
}

void check_extents(LowerContext& context, const Equation& equation) {
  for (size_t i = 0; i < equation.operands.size(); ++i) {
    Shape target;
    for (Label label : equation.operands[i]) target.push_back(equation.extents.at(label));
    check_broadcast(context, context.input_shape(i), target, fmt::format("input {}", i));
  }
}

void lower_einsum(LowerContext& context) {
  Equation equation = equation_of(facts(context));
  check_extents(context, equation);
  if (auto roles = contraction_roles(context, equation)) {
    lower_contraction(context, equation, *roles);
  } else {
    lower_sum_of_products(context, equation);
  }
}

// ---- Expansion --------------------------------------------------------------------------------------------

std::string letters_of(const Labels& labels) {
  std::string result;
  for (Label label : labels) {
    if (label >= 0) result += static_cast<char>(label);
  }
  return result;
}

// Three or more operands are multiplied two at a time, from the left; an intermediate result keeps the labels
// that are still needed.
bool expand_einsum(Builder& builder, Node& node) {
  size_t count = node.inputs().size();
  if (count <= 2) return false;
  InferContext context(node);
  Equation equation = equation_of(context);
  auto term = [&](const Labels& labels) {
    bool ellipsis = std::any_of(labels.begin(), labels.end(), [](Label label) { return label < 0; });
    return (ellipsis ? "..." : "") + letters_of(labels);
  };
  Value* product = node.input(0);
  Labels labels = equation.operands[0];
  for (size_t i = 1; i < count; ++i) {
    std::set<Label> needed(equation.output.begin(), equation.output.end());
    for (size_t j = i + 1; j < count; ++j)
      needed.insert(equation.operands[j].begin(), equation.operands[j].end());
    std::set<Label> present(labels.begin(), labels.end());
    present.insert(equation.operands[i].begin(), equation.operands[i].end());
    Labels kept;
    std::set_intersection(present.begin(), present.end(), needed.begin(), needed.end(),
                          std::back_inserter(kept));
    if (i + 1 == count) kept = equation.output;
    std::string text = text_of(node).terms[i];
    std::string step =
        fmt::format("{},{}->{}", i == 1 ? text_of(node).terms[0] : term(labels), text, term(kept));
    if (i + 1 == count && text_of(node).output)
      step = step.substr(0, step.find("->") + 2) + *text_of(node).output;
    product = builder.op("Einsum", {product, node.input(i)}, {{"equation", step}});
    // An ellipsis comes first in intermediate terms; its axes are labelled from the right, hence sorted.
    labels = kept;
  }
  builder.replace(node, 0, product);
  return true;
}

}  // namespace

void register_einsum(OpRegistry& registry) {
  registry.add({.name = "Einsum", .infer = infer_einsum, .expand = expand_einsum, .lower = lower_einsum});
}

}  // namespace dlc::ir
