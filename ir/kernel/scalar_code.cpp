#include "ir/kernel/scalar_code.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "ir/kernel/element.h"

namespace dlc::ir {

namespace {

DType widened(DType type, bool wide) { return wide && type == DType::kFloat ? DType::kDouble : type; }

int64_t linear(const std::vector<int64_t>& index, const std::vector<int64_t>& shape) {
  int64_t result = 0;
  for (size_t i = 0; i < shape.size(); ++i) result = result * shape[i] + index[i];
  return result;
}

std::vector<int64_t> delinear(int64_t position, const std::vector<int64_t>& shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0; position /= shape[i]) index[i] = position % shape[i];
  return index;
}

std::vector<int64_t> through(const Access::Level& level, const std::vector<int64_t>& index) {
  if (level.kind == ViewKind::kReshape) return delinear(linear(index, level.shape), level.base_shape);
  std::vector<int64_t> base(level.base_shape.size());
  const size_t added = level.shape.size() - base.size();
  for (size_t i = 0; i < base.size(); ++i) {
    if (level.kind == ViewKind::kExpand) base[i] = level.base_shape[i] == 1 ? 0 : index[added + i];
    if (level.kind == ViewKind::kSlice) base[i] = level.start[i] + index[i] * level.step[i];
  }
  if (level.kind == ViewKind::kPermute) {
    for (size_t i = 0; i < base.size(); ++i) base[static_cast<size_t>(level.perm[i])] = index[i];
  }
  return base;
}

bool contains_load(const Expr& e) {
  bool found = false;
  visit(e, [&](const ExprNode& node) { found |= node.op == ExprOp::kLoad; });
  return found;
}

// The element of the root for a view without strides.
int64_t locate(const Access& access, const std::vector<int64_t>& index) {
  std::vector<int64_t> current = index;
  for (const Access::Level& level : access.levels) current = through(level, current);
  return linear(current, access.levels.back().base_shape);
}

}  // namespace

int32_t ScalarCode::fresh(Scalar value) {
  initial_.push_back(value);
  return static_cast<int32_t>(initial_.size() - 1);
}

int32_t ScalarCode::register_of(VarId v) {
  const auto [it, added] = vars_.try_emplace(v, 0);
  if (added) it->second = fresh();
  return it->second;
}

int32_t ScalarCode::access_of(BufferId buffer) {
  const auto it = std::find(buffers_.begin(), buffers_.end(), buffer);
  if (it != buffers_.end()) return static_cast<int32_t>(it - buffers_.begin());
  buffers_.push_back(buffer);
  return static_cast<int32_t>(buffers_.size() - 1);
}

CodeRange ScalarCode::compile(const Expr& e, bool wide) {
  done_.clear();
  CodeRange range{.begin = static_cast<int32_t>(code_.size())};
  range.result = emit(e, wide);
  range.end = static_cast<int32_t>(code_.size());
  return range;
}

CodeRange ScalarCode::compile_index(const std::vector<Expr>& index) {
  done_.clear();
  CodeRange range{.begin = static_cast<int32_t>(code_.size())};
  range.result = move_consecutive(index);
  range.end = static_cast<int32_t>(code_.size());
  return range;
}

int32_t ScalarCode::move_consecutive(const std::vector<Expr>& index) {
  std::vector<int32_t> sources;
  for (const Expr& i : index) sources.push_back(emit(i, false));
  const int32_t first = static_cast<int32_t>(initial_.size());
  for (int32_t source : sources) {
    const int32_t target = fresh();
    code_.push_back({.kind = InstructionKind::kMove, .target = target, .args = {source}});
  }
  return first;
}

int32_t ScalarCode::emit(const Expr& e, bool wide) {
  if (const auto it = done_.find(e.get()); it != done_.end()) return it->second;
  const int32_t result = emit_uncached(e, wide);
  done_[e.get()] = result;
  return result;
}

int32_t ScalarCode::emit_uncached(const Expr& e, bool wide) {
  switch (e->op) {
    case ExprOp::kInt:
      return fresh(scalar_of(e->integer));
    case ExprOp::kFloat:
      return fresh(scalar_of_real(e->real));
    case ExprOp::kVar:
      return emit_var(e, wide);
    case ExprOp::kDim:
      dims_.emplace_back(e->dim, fresh());
      return dims_.back().second;
    case ExprOp::kLoad:
      return emit_load(e);
    case ExprOp::kSelect:
      return emit_select(e, wide);
    default:
      break;
  }
  std::vector<int32_t> args;
  for (const Expr& arg : e->args) args.push_back(emit(arg, wide));
  DType argument = widened(e->args[0].type(), wide);
  if (e->op == ExprOp::kBitcast && argument != e->args[0].type()) {
    // The bits are those of the value as its type holds it.
    args[0] = emit_apply(ExprOp::kCast, argument, e->args[0].type(), {args[0]});
    argument = e->args[0].type();
  }
  return emit_apply(e->op, argument, e->op == ExprOp::kBitcast ? e->type : widened(e->type, wide), args);
}

int32_t ScalarCode::emit_apply(ExprOp op, DType argument, DType type, const std::vector<int32_t>& args) {
  Instruction instruction{.kind = InstructionKind::kApply, .op = op, .argument = argument, .type = type};
  std::copy(args.begin(), args.end(), instruction.args);
  instruction.target = fresh();
  code_.push_back(instruction);
  return instruction.target;
}

int32_t ScalarCode::emit_var(const Expr& e, bool wide) {
  const int32_t held = register_of(e->var);
  if (wide || !wide_vars.contains(e->var)) return held;
  return emit_apply(ExprOp::kCast, DType::kDouble, e->type, {held});
}

int32_t ScalarCode::emit_load(const Expr& e) {
  const int32_t first = move_consecutive(e->args);
  code_.push_back({.kind = InstructionKind::kLoad, .target = fresh(), .args = {access_of(e->buffer), first}});
  return code_.back().target;
}

int32_t ScalarCode::emit_select(const Expr& e, bool wide) {
  const int32_t condition = emit(e->args[0], wide);
  if (!contains_load(e->args[1]) && !contains_load(e->args[2])) {
    return emit_apply(ExprOp::kSelect, widened(e->type, wide), widened(e->type, wide),
                      {condition, emit(e->args[1], wide), emit(e->args[2], wide)});
  }
  const int32_t result = fresh();
  const auto known = done_;  // what one branch computes is unknown to the other and after both
  const auto branch = [&](const Expr& value) {
    code_.push_back({.kind = InstructionKind::kMove, .target = result, .args = {emit(value, wide)}});
    done_ = known;
  };
  const size_t to_else = code_.size();
  code_.push_back({.kind = InstructionKind::kJumpIfFalse, .args = {condition}});
  branch(e->args[1]);
  const size_t to_end = code_.size();
  code_.push_back({.kind = InstructionKind::kJump});
  code_[to_else].target = static_cast<int32_t>(code_.size());
  branch(e->args[2]);
  code_[to_end].target = static_cast<int32_t>(code_.size());
  return result;
}

void ScalarCode::run(const CodeRange& range, std::vector<Scalar>& registers,
                     const std::vector<Access>& accesses) const {
  for (int32_t at = range.begin; at < range.end; ++at) {
    const Instruction& i = code_[static_cast<size_t>(at)];
    const auto reg = [&](int32_t r) -> Scalar& { return registers[static_cast<size_t>(r)]; };
    switch (i.kind) {
      case InstructionKind::kApply: {
        const Scalar args[] = {reg(i.args[0]), reg(i.args[1]), reg(i.args[2])};
        reg(i.target) = apply(i.op, i.argument, i.type, args);
        break;
      }
      case InstructionKind::kLoad: {
        const Access& access = accesses[static_cast<size_t>(i.args[0])];
        reg(i.target) =
            read_element(access.data, access.type, element_of(access, registers.data() + i.args[1]));
        break;
      }
      case InstructionKind::kMove:
        reg(i.target) = reg(i.args[0]);
        break;
      case InstructionKind::kJump:
        at = i.target - 1;
        break;
      case InstructionKind::kJumpIfFalse:
        if (reg(i.args[0]).integer == 0) at = i.target - 1;
        break;
    }
  }
}

int64_t element_of(const Access& access, const Scalar* index) {
  const size_t rank = access.shape.size();
  int64_t position = access.offset;
  bool inside = true;
  for (size_t i = 0; i < rank; ++i) {
    inside &= index[i].integer >= 0 && index[i].integer < access.shape[i];
    if (access.levels.empty()) position += index[i].integer * access.strides[i];
  }
  if (!inside || !access.levels.empty()) {
    std::vector<int64_t> numbers;
    for (size_t i = 0; i < rank; ++i) numbers.push_back(index[i].integer);
    if (!inside) {
      fail(ErrorKind::kInternal, "index ({}) is outside of buffer %{} of shape [{}]",
           fmt::join(numbers, ", "), static_cast<int>(access.buffer), fmt::join(access.shape, ", "));
    }
    position = locate(access, numbers);
  }
  if (position < 0 || position >= access.size) {
    fail(ErrorKind::kInternal, "element {} is outside of the memory of buffer %{}, {} elements", position,
         static_cast<int>(access.buffer), access.size);
  }
  return position;
}

}  // namespace dlc::ir
