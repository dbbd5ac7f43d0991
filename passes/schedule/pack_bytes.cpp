#include "passes/schedule/pack_bytes.h"

#include <algorithm>

#include "ir/kernel/expand_contraction.h"
#include "ir/kernel/lower.h"
#include "ir/kernel/simplify.h"
#include "passes/schedule/centered_constant.h"
#include "passes/schedule/panels.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::VarId;

namespace {

constexpr int64_t kGroup = 4;
constexpr int64_t kShift = 128;  // between the signed and the unsigned reading of a byte

bool is_byte(DType type) { return type == DType::kInt8 || type == DType::kUint8; }
Expr int32(int64_t value) { return ir::integer(value, DType::kInt32); }
bool is_zero(const Expr& e) { return e->op == ExprOp::kInt && e->integer == 0; }

bool uses_any_axis(const Expr& e, const ir::Contraction& c) {
  return std::any_of(c.axes.begin(), c.axes.end(),
                     [&](const ContractionAxis& axis) { return ir::uses_var(e, axis.var); });
}

// The elements as int8, if all of them are.
std::optional<Tensor> narrowed(const Tensor& values) {
  Tensor result(DType::kInt8, values.shape());
  for (int64_t i = 0; i < values.size(); ++i) {
    const int32_t value = values.as<int32_t>()[i];
    if (value < -kShift || value >= kShift) return std::nullopt;
    result.mutable_as<int8_t>()[i] = static_cast<int8_t>(value);
  }
  return result;
}

// uint8 as int8.
Tensor shifted(const Tensor& bytes) {
  Tensor result(DType::kInt8, bytes.shape());
  for (int64_t i = 0; i < bytes.size(); ++i)
    result.mutable_as<int8_t>()[i] = static_cast<int8_t>(bytes.get_int(i) - kShift);
  return result;
}

// Sums of the columns of packed B, a multiple of kPanelColumns for each batch element, times a factor; they
// wrap around.
Tensor column_sums(const Tensor& packed, int64_t panels, int64_t factor) {
  Tensor sums(DType::kInt32, {panels * kPanelColumns});
  const int64_t depth = panels == 0 ? 0 : packed.size() / (panels * kPanelColumns * kGroup);
  const auto* from = static_cast<const int8_t*>(packed.data());
  for (int64_t panel = 0; panel < panels; ++panel) {
    uint32_t total[kPanelColumns] = {};
    for (int64_t k = 0; k < depth; ++k) {
      for (uint32_t& column : total) {
        for (int64_t i = 0; i < kGroup; ++i) column += static_cast<uint32_t>(*from++);
      }
    }
    for (int64_t j = 0; j < kPanelColumns; ++j) {
      sums.mutable_as<int32_t>()[panel * kPanelColumns + j] =
          static_cast<int32_t>(total[j] * static_cast<uint32_t>(factor));
    }
  }
  return sums;
}

class BytePacker {
 public:
  BytePacker(ir::Program& program, ir::Contraction& c, const GemmForm& form)
      : program_(program), c_(c), layout_(panel_layout(c, form, kGroup)) {}

  std::vector<ir::Kernel> run() {
    const DType a_type = program_.buffer(c_.a.buffer).dtype;
    a_zero_ = ir::unsigned_byte(c_.a.zero_point ? c_.a.zero_point : ir::integer(0, a_type));
    a_zero_ = ir::simplify(a_zero_);
    pack();
    correct_epilogue();
    if (!c_.a.padded) c_.a.zero_point = {};
    c_.b = {.buffer = packed_, .index = packed_index(layout_)};
    c_.schedule.algorithm = ir::Algorithm::kGemm;
    c_.schedule.panel = static_cast<int>(kPanelColumns);
    c_.schedule.b_packed = true;
    c_.schedule.group = static_cast<int>(kGroup);
    return std::move(kernels_);
  }

 private:
  void pack() {
    const ir::BufferId root = ir::root_of(program_, c_.b.buffer);
    const DType type = program_.buffer(root).dtype;
    ir::Buffer buffer;
    buffer.name = program_.buffer(c_.b.buffer).name + ".packed";
    buffer.dtype = DType::kInt8;
    buffer.shape = layout_.shape;
    std::optional<ConstantWalk> walk;
    if (ir::is_static(layout_.shape)) walk = constant_walk(program_, c_);
    std::optional<Tensor> bytes;
    if (walk) {
      if (const std::optional<Tensor> centered = centered_constant(program_, c_, *walk))
        bytes = narrowed(*centered);
    }
    if (!bytes) b_zero_ = shifted_zero(type);
    if (walk) {
      const Tensor& source = program_.buffer(root).constant;
      if (!bytes) bytes = type == DType::kInt8 ? source : shifted(source);
      buffer.kind = ir::BufferKind::kConstant;
      buffer.constant = pack_constant(*bytes, *walk, layout_);
    }
    packed_ = program_.add_buffer(std::move(buffer));
    if (walk) return;
    kernels_.push_back(pack_kernel(program_, c_, layout_, packed_, [&](const Expr& e) {
      return type == DType::kInt8 ? e : ir::cast(ir::cast(e, DType::kInt32) - int32(kShift), DType::kInt8);
    }));
  }

  // The zero point of B as int8; empty if it is 0.
  Expr shifted_zero(DType type) const {
    Expr zero = c_.b.zero_point ? ir::cast(c_.b.zero_point, DType::kInt32) : int32(0);
    if (type == DType::kUint8) zero = zero - int32(kShift);
    zero = ir::simplify(zero);
    return is_zero(zero) ? Expr() : zero;
  }

  void correct_epilogue() {
    const Expr sum = ir::var(c_.accumulator, DType::kInt32);
    Expr value = sum;
    if (!is_zero(a_zero_)) value = value + columns_term();
    if (b_zero_) {
      c_.schedule.row_sum = program_.fresh_var();
      Expr rows = ir::var(c_.schedule.row_sum, DType::kInt32);
      if (!is_zero(a_zero_)) rows = rows - a_zero_ * ir::cast(ir::dim(depth()), DType::kInt32);
      value = value - b_zero_ * rows;
    }
    c_.epilogue = ir::substitute(ir::epilogue_value(c_, program_),
                                 [&](VarId v) { return v == c_.accumulator ? value : Expr(); });
  }

  Dim depth() const {
    Dim total = layout_.k.extent;
    for (const ContractionAxis& axis : layout_.windows) total *= axis.extent;
    return total;
  }

  // The zero point of A times the sums of B's columns, negative.
  Expr columns_term() {
    ir::Buffer sums;
    sums.name = program_.buffer(packed_).name + ".sums";
    sums.dtype = DType::kInt32;
    std::vector<Expr> index;
    for (const ContractionAxis& axis : layout_.batch) {
      sums.shape.push_back(axis.extent);
      index.push_back(ir::var(axis.var));
    }
    const size_t panel_axis = layout_.batch.size();
    sums.shape.push_back(layout_.shape[panel_axis] * Dim(kPanelColumns));
    index.push_back(ir::var(layout_.n.var));
    const ir::Buffer& packed = program_.buffer(packed_);
    const bool constant = packed.kind == ir::BufferKind::kConstant;
    const bool folds = constant && a_zero_->op == ExprOp::kInt;
    if (constant) {
      const ir::Shape outer(layout_.shape.begin(),
                            layout_.shape.begin() + static_cast<std::ptrdiff_t>(panel_axis) + 1);
      sums.kind = ir::BufferKind::kConstant;
      sums.constant = column_sums(packed.constant, ir::product(outer).value(), folds ? -a_zero_->integer : -1)
                          .reshaped(ir::static_shape(sums.shape));
    }
    const ir::BufferId id = program_.add_buffer(std::move(sums));
    if (!constant) kernels_.push_back(sum_columns(id));
    const Expr sum = ir::load(id, DType::kInt32, std::move(index));
    return folds ? sum : a_zero_ * sum;
  }

  // sums[batch..., n] = -(sum of a column of packed B)
  ir::Kernel sum_columns(ir::BufferId sums) {
    std::vector<VarId> vars;
    std::vector<Expr> from;
    for (size_t i = 0; i < layout_.shape.size(); ++i) {
      vars.push_back(program_.fresh_var());
      from.push_back(ir::var(vars.back()));
    }
    const size_t panel = layout_.batch.size(), column = layout_.shape.size() - 2;
    std::vector<Expr> to(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(panel));
    to.push_back(from[panel] * ir::integer(kPanelColumns) + from[column]);
    std::vector<VarId> outer, summed;
    ir::Shape outer_shape, summed_shape;
    for (size_t i = 0; i < vars.size(); ++i) {
      const bool kept = i <= panel || i == column;
      (kept ? outer : summed).push_back(vars[i]);
      (kept ? outer_shape : summed_shape).push_back(layout_.shape[i]);
    }
    const VarId total = program_.fresh_var();
    const Expr element = ir::cast(ir::load(packed_, DType::kInt8, from), DType::kInt32);
    ir::Block body = {ir::let(total, int32(0))};
    for (ir::Stmt& stmt :
         ir::nest(summed, summed_shape, 0, {ir::reduce_into(total, ir::Combiner::kSum, -element)})) {
      body.push_back(std::move(stmt));
    }
    body.push_back(ir::store(sums, to, ir::var(total, DType::kInt32)));
    return {"sum_columns", "", ir::LoopNest{ir::nest(outer, outer_shape, outer.size(), std::move(body))}};
  }

  ir::Program& program_;
  ir::Contraction& c_;
  const PanelLayout layout_;
  ir::BufferId packed_ = ir::BufferId::kNone;
  Expr a_zero_;  // of A as unsigned numbers
  Expr b_zero_;  // of B as signed numbers; empty: 0
  std::vector<ir::Kernel> kernels_;
};

}  // namespace

bool is_byte_product(const ir::Program& program, const ir::Contraction& c) {
  if (c.accumulator_type != DType::kInt32) return false;
  if (!is_byte(program.buffer(c.a.buffer).dtype) || !is_byte(program.buffer(c.b.buffer).dtype)) return false;
  return !c.a.padded || !c.a.zero_point || !uses_any_axis(c.a.zero_point, c);
}

std::vector<ir::Kernel> pack_bytes(ir::Program& program, ir::Contraction& c, const GemmForm& form) {
  return BytePacker(program, c, form).run();
}

}  // namespace dlc::passes
