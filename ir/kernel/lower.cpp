#include "ir/kernel/lower.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "ir/kernel/strings.h"
#include "ir/op.h"
#include "ir/prune.h"
#include "runtime/error.h"

namespace dlc::ir {

namespace {

// Error for elements that no kernel computes with; `owner` is what the message begins with.
void require_kernels_for(DType type, std::string_view owner) {
  if (type != DType::kString && type != DType::kComplex64 && type != DType::kComplex128) return;
  fail(ErrorKind::kModel, "{}there are no kernels for elements of type {}", owner, onnx_name(type));
}

Buffer temp_buffer(DType type, Shape shape, std::string_view name) {
  require_kernels_for(type, "");
  return {.name = std::string(name), .kind = BufferKind::kTemp, .dtype = type, .shape = std::move(shape)};
}

BufferId add_constant(Program& program, const Tensor& tensor, std::string_view name) {
  require_kernels_for(tensor.dtype(), "");
  const Shape shape(tensor.shape().begin(), tensor.shape().end());
  return program.add_buffer({.name = std::string(name),
                             .kind = BufferKind::kConstant,
                             .dtype = tensor.dtype(),
                             .shape = shape,
                             .constant = tensor});
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// Variables for the axes that need a loop; kNone where the extent is 1.
std::vector<VarId> loop_vars(Program& program, const Shape& shape) {
  std::vector<VarId> vars;
  for (const Dim& extent : shape) vars.push_back(extent == Dim(1) ? VarId::kNone : program.fresh_var());
  return vars;
}

Index index_of(const std::vector<VarId>& vars) {
  Index index;
  for (VarId v : vars) index.push_back(v == VarId::kNone ? integer(0) : var(v));
  return index;
}

size_t count_loops(const std::vector<VarId>& vars) {
  return vars.size() - static_cast<size_t>(std::count(vars.begin(), vars.end(), VarId::kNone));
}

bool has_handles(const Type& type) { return !type.is_tensor() || type.tensor.dtype == DType::kString; }

// The buffer of a value at the border.
Buffer border_buffer(const Value& value, std::string_view name, BufferKind kind, size_t index) {
  TensorType storage = storage_type(value.type());
  const char* role = kind == BufferKind::kInput ? "input" : "output";
  require_kernels_for(storage.dtype, fmt::format("{} '{}': ", role, name));
  Buffer buffer = temp_buffer(storage.dtype, std::move(storage.shape), name);
  buffer.kind = kind;
  buffer.border_index = static_cast<int>(index);
  if (has_handles(value.type())) buffer.border_type = value.type();
  return buffer;
}

// Handles of constant strings. They are made before all other steps, wherever their first use is.
BufferId add_strings(Program& program, const Tensor& tensor, std::string_view name) {
  const BufferId packed = add_constant(program, packed_strings(tensor.strings()), name);
  const Shape shape(tensor.shape().begin(), tensor.shape().end());
  const BufferId handles = program.add_buffer(temp_buffer(DType::kInt64, shape, name));
  Call call{.symbol = "dlc_string_constants", .inputs = {packed}, .outputs = {handles}, .params = {}};
  Kernel kernel{.name = "strings", .origin = std::string(name), .body = std::move(call)};
  program.main.steps.insert(program.main.steps.begin(), {KernelStep{std::move(kernel)}});
  return handles;
}

BufferId add_constant_value(Program& program, const Value& value) {
  const Tensor& tensor = value.constant();
  return tensor.dtype() == DType::kString ? add_strings(program, tensor, value.name())
                                          : add_constant(program, tensor, value.name());
}

KernelStep copy_step(Program& program, BufferId from, BufferId to, std::string_view origin) {
  const Buffer& target = program.buffer(to);
  const DType type = target.dtype;
  const std::vector<VarId> vars = loop_vars(program, program.buffer(to).shape);
  const Index index = index_of(vars);
  const size_t loops = count_loops(vars);
  Block body = nest(vars, program.buffer(to).shape, loops > 0 ? loops - 1 : 0,
                    {store(to, index, load(from, type, index))});
  return {Kernel{.name = "copy", .origin = std::string(origin), .body = LoopNest{std::move(body)}}};
}

// Fails the run where an axis of symbolic extent is too short to hold the element `position`.
void check_holds(Region& region, const Node& node, const Buffer& buffer, size_t axis, int64_t position) {
  const Dim& extent = buffer.shape[axis];
  const Dim needed = position + 1;
  if (min(extent, needed) == needed) return;
  std::string message = fmt::format("{}: '{}' axis {}: expected {} elements or more, extent {}",
                                    node.describe(), buffer.name, axis, position + 1, extent.to_string());
  region.steps.push_back({CheckStep{min(extent, needed), needed, std::move(message)}});
}

// Strings come from strings, or from what holds others. An attribute that asks for strings where numbers are
// made is a fault of the model; handles are never computed.
void check_strings(const Node& node) {
  bool takes_handles = node.op().domain == "dlc" || !subgraphs(node).empty();
  for (const Value* input : node.inputs())
    takes_handles = takes_handles || (input != nullptr && has_handles(input->type()));
  for (const Value* output : node.outputs()) {
    if (output == nullptr || takes_handles || !has_handles(output->type()) || !output->type().is_tensor())
      continue;
    fail(ErrorKind::kModel, "makes no strings, but '{}' is {}", output->name(), to_string(output->type()));
  }
}

// Errors name the node.
void lower_node(Program& program, Region& region, const Node& node,
                std::map<const Value*, BufferId>& buffers) {
  try {
    if (node.op().lower == nullptr) {
      fail(ErrorKind::kModel, "operator {} has neither kernel nor expansion for this use", node.op().name);
    }
    check_strings(node);
    LowerContext context(program, region, node, buffers);
    node.op().lower(context);
  } catch (Error& error) {
    error.add_context(node.describe());
    throw;
  }
}

void lower_nodes(Program& program, Region& region, const Graph& graph,
                 std::map<const Value*, BufferId>& buffers) {
  for (const std::unique_ptr<Node>& node : graph.nodes()) lower_node(program, region, *node, buffers);
}

using Buffers = std::map<const Value*, BufferId>;

void add_input_buffers(Program& program, const Graph& graph, Buffers& buffers) {
  for (size_t i = 0; i < graph.inputs().size(); ++i) {
    const Value* value = graph.inputs()[i];
    buffers[value] = program.add_buffer(border_buffer(*value, value->name(), BufferKind::kInput, i));
  }
}

}  // namespace

LowerContext::LowerContext(Program& program, Region& region, const Node& node,
                           std::map<const Value*, BufferId>& buffers)
    : program_(program), region_(region), node_(node), buffers_(buffers) {}

BufferId LowerContext::input(size_t i) const {
  const Value* value = node_.input(i);
  check(value != nullptr, "a present input");
  const auto it = buffers_.find(value);
  if (it != buffers_.end()) return it->second;
  check(value->is_constant(), "an input that is computed before its use");
  return buffers_[value] = add_constant_value(program_, *value);
}

BufferId LowerContext::output(size_t i) {
  const Value* value = node_.output(i);
  check(value != nullptr, "a present output");
  const auto it = buffers_.find(value);
  if (it != buffers_.end()) return it->second;
  TensorType storage = storage_type(value->type());
  return buffers_[value] = temp(storage.dtype, std::move(storage.shape), value->name());
}

BufferId LowerContext::temp(DType type, Shape shape, std::string_view hint) {
  return program_.add_buffer(temp_buffer(type, std::move(shape), hint));
}

BufferId LowerContext::constant(Tensor tensor, std::string_view hint) {
  return add_constant(program_, tensor, hint);
}

void LowerContext::view_output(size_t i, View view) {
  const Value* value = node_.output(i);
  alias_output(i, this->view(value->shape(), std::move(view), value->name()));
}

void LowerContext::alias_output(size_t i, BufferId id) { buffers_[node_.output(i)] = id; }

BufferId LowerContext::view(Shape shape, View view, std::string_view hint) {
  Buffer buffer = temp_buffer(program_.buffer(view.base).dtype, std::move(shape), hint);
  buffer.view = std::move(view);
  return program_.add_buffer(std::move(buffer));
}

BufferId LowerContext::dense(BufferId id) {
  if (is_dense(program_, id)) return id;
  const Buffer& source = program_.buffer(id);
  const BufferId copy = temp(source.dtype, source.shape, source.name + ".dense");
  region_.steps.push_back({copy_step(program_, id, copy, node_.describe())});
  return copy;
}

BufferId LowerContext::reshaped(BufferId id, Shape shape, std::string_view hint) {
  const BufferId direct = view(shape, {.base = id, .kind = ViewKind::kReshape}, hint);
  if (strides_of(program_, direct)) return direct;
  program_.buffers.pop_back();
  return view(std::move(shape), {.base = dense(id), .kind = ViewKind::kReshape}, hint);
}

bool LowerContext::is_input(BufferId id) const {
  return std::any_of(node_.inputs().begin(), node_.inputs().end(), [&](const Value* value) {
    const auto found = buffers_.find(value);
    return found != buffers_.end() && found->second == id;
  });
}

Expr LowerContext::at(BufferId id, Index index) const {
  const Buffer& buffer = program_.buffer(id);
  check(index.size() == buffer.shape.size(), "one index per axis");
  for (size_t axis = 0; axis < index.size(); ++axis) {
    if (index[axis]->op != ExprOp::kInt || !is_input(id)) continue;
    check_holds(region_, node_, buffer, axis, index[axis]->integer);
  }
  return load(id, buffer.dtype, std::move(index));
}

Expr LowerContext::at_broadcast(BufferId id, const Index& index, const Shape& index_shape) const {
  const Shape& shape = program_.buffer(id).shape;
  check(index.size() == index_shape.size() && shape.size() <= index.size(), "a shape that broadcasts");
  const size_t skipped = index.size() - shape.size();
  Index result;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim& extent = shape[i];
    const Expr& position = index[skipped + i];
    if (extent == Dim(1)) {
      result.push_back(integer(0));
    } else if (extent.is_constant() || extent == index_shape[skipped + i]) {
      result.push_back(position);
    } else {
      result.push_back(select(equal(dim(extent), integer(1)), integer(0), position));
    }
  }
  return at(id, std::move(result));
}

void LowerContext::map(BufferId out, const std::function<Expr(const Index&)>& value, std::string_view name) {
  const Shape shape = program_.buffer(out).shape;  // a copy: value() may add buffers
  const std::vector<VarId> vars = loop_vars(program_, shape);
  const Index index = index_of(vars);
  const size_t loops = count_loops(vars);
  loop_nest(nest(vars, shape, loops > 0 ? loops - 1 : 0, {store(out, index, value(index))}), name);
}

void LowerContext::reduce(BufferId out, const Shape& reduced, Combiner combiner, Expr init,
                          const std::function<Expr(const Index& outer, const Index& inner)>& value,
                          const std::function<Expr(Expr)>& finish, std::string_view name) {
  const Shape shape = program_.buffer(out).shape;
  const std::vector<VarId> outer = loop_vars(program_, shape), inner = loop_vars(program_, reduced);
  const Index outer_index = index_of(outer), inner_index = index_of(inner);
  const VarId sum = fresh_var();
  const DType type = init.type();
  Block body = {let(sum, std::move(init))};
  for (Stmt& stmt : nest(inner, reduced, 0, {reduce_into(sum, combiner, value(outer_index, inner_index))})) {
    body.push_back(std::move(stmt));
  }
  body.push_back(store(out, outer_index, finish ? finish(var(sum, type)) : var(sum, type)));
  loop_nest(nest(outer, shape, outer.size(), std::move(body)), name);
}

void LowerContext::loop_nest(Block body, std::string_view name) {
  step({KernelStep{{.name = name.empty() ? lower_case(node_.op().name) : std::string(name),
                    .origin = node_.describe(),
                    .body = LoopNest{std::move(body)}}}});
}

void LowerContext::contraction(Contraction contraction, std::string_view name) {
  step({KernelStep{{.name = name.empty() ? lower_case(node_.op().name) : std::string(name),
                    .origin = node_.describe(),
                    .body = std::move(contraction)}}});
}

void LowerContext::call(Call call, std::string_view name) {
  step({KernelStep{{.name = name.empty() ? lower_case(node_.op().name) : std::string(name),
                    .origin = node_.describe(),
                    .body = std::move(call)}}});
}

void LowerContext::step(Step step) { region_.steps.push_back(std::move(step)); }

std::vector<BufferId> LowerContext::lower_subgraph(const Graph& graph, Region& region,
                                                   const std::vector<BufferId>& inputs) {
  check(inputs.size() == graph.inputs().size(), "a buffer for every input of the sub-graph");
  // A body may be lowered more than once: its values get new buffers every
  // time.
  for (const std::unique_ptr<Node>& node : graph.nodes()) {
    for (const Value* output : node->outputs()) buffers_.erase(output);
  }
  for (size_t i = 0; i < inputs.size(); ++i) buffers_[graph.inputs()[i]] = inputs[i];
  lower_nodes(program_, region, graph, buffers_);
  std::vector<BufferId> outputs;
  for (const Value* value : graph.outputs()) {
    if (!buffers_.contains(value)) {
      check(value->is_constant(), "an output of a sub-graph that is computed");
      buffers_[value] = add_constant_value(program_, *value);
    }
    outputs.push_back(buffers_[value]);
  }
  return outputs;
}

Stmt for_loop(VarId var, Expr end, LoopKind kind, Block body) {
  return {For{.var = var, .begin = integer(0), .end = std::move(end), .kind = kind, .body = std::move(body)}};
}

Stmt store(BufferId buffer, Index index, Expr value) {
  return {Store{buffer, std::move(index), std::move(value)}};
}

Stmt let(VarId var, Expr value) { return {Let{var, std::move(value)}}; }

Stmt reduce_into(VarId var, Combiner combiner, Expr value) {
  return {Reduce{var, combiner, std::move(value)}};
}

Block nest(const std::vector<VarId>& vars, const Shape& shape, size_t parallel, Block body) {
  check(vars.size() == shape.size(), "one variable per axis");
  size_t depth = count_loops(vars);
  for (size_t i = vars.size(); i-- > 0;) {
    if (vars[i] == VarId::kNone) continue;
    const LoopKind kind = --depth < parallel ? LoopKind::kParallel : LoopKind::kSerial;
    Block outer;
    outer.push_back(for_loop(vars[i], dim(shape[i]), kind, std::move(body)));
    body = std::move(outer);
  }
  return body;
}

Expr combine(Combiner combiner, const Expr& a, const Expr& b) {
  switch (combiner) {
    case Combiner::kSum:
      return a + b;
    case Combiner::kProd:
      return a * b;
    case Combiner::kMin:
      return min(a, b);
    case Combiner::kMax:
      return max(a, b);
    case Combiner::kAnd:
      return binary(ExprOp::kAnd, a, b);
    case Combiner::kOr:
      return binary(ExprOp::kOr, a, b);
  }
  return {};
}

Expr neutral(Combiner combiner, DType type) {
  const int bits = bit_width(type);
  const bool minimum = combiner == Combiner::kMin;
  switch (combiner) {
    case Combiner::kSum:
    case Combiner::kOr:
      return constant(type, 0);
    case Combiner::kProd:
      return constant(type, 1);
    case Combiner::kAnd:
      return type == DType::kBool ? boolean(true) : integer(-1, type);
    case Combiner::kMin:
    case Combiner::kMax:
      if (is_float(type)) return real(minimum ? INFINITY : -INFINITY, type);
      if (type == DType::kBool) return boolean(minimum);
      if (!is_signed(type)) return integer(minimum ? -1 : 0, type);
      // The lowest value has only the sign bit; the highest is its complement.
      return integer(minimum ? ~(int64_t{-1} << (bits - 1)) : int64_t{-1} << (bits - 1), type);
  }
  return {};
}

Program lower_to_kernels(const Graph& graph, const LowerOptions& options) {
  Program program;
  program.name = graph.name();
  program.max_iterations = options.max_iterations;
  program.symbols = graph.symbols();
  Buffers buffers;
  add_input_buffers(program, graph, buffers);
  std::vector<BufferId> outputs;
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    const Value* value = graph.outputs()[i];
    outputs.push_back(
        program.add_buffer(border_buffer(*value, graph.output_names()[i], BufferKind::kOutput, i)));
    // A node writes straight into the output, unless it makes a view or an
    // earlier output has the value.
    if (value->producer() != nullptr) buffers.try_emplace(value, outputs.back());
  }
  lower_nodes(program, program.main, graph, buffers);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Value* value = graph.outputs()[i];
    if (value->is_constant() && !buffers.contains(value)) {
      buffers[value] = add_constant_value(program, *value);
    }
    const BufferId source = buffers.at(value);
    if (source == outputs[i]) continue;
    program.main.steps.push_back(
        {copy_step(program, source, outputs[i], "output '" + graph.output_names()[i] + "'")});
  }
  return program;
}

std::vector<std::string> find_lowering_faults(const Graph& graph) {
  Program program;
  program.symbols = graph.symbols();
  Buffers buffers;
  add_input_buffers(program, graph, buffers);
  std::vector<std::string> faults;
  std::set<const Value*> lost;
  for (const std::unique_ptr<Node>& node : graph.nodes()) {
    bool reads_lost = false;
    for_each_read(*node, [&](const Value& value) { reads_lost = reads_lost || lost.contains(&value); });
    if (!reads_lost) {
      try {
        lower_node(program, program.main, *node, buffers);
        continue;
      } catch (const Error& error) {
        faults.emplace_back(error.what());
      }
    }
    lost.insert(node->outputs().begin(), node->outputs().end());
  }
  return faults;
}

}  // namespace dlc::ir
