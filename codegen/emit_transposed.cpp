// Transposition in registers: a tile of as many rows as columns is loaded along the rows, turned around by
// shuffles, and the body of the loops then runs along the columns.
#include "codegen/emit_transposed.h"

#include <algorithm>

#include "codegen/accumulate.h"
#include "codegen/vector_width.h"
#include "passes/schedule/access.h"

namespace dlc::codegen {

using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::VarId;

// Rows [row, row + width), columns [column, column + width), or fewer where counts are given.
struct KernelEmitter::Tile {
  llvm::Value* row;
  llvm::Value* column;
  llvm::Value* rows = nullptr;
  llvm::Value* columns = nullptr;
};

namespace {

// Loads that are performed whatever the values of conditions are.
void collect_loads(const Expr& e, std::vector<Expr>& out) {
  if (e->op == ExprOp::kLoad) return out.push_back(e);
  if (e->op == ExprOp::kSelect) return collect_loads(e->args[0], out);
  for (const Expr& arg : e->args) collect_loads(arg, out);
}

bool is_defined_in(const Expr& e, const std::vector<VarId>& lets) {
  return std::any_of(lets.begin(), lets.end(), [&](VarId v) { return ir::uses_var(e, v); });
}

bool is_known_zero(llvm::Value* value) {
  auto* constant = llvm::dyn_cast<llvm::ConstantInt>(value);
  return constant != nullptr && constant->isZero();
}

// One of log2(width) steps: exchanges the lanes `distance` apart of rows as far apart.
void exchange(llvm::IRBuilder<>& builder, std::vector<llvm::Value*>& rows, int distance) {
  const int width = static_cast<int>(rows.size());
  std::vector<int> upper, lower;
  for (int lane = 0; lane < width; ++lane) {
    const bool is_second = (lane & distance) != 0;
    upper.push_back(is_second ? width + lane - distance : lane);
    lower.push_back(is_second ? width + lane : lane + distance);
  }
  for (int row = 0; row < width; ++row) {
    if ((row & distance) != 0) continue;
    llvm::Value*& a = rows[static_cast<size_t>(row)];
    llvm::Value*& b = rows[static_cast<size_t>(row + distance)];
    llvm::Value* first = builder.CreateShuffleVector(a, b, upper);
    b = builder.CreateShuffleVector(a, b, lower);
    a = first;
  }
}

}  // namespace

std::optional<KernelEmitter::TransposedNest> KernelEmitter::transposed_nest(const ir::For& loop) const {
  if (loop.body.size() != 1) return std::nullopt;
  auto* inner = std::get_if<ir::For>(&loop.body[0].node);
  if (inner == nullptr || inner->kind != ir::LoopKind::kVector) return std::nullopt;
  if (ir::uses_var(inner->begin, loop.var) || ir::uses_var(inner->end, loop.var)) return std::nullopt;
  TransposedNest nest{&loop, inner, {}, vector_width(*inner, target)};
  if (nest.width > target.vector_registers) return std::nullopt;
  std::vector<VarId> lets;
  std::vector<Expr> loads;
  std::set<ir::BufferId> stored;
  for (const ir::Stmt& stmt : inner->body) {
    if (auto* let = std::get_if<ir::Let>(&stmt.node)) {
      collect_loads(let->value, loads);
      lets.push_back(let->var);
    } else if (auto* store = std::get_if<ir::Store>(&stmt.node)) {
      collect_loads(store->value, loads);
      stored.insert(ir::root_of(program, store->buffer));
      if (!passes::is_contiguous(program, store->buffer, store->index, inner->var)) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  for (const Expr& load : loads) {
    if (stored.contains(ir::root_of(program, load->buffer))) return std::nullopt;
    if (load->type == DType::kBool || bit_width(load->type) < 8 || is_defined_in(load, lets)) continue;
    const passes::Access access{load->buffer, &load->args, false, {}};
    const std::optional<Dim> stride = passes::stride_along(program, access, inner->var);
    if (!stride || *stride == Dim(0) || *stride == Dim(1)) continue;
    if (passes::is_contiguous(program, load->buffer, load->args, loop.var)) nest.loads.push_back(load);
  }
  return nest.loads.empty() ? std::nullopt : std::optional(std::move(nest));
}

// The load's lanes lie along the rows; the result is one vector a row, with lanes along the columns.
std::vector<llvm::Value*> KernelEmitter::load_rows(const TransposedNest& nest, const Expr& load,
                                                   const Tile& tile) {
  llvm::Value* all = tile.rows ? lanes_below(*this, tile.rows, nest.width) : nullptr;
  std::vector<llvm::Value*> rows;
  for (int i = 0; i < nest.width; ++i) {
    llvm::Value* mask = all;
    lanes = {nest.rows->var, nest.width, tile.row, nullptr};
    if (tile.columns) {
      llvm::Value* given = broadcast(builder.CreateICmpSLT(index(i), tile.columns));
      mask = mask ? builder.CreateAnd(mask, given) : given;
    }
    lanes.mask = mask;
    vars[nest.columns->var] = builder.CreateAdd(tile.column, index(i));
    rows.push_back(emit_vector(load));
  }
  lanes = {};
  vars.erase(nest.columns->var);
  for (int distance = nest.width / 2; distance > 0; distance /= 2) exchange(builder, rows, distance);
  return rows;
}

void KernelEmitter::emit_tile(const TransposedNest& nest, const Tile& tile) {
  std::vector<std::vector<llvm::Value*>> loads;
  for (const Expr& load : nest.loads) loads.push_back(load_rows(nest, load, tile));
  llvm::Value* all = tile.columns ? lanes_below(*this, tile.columns, nest.width) : nullptr;
  for (int row = 0; row < nest.width; ++row) {
    for (size_t i = 0; i < loads.size(); ++i)
      loaded_[nest.loads[i].get()] = loads[i][static_cast<size_t>(row)];
    vars[nest.rows->var] = builder.CreateAdd(tile.row, index(row));
    lanes = {nest.columns->var, nest.width, tile.column, nullptr};
    llvm::Value* mask = all;
    if (tile.rows) {
      llvm::Value* given = broadcast(builder.CreateICmpSLT(index(row), tile.rows));
      mask = mask ? builder.CreateAnd(mask, given) : given;
    }
    lanes.mask = mask;
    emit(nest.columns->body);
    lanes = {};
  }
  vars.erase(nest.rows->var);
  loaded_.clear();
}

// Columns [begin, end), fewer than a tile has, of the rows [row, row + width).
void KernelEmitter::emit_remaining_columns(const TransposedNest& nest, llvm::Value* row, llvm::Value* begin,
                                           llvm::Value* end) {
  llvm::Value* left = builder.CreateSub(end, begin);
  if (is_known_zero(left)) return;
  if (masked_tail(*nest.columns, target)) {
    emit_if(builder, builder.CreateICmpSLT(begin, end), "columns", [&] {
      emit_tile(nest, {row, begin, nullptr, left});
    });
    return;
  }
  emit_for(builder, row, builder.CreateAdd(row, index(nest.width)), index(1), "row", [&](llvm::Value* i) {
    vars[nest.rows->var] = i;
    emit_vector_tail(*nest.columns, begin, end, nest.width);
    vars.erase(nest.rows->var);
  });
}

// Rows [begin, end), fewer than a tile has.
void KernelEmitter::emit_remaining_rows(const TransposedNest& nest, llvm::Value* begin, llvm::Value* end) {
  llvm::Value* left = builder.CreateSub(end, begin);
  if (is_known_zero(left)) return;
  if (!masked_tail(*nest.columns, target)) {
    emit_for(builder, begin, end, index(1), "row", [&](llvm::Value* i) {
      vars[nest.rows->var] = i;
      emit_stmt(*nest.columns);
      vars.erase(nest.rows->var);
    });
    return;
  }
  emit_if(builder, builder.CreateICmpSLT(begin, end), "rows", [&] {
    llvm::Value* stop = emit_scalar(nest.columns->end);
    emit_for(builder, emit_scalar(nest.columns->begin), stop, index(nest.width), "columns",
             [&](llvm::Value* i) {
               emit_tile(nest, {begin, i, left, builder.CreateSub(stop, i)});
             });
  });
}

void KernelEmitter::emit_transposed(const TransposedNest& nest) {
  llvm::Value* step = index(nest.width);
  auto whole_tiles = [&](llvm::Value* begin, llvm::Value* end) {
    llvm::Value* count = builder.CreateSub(end, begin);
    llvm::Value* whole = builder.CreateSub(count, builder.CreateSRem(count, step));
    return builder.CreateAdd(begin, builder.CreateBinaryIntrinsic(llvm::Intrinsic::smax, whole, index(0)));
  };
  llvm::Value* row = emit_scalar(nest.rows->begin);
  llvm::Value* rows_end = emit_scalar(nest.rows->end);
  llvm::Value* whole_rows = whole_tiles(row, rows_end);
  llvm::Value* column = emit_scalar(nest.columns->begin);
  llvm::Value* columns_end = emit_scalar(nest.columns->end);
  llvm::Value* whole_columns = whole_tiles(column, columns_end);
  emit_for(builder, row, whole_rows, step, "rows", [&](llvm::Value* i) {
    emit_for(builder, column, whole_columns, step, "columns", [&](llvm::Value* j) {
      emit_tile(nest, {i, j});
    });
    emit_remaining_columns(nest, i, whole_columns, columns_end);
  });
  emit_remaining_rows(nest, whole_rows, rows_end);
}

}  // namespace dlc::codegen
