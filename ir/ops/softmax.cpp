// Softmax, LogSoftmax and Hardmax: one kernel of whole rows along an axis.
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"

namespace dlc::ir {
namespace {

size_t row_axis(const InferContext& context) {
  int64_t axis = context.node().attribute<int64_t>("axis", -1);
  return static_cast<size_t>(context.normalize_axis(axis, context.rank(0)));
}

template <TypeClass kSet>
void infer_rows(InferContext& context) {
  require_rank_at_least(context, 0, 1);
  row_axis(context);
  infer_same<kSet>(context);
}

// A kernel over the rows of the node's input, in the making.
class RowKernel {
 public:
  explicit RowKernel(LowerContext& context)
      : context_(context),
        axis_(row_axis(facts(context))),
        shape_(context.output_shape()),
        vars_(loop_vars(context, shape_)),
        out_type_(context.output_type().dtype),
        type_(compute_type(out_type_)) {}

  DType type() const { return type_; }
  bool narrow() const { return type_ != out_type_; }
  const Dim& extent() const { return shape_[axis_]; }
  Expr x(VarId position) const { return widen(context_.at_input(0, along(vars_, axis_, var(position)))); }
  Expr y(VarId position) const { return context_.at(context_.output(), along(vars_, axis_, var(position))); }
  Stmt store_y(VarId position, const Expr& value) const {
    return store(context_.output(), along(vars_, axis_, var(position)), cast(value, out_type_));
  }

  // A new scalar of the row.
  Expr define(const Expr& value) {
    VarId id = context_.fresh_var();
    body_.push_back(let(id, value));
    return var(id, value.type());
  }
  // Adds a loop along the row; `visit` gives its body for a position.
  template <class Visit>
  void pass(Visit visit) {
    VarId position = context_.fresh_var();
    body_.push_back(for_range(position, integer(0), dim(extent()), visit(position)));
  }
  // combine over the row of element(position).
  template <class Element>
  Expr reduce(Combiner combiner, const Expr& init, Element element) {
    Expr result = define(init);
    pass([&](VarId position) { return Block{reduce_into(result->var, combiner, element(position))}; });
    return result;
  }
  Expr maximum() {
    return reduce(Combiner::kMax, neutral(Combiner::kMax, type_),
                  [&](VarId position) { return x(position); });
  }
  void finish() {
    OtherAxes outer = without(shape_, vars_, axis_);
    context_.loop_nest(nest(outer.vars, outer.shape, outer.shape.size(), std::move(body_)),
                       context_.node().op().name);
  }

 private:
  LowerContext& context_;
  size_t axis_;
  Shape shape_;
  std::vector<VarId> vars_;
  DType out_type_;
  DType type_;
  Block body_;
};

// The exponentials are kept in the output and scaled there; in a narrow output they would lose precision
// twice, so they are computed again.
void lower_softmax(LowerContext& context) {
  RowKernel row(context);
  Expr maximum = row.maximum();
  auto exponential = [&](VarId position) { return unary(ExprOp::kExp, row.x(position) - maximum); };
  Expr sum = row.define(constant(row.type(), 0));
  row.pass([&](VarId position) {
    VarId id = context.fresh_var();
    Block body = {let(id, exponential(position)), reduce_into(sum->var, Combiner::kSum, var(id, row.type()))};
    if (!row.narrow()) body.push_back(row.store_y(position, var(id, row.type())));
    return body;
  });
  Expr scale = row.define(constant(row.type(), 1) / sum);
  row.pass([&](VarId position) {
    return Block{row.store_y(position, (row.narrow() ? exponential(position) : row.y(position)) * scale)};
  });
  row.finish();
}

void lower_log_softmax(LowerContext& context) {
  RowKernel row(context);
  Expr maximum = row.maximum();
  Expr sum = row.reduce(Combiner::kSum, constant(row.type(), 0),
                        [&](VarId position) { return unary(ExprOp::kExp, row.x(position) - maximum); });
  Expr logarithm = row.define(unary(ExprOp::kLog, sum));
  row.pass(
      [&](VarId position) { return Block{row.store_y(position, row.x(position) - maximum - logarithm)}; });
  row.finish();
}

// One at the first position of the maximum.
void lower_hardmax(LowerContext& context) {
  RowKernel row(context);
  Expr maximum = row.maximum();
  Expr extent = dim(row.extent());
  Expr first = row.reduce(Combiner::kMin, extent, [&](VarId position) {
    return select(equal(row.x(position), maximum), var(position), extent);
  });
  row.pass([&](VarId position) {
    Expr hit = equal(var(position), first);
    return Block{row.store_y(position, select(hit, constant(row.type(), 1), constant(row.type(), 0)))};
  });
  row.finish();
}

// Before version 13 the axes from `axis` on are one row.
void flatten_rows(Graph& graph, Node& node, int) {
  int64_t axis = node.attribute<int64_t>("axis", 1);
  if (axis == -1) {
    node.set_attribute("axis", int64_t{-1});
    return;
  }
  Value* x = node.input(0);
  Value* flat = insert_op(graph, node, "Flatten", {x}, {{"axis", axis}});
  Value* rows = insert_op(graph, node, node.op().name, {flat}, {{"axis", int64_t{-1}}});
  Value* shape = insert_op(graph, node, "Shape", {x});
  Value* result = insert_op(graph, node, "Reshape", {rows, shape}, {{"allowzero", int64_t{1}}});
  graph.replace_all_uses(node.output(0), result);
  graph.erase(&node);
}

}  // namespace

void register_softmax(OpRegistry& registry) {
  struct Row {
    const char* name;
    void (*lower)(LowerContext&);
  };
  const Row rows[] = {
      {"Softmax", lower_softmax}, {"LogSoftmax", lower_log_softmax}, {"Hardmax", lower_hardmax}};
  for (const Row& row : rows) {
    registry.add({.name = row.name,
                  .infer = infer_rows<TypeClass::kFloat>,
                  .lower = row.lower,
                  .upgrades = {{13, flatten_rows}}});
  }
}

}  // namespace dlc::ir
