#include "ir/kernel/interpret_nest.h"

#include "ir/kernel/element.h"
#include "ir/kernel/lower.h"

namespace dlc::ir {

namespace {

ExprOp operation_of(Combiner combiner) {
  switch (combiner) {
    case Combiner::kSum:
      return ExprOp::kAdd;
    case Combiner::kProd:
      return ExprOp::kMul;
    case Combiner::kMin:
      return ExprOp::kMin;
    case Combiner::kMax:
      return ExprOp::kMax;
    case Combiner::kAnd:
      return ExprOp::kAnd;
    case Combiner::kOr:
      return ExprOp::kOr;
  }
  return ExprOp::kAdd;
}

bool accumulates(Combiner combiner) { return combiner == Combiner::kSum || combiner == Combiner::kProd; }

struct Runner {
  const ScalarCode& code;
  const std::vector<Access>& accesses;
  std::vector<Scalar> registers;

  Scalar value(const CodeRange& range) {
    code.run(range, registers, accesses);
    return reg(range.result);
  }
  Scalar& reg(int32_t r) { return registers[static_cast<size_t>(r)]; }

  // The access of a store and the element that it names.
  std::pair<const Access*, int64_t> place(const CompiledStmt& stmt) {
    code.run(stmt.index, registers, accesses);
    const Access& access = accesses[static_cast<size_t>(stmt.target)];
    return {&access, element_of(access, registers.data() + stmt.index.result)};
  }

  void run(const std::vector<CompiledStmt>& block) {
    for (const CompiledStmt& stmt : block) run(stmt);
  }

  void run(const CompiledStmt& stmt) {
    switch (stmt.kind) {
      case CompiledStmt::Kind::kFor: {
        const int64_t begin = value(stmt.value).integer, end = value(stmt.end).integer;
        for (int64_t i = begin; i < end; ++i) {
          reg(stmt.target).integer = i;
          run(stmt.body);
        }
        break;
      }
      case CompiledStmt::Kind::kStore: {
        const Scalar stored = value(stmt.value);
        const auto [access, element] = place(stmt);
        write_element(access->data, access->type, element, stored);
        break;
      }
      case CompiledStmt::Kind::kLet:
      case CompiledStmt::Kind::kAssign:
        reg(stmt.target) = value(stmt.value);
        break;
      case CompiledStmt::Kind::kReduce: {
        const Scalar added = value(stmt.value);
        const Scalar args[] = {reg(stmt.target), added, {}};
        reg(stmt.target) = apply(stmt.op, stmt.type, stmt.type, args);
        break;
      }
      case CompiledStmt::Kind::kIf:
        if (value(stmt.value).integer != 0) run(stmt.body);
        break;
      case CompiledStmt::Kind::kScatter: {
        const Scalar added = value(stmt.value);
        const auto [access, element] = place(stmt);
        const Scalar args[] = {read_element(access->data, access->type, element), added, {}};
        write_element(access->data, access->type, element, apply(stmt.op, stmt.type, stmt.type, args));
        break;
      }
    }
  }
};

}  // namespace

CompiledNest::CompiledNest(const LoopNest& nest, bool double_accumulation) {
  if (double_accumulation) {
    for_each_stmt(nest.body, [&](const Stmt& stmt) {
      const auto* reduce = std::get_if<Reduce>(&stmt.node);
      const bool wide =
          reduce != nullptr && accumulates(reduce->combiner) && reduce->value.type() == DType::kFloat;
      if (wide) code_.wide_vars.insert(reduce->var);
    });
  }
  body_ = compile(nest.body);
}

std::vector<CompiledStmt> CompiledNest::compile(const Block& block) {
  std::vector<CompiledStmt> result;
  for (const Stmt& stmt : block) result.push_back(compile(stmt));
  return result;
}

CompiledStmt CompiledNest::compile(const Stmt& stmt) {
  using Kind = CompiledStmt::Kind;
  if (const auto* loop = std::get_if<For>(&stmt.node)) {
    CompiledStmt result{
        .kind = Kind::kFor, .value = code_.compile(loop->begin), .end = code_.compile(loop->end)};
    result.target = code_.register_of(loop->var);
    result.body = compile(loop->body);
    return result;
  }
  if (const auto* store = std::get_if<Store>(&stmt.node)) {
    return {.kind = Kind::kStore,
            .index = code_.compile_index(store->index),
            .value = code_.compile(store->value),
            .target = code_.access_of(store->buffer)};
  }
  if (const auto* scatter = std::get_if<Scatter>(&stmt.node)) {
    return {.kind = Kind::kScatter,
            .index = code_.compile_index(scatter->index),
            .value = code_.compile(scatter->value),
            .target = code_.access_of(scatter->buffer),
            .op = operation_of(scatter->combiner),
            .type = scatter->value.type()};
  }
  if (const auto* branch = std::get_if<If>(&stmt.node)) {
    return {.kind = Kind::kIf, .value = code_.compile(branch->condition), .body = compile(branch->then_body)};
  }
  if (const auto* reduce = std::get_if<Reduce>(&stmt.node)) {
    const bool wide = code_.wide_vars.contains(reduce->var);
    return {.kind = Kind::kReduce,
            .value = code_.compile(reduce->value, wide),
            .target = code_.register_of(reduce->var),
            .op = operation_of(reduce->combiner),
            .type = wide ? DType::kDouble : reduce->value.type()};
  }
  const auto* let = std::get_if<Let>(&stmt.node);
  const auto* assign = std::get_if<Assign>(&stmt.node);
  const VarId var = let != nullptr ? let->var : assign->var;
  const Expr& value = let != nullptr ? let->value : assign->value;
  return {.kind = let != nullptr ? Kind::kLet : Kind::kAssign,
          .value = code_.compile(value, code_.wide_vars.contains(var)),
          .target = code_.register_of(var)};
}

void CompiledNest::run(const std::vector<Access>& accesses, const std::vector<int64_t>& dims) const {
  Runner runner{code_, accesses, code_.initial_registers()};
  for (size_t i = 0; i < dims.size(); ++i) runner.reg(code_.dims()[i].second).integer = dims[i];
  runner.run(body_);
}

}  // namespace dlc::ir
