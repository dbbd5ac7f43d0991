#include "ir/kernel/expand_attention.h"

#include <limits>

#include "ir/kernel/lower.h"

namespace dlc::ir {

namespace {

std::vector<LoopAxis> outer_axes(const Attention& attention) {
  std::vector<LoopAxis> axes = attention.batch;
  axes.insert(axes.end(), attention.rows.begin(), attention.rows.end());
  return axes;
}

class Expander {
 public:
  Expander(const Attention& attention, Program& program) : attention_(attention), program_(program) {
    Buffer scores;
    scores.name = "scores";
    scores.dtype = attention.accumulator_type;
    for (const LoopAxis& axis : outer_axes(attention)) scores.shape.push_back(axis.extent);
    scores.shape.push_back(attention.key.extent);
    scores_ = program.add_buffer(std::move(scores));
  }

  Contraction scores() const {
    Contraction c = contraction();
    c.axes.push_back({attention_.key.var, attention_.key.extent, AxisRole::kN});
    c.axes.push_back({attention_.depth.var, attention_.depth.extent, AxisRole::kK});
    c.a = {.buffer = attention_.q.buffer, .index = attention_.q.index};
    c.b = {.buffer = attention_.k.buffer, .index = attention_.k.index};
    c.accumulator = attention_.product;
    c.epilogue = attention_.score;
    if (const Expr condition = key_condition(attention_)) {
      c.epilogue = select(condition, attention_.score, no_score(attention_));
    }
    c.out = scores_;
    c.out_index = score_index(attention_.key.var);
    return c;
  }

  // The weights take the place of the scores.
  LoopNest softmax() {
    const DType type = attention_.accumulator_type;
    Block body;
    const Expr maximum = define(body, no_score(attention_));
    pass(body, [&](VarId key) { return Block{reduce_into(maximum->var, Combiner::kMax, score(key))}; });
    const Expr shift =
        attention_.guard == RowGuard::kNone
            ? maximum
            : define(body, select(equal(maximum, no_score(attention_)), constant(type, 0), maximum));
    const Expr sum = define(body, constant(type, 0));
    pass(body, [&](VarId key) {
      const VarId weight = program_.fresh_var();
      return Block{let(weight, unary(ExprOp::kExp, score(key) - shift)),
                   store(scores_, score_index(key), var(weight, type)),
                   reduce_into(sum->var, Combiner::kSum, var(weight, type))};
    });
    pass(body, [&](VarId key) { return Block{store(scores_, score_index(key), guarded(score(key), sum))}; });
    std::vector<VarId> vars;
    Shape shape;
    for (const LoopAxis& axis : outer_axes(attention_)) {
      vars.push_back(axis.var);
      shape.push_back(axis.extent);
    }
    return {nest(vars, shape, vars.size(), std::move(body))};
  }

  Contraction result() const {
    Contraction c = contraction();
    c.axes.push_back({attention_.column.var, attention_.column.extent, AxisRole::kN});
    c.axes.push_back({attention_.key.var, attention_.key.extent, AxisRole::kK});
    c.a = {.buffer = scores_, .index = score_index(attention_.key.var)};
    c.b = {.buffer = attention_.v.buffer, .index = attention_.v.index};
    c.accumulator = attention_.result;
    c.epilogue = attention_.epilogue;
    c.out = attention_.out.buffer;
    c.out_index = attention_.out.index;
    return c;
  }

 private:
  Contraction contraction() const {
    Contraction c;
    for (const LoopAxis& axis : attention_.batch) c.axes.push_back({axis.var, axis.extent, AxisRole::kBatch});
    for (const LoopAxis& axis : attention_.rows) c.axes.push_back({axis.var, axis.extent, AxisRole::kM});
    c.accumulator_type = attention_.accumulator_type;
    return c;
  }

  std::vector<Expr> score_index(VarId key) const {
    std::vector<Expr> index;
    for (const LoopAxis& axis : outer_axes(attention_)) index.push_back(var(axis.var));
    index.push_back(var(key));
    return index;
  }

  Expr score(VarId key) const { return load(scores_, attention_.accumulator_type, score_index(key)); }

  Expr define(Block& body, const Expr& value) {
    const VarId id = program_.fresh_var();
    body.push_back(let(id, value));
    return var(id, value.type());
  }

  template <class Visit>
  void pass(Block& body, const Visit& visit) {
    const VarId key = program_.fresh_var();
    body.push_back(for_loop(key, dim(attention_.key.extent), LoopKind::kSerial, visit(key)));
  }

  Expr guarded(const Expr& weight, const Expr& sum) const {
    const Expr zero = constant(sum.type(), 0);
    switch (attention_.guard) {
      case RowGuard::kNone:
        return weight / sum;
      case RowGuard::kNoKeys:
        return select(equal(sum, zero), zero, weight / sum);
      case RowGuard::kNotANumber:
        return select(sum > zero, weight / sum, zero);
    }
    return weight;
  }

  const Attention& attention_;
  Program& program_;
  BufferId scores_;
};

void expand_region(Region& region, Program& program, const std::function<bool(const Attention&)>& selects) {
  std::vector<Step> steps;
  for (Step& step : region.steps) {
    const auto* kernel = std::get_if<KernelStep>(&step.node);
    const auto* attention = kernel == nullptr ? nullptr : std::get_if<Attention>(&kernel->kernel.body);
    if (attention != nullptr && (!selects || selects(*attention))) {
      for (Kernel& part : expand_attention(kernel->kernel, program)) {
        steps.push_back({KernelStep{std::move(part)}});
      }
    } else {
      steps.push_back(std::move(step));
    }
  }
  region.steps = std::move(steps);
}

}  // namespace

Expr no_score(const Attention& attention) {
  return constant(attention.accumulator_type, -std::numeric_limits<double>::infinity());
}

Expr key_condition(const Attention& attention) {
  const Expr key = var(attention.key.var);
  Expr condition;
  if (attention.first_key) condition = key >= attention.first_key;
  if (attention.last_key) {
    const Expr below = key < attention.last_key;
    condition = condition ? condition && below : below;
  }
  return condition;
}

std::vector<Kernel> expand_attention(const Kernel& kernel, Program& program) {
  Expander expander(std::get<Attention>(kernel.body), program);
  return {{.name = kernel.name + ".scores", .origin = kernel.origin, .body = expander.scores()},
          {.name = kernel.name + ".softmax", .origin = kernel.origin, .body = expander.softmax()},
          {.name = kernel.name, .origin = kernel.origin, .body = expander.result()}};
}

void expand_attentions(Program& program, const std::function<bool(const Attention&)>& selects) {
  for_each_region(program.main, [&](Region& region) { expand_region(region, program, selects); });
}

}  // namespace dlc::ir
