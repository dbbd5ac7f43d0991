#include "codegen/kernel_key.h"

#include <fmt/format.h>

#include <iterator>
#include <unordered_map>

namespace dlc::codegen {

using ir::BufferId;
using ir::Expr;
using ir::VarId;

namespace {

class KeyWriter {
 public:
  explicit KeyWriter(const ir::Program& program) : program_(program) {}

  KernelKey take() { return {std::move(text_), std::move(buffers_)}; }

  void nest(const ir::LoopNest& nest) {
    put("nest");
    block(nest.body);
  }

  void attention(const ir::Attention& a) {
    put("attention {} {}", static_cast<int>(a.guard), static_cast<int>(a.accumulator_type));
    for (const std::vector<ir::LoopAxis>* axes : {&a.batch, &a.rows}) {
      put(" axes");
      for (const ir::LoopAxis& axis : *axes) loop_axis(axis);
    }
    for (const ir::LoopAxis& axis : {a.key, a.depth, a.column}) loop_axis(axis);
    for (const ir::Element* element : {&a.q, &a.k, &a.v, &a.out}) access(element->buffer, element->index);
    put(" product {}", variable(a.product));
    expr(a.score);
    put(" first");
    if (a.first_key) expr(a.first_key);
    put(" last");
    if (a.last_key) expr(a.last_key);
    put(" result {}", variable(a.result));
    expr(a.epilogue);
  }

  void contraction(const ir::Contraction& c) {
    put("contraction {} {} {} {} {}", static_cast<int>(c.schedule.algorithm), c.schedule.panel,
        c.schedule.winograd_tile, c.schedule.group, static_cast<int>(c.accumulator_type));
    for (const ir::ContractionAxis& axis : c.axes) {
      put(" axis {} {} {}", variable(axis.var), static_cast<int>(axis.role), axis.extent.to_string());
    }
    for (const ir::Operand* operand : {&c.a, &c.b}) {
      put(" operand {}", operand->padded);
      access(operand->buffer, operand->index);
      if (operand->zero_point) expr(operand->zero_point);
    }
    if (c.has_parts()) {
      put(" parts {} {} {}", variable(c.parts.axis), static_cast<int>(c.parts.type), variable(c.parts.sum));
      expr(c.parts.term);
    }
    put(" out {}", variable(c.accumulator));
    if (c.schedule.row_sum != VarId::kNone) put(" rows {}", variable(c.schedule.row_sum));
    access(c.out, c.out_index);
    expr(c.epilogue);
  }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  void loop_axis(const ir::LoopAxis& axis) { put(" {} {}", variable(axis.var), axis.extent.to_string()); }

  int variable(VarId id) {
    return variables_.try_emplace(id, static_cast<int>(variables_.size())).first->second;
  }

  // A buffer is its type, the extents of its axes, its strides, and which root it shares with others.
  void buffer(BufferId id) {
    auto [it, inserted] = numbers_.try_emplace(id, static_cast<int>(buffers_.size()));
    put(" b{}", it->second);
    if (!inserted) return;
    buffers_.push_back(id);
    const BufferId root = ir::root_of(program_, id);
    const int root_number = roots_.try_emplace(root, static_cast<int>(roots_.size())).first->second;
    const ir::Buffer& info = program_.buffer(id);
    put(":{}@{}{}", name(info.dtype), root_number, ir::to_string(info.shape));
    if (std::optional<ir::Strides> strides = ir::strides_of(program_, id)) {
      put("+{}{}", strides->offset.to_string(), ir::to_string(strides->strides));
    }
  }

  void access(BufferId id, const std::vector<Expr>& index) {
    buffer(id);
    for (const Expr& e : index) expr(e);
  }

  void expr(const Expr& e) {
    auto [it, inserted] = nodes_.try_emplace(e.get(), static_cast<int>(nodes_.size()));
    if (!inserted) {
      put(" #{}", it->second);
      return;
    }
    keep_.push_back(e);
    put(" ({}:{}", static_cast<int>(e->op), static_cast<int>(e->type));
    switch (e->op) {
      case ir::ExprOp::kInt:
        put(" {}", e->integer);
        break;
      case ir::ExprOp::kFloat:
        put(" {:a}", e->real);
        break;
      case ir::ExprOp::kVar:
        put(" v{}", variable(e->var));
        break;
      case ir::ExprOp::kDim:
        put(" {}", e->dim.to_string());
        break;
      case ir::ExprOp::kLoad:
        buffer(e->buffer);
        break;
      default:
        break;
    }
    for (const Expr& arg : e->args) expr(arg);
    put(")");
  }

  void block(const ir::Block& statements) {
    put("{{");
    for (const ir::Stmt& stmt : statements) std::visit([&](const auto& node) { statement(node); }, stmt.node);
    put("}}");
  }

  void statement(const ir::For& loop) {
    put("for v{} {}", variable(loop.var), static_cast<int>(loop.kind));
    expr(loop.begin);
    expr(loop.end);
    block(loop.body);
  }
  void statement(const ir::Store& store) {
    put("store");
    access(store.buffer, store.index);
    expr(store.value);
  }
  void statement(const ir::Let& let) {
    put("let v{}", variable(let.var));
    expr(let.value);
  }
  void statement(const ir::Reduce& reduce) {
    put("reduce v{} {}", variable(reduce.var), static_cast<int>(reduce.combiner));
    expr(reduce.value);
  }
  void statement(const ir::Assign& assign) {
    put("assign v{}", variable(assign.var));
    expr(assign.value);
  }
  void statement(const ir::If& branch) {
    put("if");
    expr(branch.condition);
    block(branch.then_body);
  }
  void statement(const ir::Scatter& scatter) {
    put("scatter {}", static_cast<int>(scatter.combiner));
    access(scatter.buffer, scatter.index);
    expr(scatter.value);
  }

  const ir::Program& program_;
  std::string text_;
  std::vector<BufferId> buffers_;
  std::map<BufferId, int> numbers_;
  std::map<BufferId, int> roots_;
  std::map<VarId, int> variables_;
  std::unordered_map<const ir::ExprNode*, int> nodes_;
  std::vector<Expr> keep_;  // the numbers are by address
};

}  // namespace

KernelKey kernel_key(const ir::Program& program, const ir::Kernel& kernel) {
  KeyWriter writer(program);
  if (auto* nest = std::get_if<ir::LoopNest>(&kernel.body)) writer.nest(*nest);
  if (auto* contraction = std::get_if<ir::Contraction>(&kernel.body)) writer.contraction(*contraction);
  if (auto* attention = std::get_if<ir::Attention>(&kernel.body)) writer.attention(*attention);
  return writer.take();
}

}  // namespace dlc::codegen
