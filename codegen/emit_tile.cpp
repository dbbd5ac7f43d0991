#include "codegen/emit_tile.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>

#include <algorithm>

#include "codegen/accumulate.h"
#include "codegen/emit_kernel.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::VarId;

namespace {

std::vector<Dim> extents(const std::vector<ContractionAxis>& axes) {
  std::vector<Dim> result;
  for (const ContractionAxis& axis : axes) result.push_back(axis.extent);
  return result;
}

class TileEmitter {
 public:
  TileEmitter(const TileProblem& problem, int rows, int panels, llvm::Function* function)
      : p_(problem),
        rows_(rows),
        panels_(panels),
        emitter_(function, problem.program, problem.target, problem.signature),
        builder_(emitter_.builder),
        first_row_(function->getArg(4)),
        first_panel_(function->getArg(5)) {
    emitter_.use_scratch(function->getArg(2), problem.scratch);
    set_vars(problem.form.batch, unflatten(emitter_, function->getArg(3), extents(problem.form.batch)));
    for (size_t i = 0; i < problem.arguments.size(); ++i) {
      emitter_.vars[problem.arguments[i]] = function->getArg(static_cast<unsigned>(6 + i));
    }
    if (problem.ahead > 0) ahead_ = function->getArg(static_cast<unsigned>(6 + problem.arguments.size()));
  }

  void run() {
    type_ = llvm::FixedVectorType::get(emitter_.scalar_type(p_.contraction.accumulator_type),
                                       static_cast<unsigned>(p_.plan.lanes));
    accumulators_.resize(static_cast<size_t>(rows_ * panels_ * p_.plan.vectors));
    for (llvm::AllocaInst*& slot : accumulators_) {
      slot = emitter_.slot(type_, "acc");
      builder_.CreateStore(llvm::Constant::getNullValue(type_), slot);
    }
    for (int r = 0; r < rows_; ++r) {
      llvm::Value* row = builder_.CreateAdd(first_row_, emitter_.index(r));
      coordinates_.push_back(unflatten(emitter_, row, extents(p_.form.m)));
    }
    sum_windows(0);
    finish();
    builder_.CreateRetVoid();
  }

 private:
  // Where the rows of A, the panels of B, and panels for later tiles begin, at k = 0.
  struct Streams {
    std::vector<llvm::Value*> rows;
    std::vector<llvm::Value*> panels;
    std::vector<llvm::Value*> ahead;
  };

  void set_vars(const std::vector<ContractionAxis>& axes, const std::vector<llvm::Value*>& values) {
    for (size_t i = 0; i < axes.size(); ++i) emitter_.vars[axes[i].var] = values[i];
  }

  llvm::AllocaInst* accumulator(int row, int vector) const {
    return accumulators_[static_cast<size_t>(row * panels_ * p_.plan.vectors + vector)];
  }

  // Loops over the taps; the innermost sums along k.
  void sum_windows(size_t depth) {
    if (depth == p_.form.windows.size()) {
      sum_k();
      return;
    }
    const ContractionAxis& axis = p_.form.windows[depth];
    emit_for(builder_, emitter_.index(0), emitter_.dim(axis.extent), emitter_.index(1), "tap",
             [&](llvm::Value* i) {
               emitter_.vars[axis.var] = i;
               sum_windows(depth + 1);
             });
  }

  // Address of A at k = 0 for one row; rows of the padding read zeros instead.
  llvm::Value* row_pointer(int row) {
    set_vars(p_.form.m, coordinates_[static_cast<size_t>(row)]);
    const ir::Operand& a = p_.contraction.a;
    emitter_.vars[p_.form.k.var] = emitter_.index(0);
    llvm::Value* pointer = emitter_.address(a.buffer, a.index);
    if (!a.padded) return pointer;
    llvm::Value* inside = nullptr;
    const ir::Buffer& buffer = p_.program.buffer(a.buffer);
    for (size_t i = 0; i < a.index.size(); ++i) {
      const bool windowed =
          std::any_of(p_.form.windows.begin(), p_.form.windows.end(),
                      [&](const ContractionAxis& w) { return ir::uses_var(a.index[i], w.var); });
      if (!windowed) continue;
      llvm::Value* in_range =
          builder_.CreateICmpULT(emitter_.emit_scalar(a.index[i]), emitter_.dim(buffer.shape[i]));
      inside = inside ? builder_.CreateAnd(inside, in_range) : in_range;
    }
    if (!inside) return pointer;
    return builder_.CreateSelect(inside, pointer, zero_row());
  }

  // Zeros for one whole run along k.
  llvm::Value* zero_row() {
    check(p_.form.k.extent.is_constant(), "padding needs a constant number of channels");
    const int64_t bytes =
        byte_size(p_.program.buffer(p_.contraction.a.buffer).dtype, p_.form.k.extent.value());
    auto* type = llvm::ArrayType::get(builder_.getInt8Ty(), static_cast<uint64_t>(bytes + 64));
    const std::string name = "dlc.zeros." + std::to_string(bytes);
    if (auto* known = p_.module.getNamedGlobal(name)) return known;
    auto* global = new llvm::GlobalVariable(p_.module, type, true, llvm::GlobalValue::PrivateLinkage,
                                            llvm::ConstantAggregateZero::get(type), name);
    global->setAlignment(llvm::Align(64));
    return global;
  }

  llvm::Value* panel_pointer(int panel) {
    llvm::Value* number = builder_.CreateAdd(first_panel_, emitter_.index(panel));
    emitter_.vars[p_.form.n.var] = builder_.CreateMul(number, emitter_.index(kPanel));
    emitter_.vars[p_.form.k.var] = emitter_.index(0);
    return emitter_.address(p_.contraction.b.buffer, p_.contraction.b.index);
  }

  void sum_k() {
    const ir::Operand& a = p_.contraction.a;
    const ir::Operand& b = p_.contraction.b;
    const DType a_type = p_.program.buffer(a.buffer).dtype;
    const DType b_type = p_.program.buffer(b.buffer).dtype;
    Streams streams;
    for (int r = 0; r < rows_; ++r) streams.rows.push_back(row_pointer(r));
    for (int j = 0; j < panels_; ++j) streams.panels.push_back(panel_pointer(j));
    for (int j = 0; j < p_.ahead; ++j) {
      llvm::Value* distance = ahead_;
      if (j > 0) distance = builder_.CreateAdd(ahead_, panel_distance(j));
      streams.ahead.push_back(builder_.CreateGEP(builder_.getInt8Ty(), streams.panels[0], distance));
    }
    llvm::Value* a_step = emitter_.dim(stride_of_k(a));
    emit_for(builder_, emitter_.index(0), emitter_.dim(p_.form.k.extent), emitter_.index(1), "k",
             [&](llvm::Value* k) {
               fetch_ahead(streams, k);
               const std::vector<llvm::Value*> columns = load_columns(streams, k, b_type);
               add_rows(streams, builder_.CreateMul(k, a_step), a_type, columns);
             });
  }

  // Bytes from the first panel of the tile to the one numbered `panel`.
  llvm::Value* panel_distance(int panel) {
    llvm::Value* first = builder_.CreatePtrToInt(panel_pointer(0), builder_.getInt64Ty());
    return builder_.CreateSub(builder_.CreatePtrToInt(panel_pointer(panel), builder_.getInt64Ty()), first);
  }

  // Into the second-level cache.
  void fetch_ahead(const Streams& streams, llvm::Value* k) {
    const int64_t bytes = bit_width(p_.program.buffer(p_.contraction.b.buffer).dtype) / 8;
    for (llvm::Value* stream : streams.ahead) {
      llvm::Value* at = builder_.CreateGEP(builder_.getInt8Ty(), stream,
                                           builder_.CreateMul(k, emitter_.index(kPanel * bytes)));
      builder_.CreateIntrinsic(llvm::Intrinsic::prefetch, {at->getType()},
                               {at, builder_.getInt32(0), builder_.getInt32(2), builder_.getInt32(1)});
    }
  }

  std::vector<llvm::Value*> load_columns(const Streams& streams, llvm::Value* k, DType b_type) {
    const auto lanes = static_cast<unsigned>(p_.plan.lanes);
    auto* vector = llvm::FixedVectorType::get(emitter_.memory_type(b_type), lanes);
    const llvm::Align align(static_cast<uint64_t>(bit_width(b_type)) / 8);
    std::vector<llvm::Value*> columns;
    llvm::Value* b_offset = builder_.CreateMul(k, emitter_.index(kPanel));
    for (llvm::Value* panel : streams.panels) {
      for (int v = 0; v < p_.plan.vectors; ++v) {
        llvm::Value* offset = builder_.CreateAdd(b_offset, emitter_.index(v * p_.plan.lanes));
        llvm::Value* at = builder_.CreateGEP(emitter_.memory_type(b_type), panel, offset);
        llvm::Value* column = builder_.CreateAlignedLoad(vector, at, align);
        columns.push_back(emitter_.convert(column, b_type, p_.contraction.accumulator_type));
      }
    }
    return columns;
  }

  void add_rows(const Streams& streams, llvm::Value* a_offset, DType a_type,
                const std::vector<llvm::Value*>& columns) {
    llvm::Type* element_type = emitter_.memory_type(a_type);
    const llvm::Align align(static_cast<uint64_t>(bit_width(a_type)) / 8);
    for (int r = 0; r < rows_; ++r) {
      llvm::Value* at = builder_.CreateGEP(element_type, streams.rows[static_cast<size_t>(r)], a_offset);
      llvm::Value* element = emitter_.convert(builder_.CreateAlignedLoad(element_type, at, align), a_type,
                                              p_.contraction.accumulator_type);
      llvm::Value* splat = builder_.CreateVectorSplat(static_cast<unsigned>(p_.plan.lanes), element);
      for (int v = 0; v < panels_ * p_.plan.vectors; ++v) {
        llvm::AllocaInst* slot = accumulator(r, v);
        llvm::Value* sum = builder_.CreateLoad(type_, slot);
        builder_.CreateStore(multiply_add(emitter_, splat, columns[static_cast<size_t>(v)], sum), slot);
      }
    }
  }

  Dim stride_of_k(const ir::Operand& operand) const {
    ir::Strides strides = ir::strides_of(p_.program, operand.buffer).value();
    Dim total = 0;
    for (size_t i = 0; i < operand.index.size(); ++i) {
      std::optional<ir::Affine> affine = ir::affine_in(operand.index[i], p_.form.k.var);
      if (!affine) continue;
      if (affine->coefficient->op == ir::ExprOp::kInt)
        total += Dim(affine->coefficient->integer) * strides.strides[i];
      if (affine->coefficient->op == ir::ExprOp::kDim) total += affine->coefficient->dim * strides.strides[i];
    }
    return total;
  }

  // Epilogue and store. Panels that lie wholly inside of N are stored without masks.
  void finish() {
    for (int j = 0; j < panels_; ++j) {
      llvm::Value* panel = builder_.CreateAdd(first_panel_, emitter_.index(j));
      llvm::Value* column = builder_.CreateMul(panel, emitter_.index(kPanel));
      const Dim& n = p_.form.n.extent;
      if (n.is_constant() && n.value() % kPanel == 0) {
        store_panel(j, column, nullptr);
        continue;
      }
      llvm::Value* left = builder_.CreateSub(emitter_.dim(n), column);
      llvm::Value* whole = builder_.CreateICmpSGE(left, emitter_.index(kPanel));
      emit_if(builder_, whole, "whole", [&] { store_panel(j, column, nullptr); });
      emit_if(builder_, builder_.CreateNot(whole), "part", [&] { store_panel(j, column, left); });
    }
  }

  void store_panel(int panel, llvm::Value* column, llvm::Value* left) {
    const ir::Contraction& c = p_.contraction;
    for (int r = 0; r < rows_; ++r) {
      set_vars(p_.form.m, coordinates_[static_cast<size_t>(r)]);
      for (int v = 0; v < p_.plan.vectors; ++v) {
        emitter_.vars.erase(p_.form.n.var);
        emitter_.lanes = {p_.form.n.var, p_.plan.lanes,
                          builder_.CreateAdd(column, emitter_.index(v * p_.plan.lanes)), nullptr};
        if (left)
          emitter_.lanes.mask = lanes_below(
              emitter_, builder_.CreateSub(left, emitter_.index(v * p_.plan.lanes)), p_.plan.lanes);
        emitter_.vars[c.accumulator] =
            builder_.CreateLoad(type_, accumulator(r, panel * p_.plan.vectors + v));
        emitter_.store(c.out, c.out_index, emitter_.emit_vector(c.epilogue));
        emitter_.lanes = {};
      }
    }
  }

  const TileProblem& p_;
  const int rows_;
  const int panels_;
  KernelEmitter emitter_;
  llvm::IRBuilder<>& builder_;
  llvm::Value* first_row_;
  llvm::Value* first_panel_;
  llvm::Value* ahead_ = nullptr;
  llvm::FixedVectorType* type_ = nullptr;
  std::vector<llvm::AllocaInst*> accumulators_;
  std::vector<std::vector<llvm::Value*>> coordinates_;  // of each row, along the M axes
};

}  // namespace

llvm::Function* emit_tile(const TileProblem& problem, int rows, int panels) {
  const std::string name =
      problem.name + ".tile" + std::to_string(rows) + "x" + std::to_string(panels * kPanel);
  if (llvm::Function* known = problem.module.getFunction(name)) return known;
  llvm::Function* function =
      make_tile_function(problem.module, problem.target, name,
                         static_cast<int>(3 + problem.arguments.size()) + (problem.ahead > 0 ? 1 : 0), 1);
  TileEmitter(problem, rows, panels, function).run();
  return function;
}

}  // namespace dlc::codegen
