#include "codegen/emit_tile.h"

#include <fmt/format.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>

#include <algorithm>

#include "codegen/accumulate.h"
#include "codegen/emit_dot.h"
#include "codegen/emit_kernel.h"
#include "codegen/emit_nibbles.h"
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

// Consecutive columns of one panel that fill a vector.
struct Column {
  int panel;
  int offset;  // in the panel
  int lanes;
};

// Below 256 bits a narrower vector costs as much.
constexpr int kNarrowestBits = 256;

// Columns beyond `last_columns` of the last panel get no vector, or a narrower one.
std::vector<Column> columns_of(const GemmPlan& plan, int panels, int last_columns, int element_bits) {
  std::vector<Column> columns;
  for (int j = 0; j < panels; ++j) {
    const int used = j == panels - 1 ? last_columns : kPanel;
    for (int offset = 0; offset < used; offset += plan.lanes) {
      int lanes = plan.lanes;
      while (lanes / 2 >= used - offset && lanes * element_bits > kNarrowestBits) lanes /= 2;
      columns.push_back({j, offset, lanes});
    }
  }
  return columns;
}

class TileEmitter {
 public:
  TileEmitter(const TileProblem& problem, int rows, int panels, int last_columns, llvm::Function* function)
      : p_(problem),
        rows_(rows),
        panels_(panels),
        last_columns_(last_columns),
        columns_(
            columns_of(problem.plan, panels, last_columns, bit_width(problem.contraction.accumulator_type))),
        emitter_(function, problem.program, problem.target, problem.signature),
        builder_(emitter_.builder),
        first_row_(function->getArg(4)),
        scratch_(function->getArg(2)),
        first_panel_(function->getArg(5)) {
    emitter_.use_scratch(function->getArg(2), problem.scratch);
    set_vars(problem.form.batch, unflatten(emitter_, function->getArg(3), extents(problem.form.batch)));
    for (size_t i = 0; i < problem.arguments.size(); ++i) {
      emitter_.vars[problem.arguments[i]] = function->getArg(static_cast<unsigned>(6 + i));
    }
    if (problem.ahead > 0) ahead_ = function->getArg(static_cast<unsigned>(6 + problem.arguments.size()));
  }

  void run() {
    llvm::Type* element = emitter_.scalar_type(p_.contraction.accumulator_type);
    for (int r = 0; r < rows_; ++r) {
      for (const Column& column : columns_) accumulators_.push_back(zero_slot(element, column.lanes));
      if (p_.contraction.schedule.row_sum != VarId::kNone)
        row_sums_.push_back(zero_slot(element, p_.plan.lanes));
      if (p_.contraction.has_parts()) {
        llvm::Type* part = emitter_.scalar_type(p_.contraction.parts.type);
        for (const Column& column : columns_) partial_.push_back(zero_slot(part, column.lanes));
      }
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

  llvm::AllocaInst* zero_slot(llvm::Type* element, int lanes) {
    llvm::Type* type = llvm::FixedVectorType::get(element, static_cast<unsigned>(lanes));
    llvm::AllocaInst* slot = emitter_.slot(type, "acc");
    builder_.CreateStore(llvm::Constant::getNullValue(type), slot);
    return slot;
  }

  static llvm::Type* vector_of(llvm::Type* element, const Column& column) {
    return llvm::FixedVectorType::get(element, static_cast<unsigned>(column.lanes));
  }

  llvm::AllocaInst* accumulator(int row, size_t column) const {
    return accumulators_[static_cast<size_t>(row) * columns_.size() + column];
  }

  // What the products of a row and a column vector are added to first.
  llvm::AllocaInst* product_sum(int row, size_t column) const {
    if (partial_.empty()) return accumulator(row, column);
    return partial_[static_cast<size_t>(row) * columns_.size() + column];
  }

  // Loops over the taps; the innermost sums along k.
  void sum_windows(size_t depth) {
    if (depth == p_.form.windows.size()) {
      if (p_.contraction.has_parts()) return sum_part();
      return sum_k();
    }
    const ContractionAxis& axis = p_.form.windows[depth];
    emit_for(builder_, emitter_.index(0), emitter_.dim(axis.extent), emitter_.index(1), "tap",
             [&](llvm::Value* i) {
               emitter_.vars[axis.var] = i;
               sum_windows(depth + 1);
             });
  }

  // Address of A at k = 0 for one row; rows of the padding read something else instead.
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
    return builder_.CreateSelect(inside, pointer, padding_row());
  }

  // What padding reads as for one whole run along k: zeros, or the zero points of bytes.
  llvm::Value* padding_row() {
    check(p_.form.k.extent.is_constant(), "padding needs a constant number of channels");
    const ir::Operand& a = p_.contraction.a;
    if (has_padding_in_scratch(a)) return scratch_;
    const int64_t bytes = byte_size(p_.program.buffer(a.buffer).dtype, p_.form.k.extent.value());
    const auto value = static_cast<uint8_t>(a.zero_point ? a.zero_point->integer : 0);
    const std::string name = fmt::format("dlc.padding.{}.{}", bytes, value);
    if (auto* known = p_.module.getNamedGlobal(name)) return known;
    const std::vector<uint8_t> row(static_cast<size_t>(bytes + 64), value);
    llvm::Constant* data = llvm::ConstantDataArray::get(p_.module.getContext(), row);
    auto* global = new llvm::GlobalVariable(p_.module, data->getType(), true,
                                            llvm::GlobalValue::PrivateLinkage, data, name);
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
    if (p_.contraction.schedule.group > 1) return sum_groups(streams);
    llvm::Value* a_step = emitter_.dim(stride_of_k(a));
    emit_for(
        builder_, emitter_.index(0), emitter_.dim(p_.form.k.extent), emitter_.index(1), "k",
        [&](llvm::Value* k) {
          fetch_ahead(streams, k);
          const std::vector<llvm::Value*> columns = load_columns(streams, k, b_type);
          add_rows(streams, builder_.CreateMul(k, a_step), a_type, columns);
        },
        Unroll::kNotAtRunTime);
  }

  // ---- Parts: runs of weights of 4 or 8 bits ----

  // Elements along k that lie in one byte of B, beside each other where A is of bytes.
  int halves() const { return p_.program.buffer(p_.contraction.b.buffer).dtype == DType::kUint4 ? 2 : 1; }

  llvm::Value* part_pointer(int panel) {
    const ir::Operand& b = p_.contraction.b;
    const ContractionAxis& part = p_.form.windows[0];
    llvm::Value* number = builder_.CreateAdd(first_panel_, emitter_.index(panel));
    number =
        builder_.CreateAdd(builder_.CreateMul(number, emitter_.dim(part.extent)), emitter_.vars.at(part.var));
    const int64_t bytes = p_.form.k.extent.value() * kPanel / halves();
    return builder_.CreateGEP(builder_.getInt8Ty(), emitter_.root_pointer(b.buffer),
                              builder_.CreateMul(number, emitter_.index(bytes)));
  }

  void sum_part() {
    for (llvm::AllocaInst* slot : partial_)
      builder_.CreateStore(llvm::Constant::getNullValue(slot->getAllocatedType()), slot);
    Streams streams;
    for (int r = 0; r < rows_; ++r) streams.rows.push_back(row_pointer(r));
    for (int j = 0; j < panels_; ++j) streams.panels.push_back(part_pointer(j));
    const int span = p_.contraction.schedule.group;
    const int64_t steps = p_.form.k.extent.value() / (span * halves());
    DotEmitter dot(emitter_, DotElements::kSignedByUnsigned);
    emit_for(builder_, emitter_.index(0), emitter_.index(steps), emitter_.index(1), "k",
             [&](llvm::Value* k) { add_step(dot, streams, k, span); });
    add_terms();
  }

  void add_step(DotEmitter& dot, const Streams& streams, llvm::Value* step, int span) {
    const ir::Operand &a = p_.contraction.a, &b = p_.contraction.b;
    const DType a_type = p_.program.buffer(a.buffer).dtype, b_type = p_.program.buffer(b.buffer).dtype;
    const int64_t zero = b.zero_point ? b.zero_point->integer : 0;
    std::vector<std::vector<llvm::Value*>> columns;  // by half
    columns.resize(static_cast<size_t>(halves()));
    for (const Column& column : columns_) {
      auto* type =
          llvm::FixedVectorType::get(builder_.getInt8Ty(), static_cast<unsigned>(column.lanes * span));
      llvm::Value* offset = builder_.CreateMul(step, emitter_.index(kPanel * span));
      offset = builder_.CreateAdd(offset, emitter_.index(column.offset * span));
      llvm::Value* at =
          builder_.CreateGEP(builder_.getInt8Ty(), streams.panels[static_cast<size_t>(column.panel)], offset);
      llvm::Value* bytes = builder_.CreateAlignedLoad(type, at, llvm::Align(4));
      const std::vector<llvm::Value*> parts =
          span > 1 ? halves_of(builder_, bytes, b_type) : float_halves_of(emitter_, bytes, b_type, zero);
      for (size_t half = 0; half < parts.size(); ++half) columns[half].push_back(parts[half]);
    }
    llvm::Value* a_step = emitter_.dim(stride_of_k(a));
    for (int half = 0; half < halves(); ++half) {
      llvm::Value* group = builder_.CreateMul(step, emitter_.index(halves()));
      group = builder_.CreateAdd(group, emitter_.index(half));
      const std::vector<llvm::Value*>& vectors = columns[static_cast<size_t>(half)];
      if (span > 1) {
        add_dots(dot, streams, group, vectors);
      } else {
        add_rows(streams, builder_.CreateMul(group, a_step), a_type, vectors);
      }
    }
  }

  void add_dots(DotEmitter& dot, const Streams& streams, llvm::Value* group,
                const std::vector<llvm::Value*>& columns) {
    std::vector<std::vector<llvm::Value*>> prepared;
    for (llvm::Value* column : columns) prepared.push_back(dot.prepare_b(column));
    for (int r = 0; r < rows_; ++r) {
      llvm::Value* bytes =
          load_group(streams.rows[static_cast<size_t>(r)], group, p_.contraction.schedule.group);
      for (size_t c = 0; c < columns_.size(); ++c) {
        llvm::AllocaInst* slot = product_sum(r, c);
        llvm::Value* sum = builder_.CreateLoad(slot->getAllocatedType(), slot);
        builder_.CreateStore(dot.add(dot.prepare_a(bytes, columns_[c].lanes), prepared[c], sum), slot);
      }
    }
  }

  void add_terms() {
    const ir::PartialSums& parts = p_.contraction.parts;
    const Dim& n = p_.form.n.extent;
    for (int r = 0; r < rows_; ++r) {
      set_vars(p_.form.m, coordinates_[static_cast<size_t>(r)]);
      for (size_t c = 0; c < columns_.size(); ++c) {
        const Column& column = columns_[c];
        llvm::Value* first = builder_.CreateAdd(first_panel_, emitter_.index(column.panel));
        first = builder_.CreateAdd(builder_.CreateMul(first, emitter_.index(kPanel)),
                                   emitter_.index(column.offset));
        emitter_.vars.erase(p_.form.n.var);
        emitter_.lanes = {p_.form.n.var, column.lanes, first, nullptr};
        if (n.value() % kPanel != 0)
          emitter_.lanes.mask =
              lanes_below(emitter_, builder_.CreateSub(emitter_.dim(n), first), column.lanes);
        llvm::AllocaInst *part = product_sum(r, c), *slot = accumulator(r, c);
        emitter_.vars[parts.sum] = builder_.CreateLoad(part->getAllocatedType(), part);
        llvm::Value* term = emitter_.emit_vector(parts.term);
        emitter_.lanes = {};
        llvm::Value* sum = builder_.CreateLoad(slot->getAllocatedType(), slot);
        builder_.CreateStore(builder_.CreateFAdd(sum, term), slot);
      }
    }
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
    llvm::Type* element = emitter_.memory_type(b_type);
    const llvm::Align align(static_cast<uint64_t>(bit_width(b_type)) / 8);
    std::vector<llvm::Value*> columns;
    llvm::Value* b_offset = builder_.CreateMul(k, emitter_.index(kPanel));
    for (const Column& column : columns_) {
      llvm::Value* offset = builder_.CreateAdd(b_offset, emitter_.index(column.offset));
      llvm::Value* at =
          builder_.CreateGEP(element, streams.panels[static_cast<size_t>(column.panel)], offset);
      llvm::Value* value = builder_.CreateAlignedLoad(vector_of(element, column), at, align);
      columns.push_back(emitter_.convert(value, b_type, p_.contraction.accumulator_type));
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
                                              p_.contraction.product_type());
      for (size_t c = 0; c < columns_.size(); ++c) {
        llvm::Value* splat = builder_.CreateVectorSplat(static_cast<unsigned>(columns_[c].lanes), element);
        llvm::AllocaInst* slot = product_sum(r, c);
        llvm::Value* sum = builder_.CreateLoad(slot->getAllocatedType(), slot);
        builder_.CreateStore(multiply_add(emitter_, splat, columns[c], sum), slot);
      }
    }
  }

  // ---- Narrow elements, in groups along k ----

  DotElements dot_elements() const {
    if (is_float(p_.contraction.accumulator_type)) return DotElements::kBfloat16;
    const bool flips = p_.program.buffer(p_.contraction.a.buffer).dtype == DType::kInt8;
    return flips ? DotElements::kFlippedBySigned : DotElements::kUnsignedBySigned;
  }

  void sum_groups(const Streams& streams) {
    DotEmitter dot(emitter_, dot_elements());
    const Dim& depth = p_.form.k.extent;
    const int group = p_.contraction.schedule.group;
    llvm::Value* whole = emitter_.dim(ir::floor_div(depth, Dim(group)));
    emit_for(
        builder_, emitter_.index(0), whole, emitter_.index(1), "k",
        [&](llvm::Value* k) { add_group(dot, streams, k, group); }, Unroll::kNotAtRunTime);
    if (depth.is_constant()) {
      if (depth.value() % group != 0) add_group(dot, streams, whole, static_cast<int>(depth.value() % group));
      return;
    }
    llvm::Value* rest = builder_.CreateSRem(emitter_.dim(depth), emitter_.index(group));
    for (int count = 1; count < group; ++count) {
      emit_if(builder_, builder_.CreateICmpEQ(rest, emitter_.index(count)), "rest",
              [&] { add_group(dot, streams, whole, count); });
    }
  }

  // Adds the group numbered k, of which A has `count` elements.
  void add_group(DotEmitter& dot, const Streams& streams, llvm::Value* k, int count) {
    const int group = p_.contraction.schedule.group;
    llvm::Type* element = emitter_.memory_type(p_.program.buffer(p_.contraction.b.buffer).dtype);
    std::vector<std::vector<llvm::Value*>> columns;
    llvm::Value* panel_offset = builder_.CreateMul(k, emitter_.index(kPanel * group));
    for (const Column& column : columns_) {
      llvm::Value* offset = builder_.CreateAdd(panel_offset, emitter_.index(column.offset * group));
      auto* type = llvm::FixedVectorType::get(element, static_cast<unsigned>(column.lanes * group));
      llvm::Value* at =
          builder_.CreateGEP(element, streams.panels[static_cast<size_t>(column.panel)], offset);
      columns.push_back(dot.prepare_b(builder_.CreateAlignedLoad(type, at, llvm::Align(4))));
    }
    for (int r = 0; r < rows_; ++r) {
      llvm::Value* bytes = load_group(streams.rows[static_cast<size_t>(r)], k, count);
      std::map<int, std::vector<llvm::Value*>> prepared;  // by the number of lanes
      auto row = [&](int lanes) -> const std::vector<llvm::Value*>& {
        std::vector<llvm::Value*>& a = prepared[lanes];
        if (a.empty()) a = dot.prepare_a(bytes, lanes);
        return a;
      };
      auto add = [&](llvm::AllocaInst* slot, int lanes, const std::vector<llvm::Value*>& b) {
        llvm::Value* sum = builder_.CreateLoad(slot->getAllocatedType(), slot);
        builder_.CreateStore(dot.add(row(lanes), b, sum), slot);
      };
      for (size_t c = 0; c < columns_.size(); ++c) add(accumulator(r, c), columns_[c].lanes, columns[c]);
      if (!row_sums_.empty())
        add(row_sums_[static_cast<size_t>(r)], p_.plan.lanes, dot.ones(p_.plan.lanes, count));
    }
  }

  // `count` elements of a row of A, the first one lowest in 32 bits.
  llvm::Value* load_group(llvm::Value* row, llvm::Value* k, int count) {
    const DType a_type = p_.program.buffer(p_.contraction.a.buffer).dtype;
    const Dim stride = stride_of_k(p_.contraction.a);
    llvm::Value* first = builder_.CreateMul(k, emitter_.dim(stride * Dim(p_.contraction.schedule.group)));
    llvm::Type* narrow = emitter_.memory_type(a_type);
    llvm::Type* type = builder_.getInt32Ty();
    const auto bits = static_cast<uint64_t>(bit_width(a_type));
    const llvm::Align align(bits / 8);
    llvm::Value* at = builder_.CreateGEP(narrow, row, first);
    if (count == p_.contraction.schedule.group && stride == Dim(1))
      return builder_.CreateAlignedLoad(type, at, align);
    llvm::Value* group = nullptr;
    for (int i = 0; i < count; ++i) {
      llvm::Value* element = builder_.CreateGEP(narrow, at, emitter_.dim(stride * Dim(i)));
      element = builder_.CreateZExt(builder_.CreateAlignedLoad(narrow, element, align), type);
      element = builder_.CreateShl(element, bits * static_cast<uint64_t>(i));
      group = group ? builder_.CreateOr(group, element) : element;
    }
    return group;
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
      llvm::Value* first = builder_.CreateMul(panel, emitter_.index(kPanel));
      const Dim& n = p_.form.n.extent;
      const bool is_last = j == panels_ - 1 && last_columns_ < kPanel;
      if (n.is_constant() && n.value() % kPanel == 0) {
        store_panel(j, first, nullptr);
      } else if (is_last) {
        store_panel(j, first, emitter_.index(last_columns_));
      } else {
        llvm::Value* left = builder_.CreateSub(emitter_.dim(n), first);
        llvm::Value* whole = builder_.CreateICmpSGE(left, emitter_.index(kPanel));
        emit_if(builder_, whole, "whole", [&] { store_panel(j, first, nullptr); });
        emit_if(builder_, builder_.CreateNot(whole), "part", [&] { store_panel(j, first, left); });
      }
    }
  }

  // The columns from `first` on, `left` of them at most.
  void store_panel(int panel, llvm::Value* first, llvm::Value* left) {
    const ir::Contraction& c = p_.contraction;
    for (int r = 0; r < rows_; ++r) {
      set_vars(p_.form.m, coordinates_[static_cast<size_t>(r)]);
      for (size_t i = 0; i < columns_.size(); ++i) {
        const Column& column = columns_[i];
        if (column.panel != panel) continue;
        llvm::Value* offset = emitter_.index(column.offset);
        emitter_.vars.erase(p_.form.n.var);
        emitter_.lanes = {p_.form.n.var, column.lanes, builder_.CreateAdd(first, offset), nullptr};
        if (left) emitter_.lanes.mask = lanes_below(emitter_, builder_.CreateSub(left, offset), column.lanes);
        llvm::AllocaInst* sum = accumulator(r, i);
        emitter_.vars[c.accumulator] = builder_.CreateLoad(sum->getAllocatedType(), sum);
        if (!row_sums_.empty()) emitter_.vars[c.schedule.row_sum] = row_sum(r, column.lanes);
        emitter_.store(c.out, c.out_index, emitter_.emit_vector(c.epilogue));
        emitter_.lanes = {};
      }
    }
  }

  // In every lane.
  llvm::Value* row_sum(int row, int lanes) {
    llvm::AllocaInst* slot = row_sums_[static_cast<size_t>(row)];
    llvm::Value* sum = builder_.CreateLoad(slot->getAllocatedType(), slot);
    if (lanes == p_.plan.lanes) return sum;
    return builder_.CreateVectorSplat(static_cast<unsigned>(lanes),
                                      builder_.CreateExtractElement(sum, uint64_t{0}));
  }

  const TileProblem& p_;
  const int rows_;
  const int panels_;
  const int last_columns_;
  const std::vector<Column> columns_;
  KernelEmitter emitter_;
  llvm::IRBuilder<>& builder_;
  llvm::Value* first_row_;
  llvm::Value* scratch_;
  llvm::Value* first_panel_;
  llvm::Value* ahead_ = nullptr;
  std::vector<llvm::AllocaInst*> accumulators_;  // of each row, by column vector
  std::vector<llvm::AllocaInst*> partial_;       // the same, of the current part; empty if there are none
  std::vector<llvm::AllocaInst*> row_sums_;      // of A, in every lane; empty if they are not needed
  std::vector<std::vector<llvm::Value*>> coordinates_;  // of each row, along the M axes
};

}  // namespace

bool has_padding_in_scratch(const ir::Operand& a) {
  return a.padded && a.zero_point && a.zero_point->op != ir::ExprOp::kInt;
}

llvm::Function* emit_tile(const TileProblem& problem, int rows, int panels, int last_columns) {
  const int columns = (panels - 1) * kPanel + last_columns;
  const std::string name = fmt::format("{}.tile{}x{}", problem.name, rows, columns);
  if (llvm::Function* known = problem.module.getFunction(name)) return known;
  llvm::Function* function =
      make_tile_function(problem.module, problem.target, name,
                         static_cast<int>(3 + problem.arguments.size()) + (problem.ahead > 0 ? 1 : 0), 1);
  TileEmitter(problem, rows, panels, last_columns, function).run();
  return function;
}

}  // namespace dlc::codegen
