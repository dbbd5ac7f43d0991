#include "passes/evaluate.h"

#include "ir/kernel/expand_attention.h"
#include "ir/kernel/interpret.h"
#include "ir/kernel/lower.h"
#include "ir/op.h"
#include "passes/passes.h"
#include "runtime/error.h"

namespace dlc::passes {
namespace {

bool is_plain_tensor(const ir::Value& value) {
  return value.type().is_tensor() && value.dtype() != DType::kString && ir::is_static(value.shape());
}

bool may_evaluate(const ir::Node& node, const EvaluateOptions& options) {
  if (ir::has(node.op().traits, ir::Trait::kNondeterministic) || !ir::subgraphs(node).empty()) return false;
  int64_t input_elements = 0;
  for (const ir::Value* input : node.inputs()) {
    if (input == nullptr) continue;
    if (!input->is_constant() || !is_plain_tensor(*input)) return false;
    input_elements += input->constant().size();
  }
  int64_t output_elements = 0;
  for (const ir::Value* output : node.outputs()) {
    if (output == nullptr) continue;
    if (!is_plain_tensor(*output)) return false;
    output_elements += ir::product(output->shape()).value();
  }
  if (output_elements > options.max_operations) return false;
  return output_elements <= options.max_grown_elements || output_elements <= input_elements;
}

// Iterations of the loops around every statement, summed; nothing where bounds are no constants.
std::optional<int64_t> count_operations(const ir::Block& block, int64_t repeat, int64_t limit) {
  int64_t total = 0;
  for (const ir::Stmt& stmt : block) {
    std::optional<int64_t> inner = repeat;
    if (auto* loop = std::get_if<ir::For>(&stmt.node)) {
      bool known = loop->begin->op == ir::ExprOp::kInt && loop->end->op == ir::ExprOp::kInt;
      if (!known) return std::nullopt;
      int64_t count = std::max<int64_t>(0, loop->end->integer - loop->begin->integer);
      if (count > limit || repeat * count > limit) return std::nullopt;
      inner = count_operations(loop->body, repeat * count, limit);
    } else if (auto* branch = std::get_if<ir::If>(&stmt.node)) {
      inner = count_operations(branch->then_body, repeat, limit);
    }
    if (!inner || (total += *inner) > limit) return std::nullopt;
  }
  return total;
}

bool is_cheap(const ir::Kernel& kernel, int64_t limit) {
  if (auto* nest = std::get_if<ir::LoopNest>(&kernel.body))
    return count_operations(nest->body, 1, limit).has_value();
  if (auto* contraction = std::get_if<ir::Contraction>(&kernel.body)) {
    ir::Dim total = 1;
    for (const ir::ContractionAxis& axis : contraction->axes) total *= axis.extent;
    return total.is_constant() && total.value() <= limit;
  }
  return false;
}

// Whether a kernel uses an extent that only the inputs of a run give.
bool uses_symbols(const ir::Kernel& kernel) {
  bool found = false;
  ir::visit_exprs(kernel, [&](const ir::Expr& e) {
    ir::visit(e, [&](const ir::ExprNode& node) {
      found = found || (node.op == ir::ExprOp::kDim && !node.dim.is_constant());
    });
  });
  return found;
}

bool is_cheap(const ir::Program& program, int64_t limit) {
  bool result = true;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    if (std::holds_alternative<ir::CheckStep>(step.node)) return;
    auto* kernel = std::get_if<ir::KernelStep>(&step.node);
    result = result && kernel != nullptr && !uses_symbols(kernel->kernel) && is_cheap(kernel->kernel, limit);
  });
  return result;
}

// A graph that holds only a copy of the node.
std::unique_ptr<ir::Graph> isolate(const ir::Node& node) {
  auto graph = std::make_unique<ir::Graph>("folded");
  std::vector<ir::Value*> inputs;
  for (const ir::Value* input : node.inputs()) {
    inputs.push_back(input == nullptr ? nullptr : graph->add_constant(input->name(), input->constant()));
  }
  std::vector<std::string> names;
  for (const ir::Value* output : node.outputs()) {
    names.push_back(output == nullptr ? std::string(ir::Graph::kAbsent) : output->name());
  }
  ir::Node* copy = graph->add_node(node.op(), std::move(inputs), names, node.attributes(), node.name());
  std::vector<ir::Value*> outputs;
  for (ir::Value* output : copy->outputs()) {
    if (output != nullptr) outputs.push_back(output);
  }
  std::erase(names, ir::Graph::kAbsent);
  graph->set_outputs(std::move(outputs), std::move(names));
  ir::infer_types(*graph);
  return graph;
}

}  // namespace

std::optional<std::vector<Tensor>> evaluate(const ir::Node& node, const EvaluateOptions& options) {
  if (!may_evaluate(node, options)) return std::nullopt;
  std::unique_ptr<ir::Graph> graph = isolate(node);
  Options pass_options;
  ir::RewriteCounter counter;
  PassContext context{pass_options, counter};
  expand_composites(*graph, context);
  ir::Program program = ir::lower_to_kernels(*graph);
  ir::expand_attentions(program);
  if (!is_cheap(program, options.max_operations)) return std::nullopt;
  std::vector<Tensor> present;
  try {
    present = ir::interpret(program, {});
  } catch (Error& error) {
    error.add_context(node.describe());
    throw;
  }
  std::vector<Tensor> result(node.outputs().size());
  size_t next = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    if (node.output(i) != nullptr) result[i] = std::move(present[next++]);
  }
  return result;
}

}  // namespace dlc::passes
