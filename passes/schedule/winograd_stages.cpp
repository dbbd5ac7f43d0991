#include "passes/schedule/winograd_stages.h"

#include <map>

#include "ir/kernel/lower.h"

namespace dlc::passes {

using ir::AxisRole;
using ir::Block;
using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;
using ir::ExprOp;
using ir::VarId;

namespace {

Dim tiles_along(const WinogradAxis& axis, int64_t m) { return ir::ceil_div(axis.output.extent, Dim(m)); }

ir::Stmt loop(VarId var, Expr begin, Expr end, Block body, ir::LoopKind kind = ir::LoopKind::kSerial) {
  return {ir::For{var, std::move(begin), std::move(end), kind, std::move(body)}};
}

class StageBuilder {
 public:
  StageBuilder(ir::Program& program, const ir::Contraction& c, const WinogradForm& form,
               const WinogradBlocking& blocking, bool has_fma)
      : program_(program),
        c_(c),
        form_(form),
        blocking_(blocking),
        transform_(winograd_transform(c.schedule.winograd_tile, form.taps)),
        m_(transform_.outputs()),
        size_(transform_.size()),
        tile_(program.fresh_var()),
        lane_(program.fresh_var()),
        has_fma_(has_fma) {
    stages_.block = program.fresh_var();
    stages_.column = program.fresh_var();
    stages_.width = program.fresh_var();
  }

  WinogradStages run() {
    add_buffers();
    stages_.tiles = tiles_of_block();
    stages_.input = input();
    stages_.product = product();
    stages_.output = output();
    return std::move(stages_);
  }

 private:
  // Where a tile lies: coordinates of the images, first output row and column.
  struct Place {
    std::vector<Expr> images;
    Expr row;
    Expr column;
  };

  Arithmetic arithmetic(Block& block) {
    return {[this, &block](const Expr& value) { return bind(block, value); }, has_fma_};
  }

  Expr bind(Block& block, const Expr& value) {
    if (value->op == ExprOp::kVar || value->op == ExprOp::kInt) return value;
    const VarId id = program_.fresh_var();
    block.push_back(ir::let(id, value));
    return ir::var(id, value.type());
  }

  void add_buffers() {
    ir::Buffer v, m;
    v.name = "winograd.input";
    v.shape.push_back(size_ * size_);
    for (size_t axis : form_.frame_axes) v.shape.push_back(program_.buffer(c_.a.buffer).shape[axis]);
    v.shape.push_back(padded_tiles(v.shape, form_.k.extent.value()));
    v.shape.push_back(form_.k.extent);
    m.name = "winograd.product";
    m.shape.push_back(size_ * size_);
    for (const ContractionAxis& axis : form_.depth) m.shape.push_back(axis.extent);
    m.shape.push_back(padded_tiles(m.shape, blocking_.columns));
    m.shape.push_back(blocking_.columns);
    v.dtype = m.dtype = DType::kFloat;
    stages_.v = program_.add_buffer(std::move(v));
    stages_.m = program_.add_buffer(std::move(m));
  }

  // One tile more where the elements of a transformed tile would lie at multiples of 4 KB: they would fight
  // for one set of the first-level cache.
  int64_t padded_tiles(const ir::Shape& outer, int64_t inner) const {
    int64_t bytes = blocking_.tiles * inner * 4;
    for (size_t i = 1; i < outer.size(); ++i) bytes *= outer[i].value();
    return blocking_.tiles + (bytes % 4096 == 0 ? 1 : 0);
  }

  Expr tiles_of_block() const {
    const Expr first = ir::var(stages_.block) * ir::integer(blocking_.tiles);
    return ir::min(ir::integer(blocking_.tiles), ir::dim(winograd_tiles(form_, m_)) - first);
  }

  Place place(Block& block) {
    Place place;
    Expr rest = bind(block, ir::var(stages_.block) * ir::integer(blocking_.tiles) + ir::var(tile_));
    auto take = [&](const Dim& extent, bool last) {
      if (extent == Dim(1)) return ir::integer(0);
      const Expr all = rest;
      if (last) return all;
      rest = bind(block, ir::binary(ExprOp::kDiv, all, ir::dim(extent)));
      return bind(block, all - rest * ir::dim(extent));
    };
    place.column = bind(block, take(tiles_along(form_.column, m_), false) * ir::integer(m_));
    place.row = bind(block, take(tiles_along(form_.row, m_), form_.images.empty()) * ir::integer(m_));
    place.images.resize(form_.images.size());
    for (size_t i = form_.images.size(); i-- > 0;) place.images[i] = take(form_.images[i].extent, i == 0);
    return place;
  }

  // ---- Input ----

  struct Taps {
    std::vector<Expr> rows;  // input coordinates
    std::vector<Expr> columns;
    std::vector<Expr> row_inside;  // empty where nothing is outside
    std::vector<Expr> column_inside;
  };

  Dim input_extent(const WinogradAxis& axis) const { return program_.buffer(c_.a.buffer).shape[axis.a_axis]; }

  // Whether all tiles along an axis lie inside of the input, as far as is known.
  bool never_leaves(const WinogradAxis& axis) const {
    const Dim last = (tiles_along(axis, m_) - 1) * Dim(m_) + Dim(axis.offset + size_ - 1);
    const Dim left = input_extent(axis) - last - 1;
    return axis.offset >= 0 && left.is_constant() && left.value() >= 0;
  }

  Expr is_inside(const WinogradAxis& axis, const Expr& first) {
    if (never_leaves(axis)) return ir::boolean(true);
    const Expr begin = first + ir::integer(axis.offset);
    const Expr end = begin + ir::integer(size_);
    return begin >= ir::integer(0) && end <= ir::dim(input_extent(axis));
  }

  void coordinates(Block& block, const WinogradAxis& axis, const Expr& first, bool guarded,
                   std::vector<Expr>& at, std::vector<Expr>& inside) {
    for (int i = 0; i < size_; ++i) {
      at.push_back(first + ir::integer(axis.offset + i));
      if (!guarded || never_leaves(axis)) continue;
      inside.push_back(bind(block, at.back() >= ir::integer(0) && at.back() < ir::dim(input_extent(axis))));
    }
  }

  Block input() {
    std::vector<VarId> frames;
    for (size_t i = 0; i < form_.frame_axes.size(); ++i) frames.push_back(program_.fresh_var());
    Block body;
    const Place at = place(body);
    const bool always = never_leaves(form_.row) && never_leaves(form_.column);
    if (always) {
      append(body, transform_input(at, frames, false));
    } else {
      const Expr inside = bind(body, is_inside(form_.row, at.row) && is_inside(form_.column, at.column));
      body.push_back({ir::If{inside, transform_input(at, frames, false)}});
      body.push_back({ir::If{ir::unary(ExprOp::kNot, inside), transform_input(at, frames, true)}});
    }
    Block block = {loop(tile_, ir::integer(0), tiles_of_block(), std::move(body))};
    for (size_t i = frames.size(); i-- > 0;) {
      const Dim extent = program_.buffer(c_.a.buffer).shape[form_.frame_axes[i]];
      block = {loop(frames[i], ir::integer(0), ir::dim(extent), std::move(block))};
    }
    return block;
  }

  static void append(Block& block, Block more) {
    for (ir::Stmt& stmt : more) block.push_back(std::move(stmt));
  }

  Block transform_input(const Place& at, const std::vector<VarId>& frames, bool guarded) {
    Block block;
    Taps taps;
    coordinates(block, form_.row, at.row, guarded, taps.rows, taps.row_inside);
    coordinates(block, form_.column, at.column, guarded, taps.columns, taps.column_inside);
    Block body;
    const Arithmetic in_body = arithmetic(body);
    std::vector<std::vector<Expr>> columns;  // transformed along the rows
    for (int j = 0; j < size_; ++j) {
      std::vector<Expr> d;
      for (int i = 0; i < size_; ++i) d.push_back(bind(body, load_input(at, frames, taps, i, j)));
      columns.push_back(transform_.input(d, in_body));
    }
    for (int i = 0; i < size_; ++i) {
      std::vector<Expr> row;
      for (const std::vector<Expr>& column : columns) row.push_back(column[static_cast<size_t>(i)]);
      row = transform_.input(row, in_body);
      for (int j = 0; j < size_; ++j) {
        std::vector<Expr> index = {ir::integer(i * size_ + j)};
        for (VarId frame : frames) index.push_back(ir::var(frame));
        index.push_back(ir::var(tile_));
        index.push_back(ir::var(form_.k.var));
        body.push_back(ir::store(stages_.v, index, row[static_cast<size_t>(j)]));
      }
    }
    block.push_back(
        loop(form_.k.var, ir::integer(0), ir::dim(form_.k.extent), std::move(body), ir::LoopKind::kVector));
    return block;
  }

  Expr load_input(const Place& at, const std::vector<VarId>& frames, const Taps& taps, int row, int column) {
    const auto i = static_cast<size_t>(row), j = static_cast<size_t>(column);
    std::vector<Expr> index = substituted(c_.a.index, at, {});
    index[form_.row.a_axis] = taps.rows[i];
    index[form_.column.a_axis] = taps.columns[j];
    for (size_t f = 0; f < frames.size(); ++f) index[form_.frame_axes[f]] = ir::var(frames[f]);
    const Expr value = ir::load(c_.a.buffer, DType::kFloat, index);
    Expr inside = taps.row_inside.empty() ? Expr() : taps.row_inside[i];
    if (!taps.column_inside.empty()) {
      inside = inside ? inside && taps.column_inside[j] : taps.column_inside[j];
    }
    return inside ? ir::select(inside, value, ir::real(0)) : value;
  }

  // ---- Product ----

  ir::Contraction product() {
    ir::Contraction c;
    const VarId element = program_.fresh_var();
    c.axes.push_back({element, size_ * size_, AxisRole::kBatch});
    for (ContractionAxis axis : form_.depth) {
      axis.role = AxisRole::kM;
      c.axes.push_back(axis);
    }
    c.axes.push_back({tile_, blocking_.tiles, AxisRole::kM});
    c.axes.push_back(form_.n);
    for (const ContractionAxis& axis : form_.windows) c.axes.push_back(axis);
    c.axes.push_back(form_.k);

    c.a = {stages_.v, {ir::var(element)}, c_.a.padded && !form_.windows.empty()};
    for (size_t axis : form_.frame_axes) c.a.index.push_back(c_.a.index[axis]);
    c.a.index.push_back(ir::var(tile_));
    c.a.index.push_back(ir::var(form_.k.var));
    c.b = c_.b;
    c.b.index[1] = ir::var(element);
    c.out = stages_.m;
    c.out_index = {ir::var(element)};
    for (const ContractionAxis& axis : form_.depth) c.out_index.push_back(ir::var(axis.var));
    c.out_index.push_back(ir::var(tile_));
    c.out_index.push_back(ir::var(form_.n.var) - ir::var(stages_.column));
    c.accumulator = program_.fresh_var();
    c.epilogue = ir::var(c.accumulator, DType::kFloat);
    c.schedule = c_.schedule;
    c.schedule.algorithm = ir::Algorithm::kGemm;
    return c;
  }

  // ---- Output ----

  Block output() {
    Block body;
    const Place at = place(body);
    Block columns;
    const Arithmetic in_columns = arithmetic(columns);
    std::vector<std::vector<Expr>> half;  // transformed along the rows
    for (int j = 0; j < size_; ++j) {
      std::vector<Expr> x;
      for (int i = 0; i < size_; ++i) x.push_back(bind(columns, load_product(i, j)));
      half.push_back(transform_.output(x, in_columns));
    }
    for (int i = 0; i < m_; ++i) {
      std::vector<Expr> row;
      for (const std::vector<Expr>& column : half) row.push_back(column[static_cast<size_t>(i)]);
      append(columns, store_row(at, i, row));
    }
    const bool even = form_.n.extent.value() % blocking_.columns == 0;
    const Expr width = even ? ir::integer(blocking_.columns) : ir::var(stages_.width);
    body.push_back(loop(lane_, ir::integer(0), width, std::move(columns), ir::LoopKind::kVector));
    Block block = {loop(tile_, ir::integer(0), tiles_of_block(), std::move(body))};
    for (size_t i = form_.depth.size(); i-- > 0;) {
      block = {loop(form_.depth[i].var, ir::integer(0), ir::dim(form_.depth[i].extent), std::move(block))};
    }
    return block;
  }

  Expr load_product(int row, int column) {
    std::vector<Expr> index = {ir::integer(row * size_ + column)};
    for (const ContractionAxis& axis : form_.depth) index.push_back(ir::var(axis.var));
    index.push_back(ir::var(tile_));
    index.push_back(ir::var(lane_));
    return ir::load(stages_.m, DType::kFloat, index);
  }

  // Outputs of the last tile may lie beyond the end.
  static Block guarded(const WinogradAxis& axis, const Expr& at, int m, Block block) {
    const Dim& extent = axis.output.extent;
    if (extent.is_constant() && extent.value() % m == 0) return block;
    return {{ir::If{at < ir::dim(extent), std::move(block)}}};
  }

  Block store_row(const Place& at, int row, const std::vector<Expr>& x) {
    Block block;
    const std::vector<Expr> y = transform_.output(x, arithmetic(block));
    const Expr out_row = at.row + ir::integer(row);
    for (int j = 0; j < m_; ++j) {
      const Expr out_column = at.column + ir::integer(j);
      const std::map<VarId, Expr> known = {{form_.row.output.var, out_row},
                                           {form_.column.output.var, out_column},
                                           {form_.n.var, ir::var(stages_.column) + ir::var(lane_)},
                                           {c_.accumulator, y[static_cast<size_t>(j)]}};
      const Expr value = substituted({c_.epilogue}, at, known)[0];
      append(block, guarded(form_.column, out_column, m_,
                            {ir::store(c_.out, substituted(c_.out_index, at, known), value)}));
    }
    return guarded(form_.row, out_row, m_, std::move(block));
  }

  std::vector<Expr> substituted(const std::vector<Expr>& exprs, const Place& at,
                                const std::map<VarId, Expr>& known) const {
    std::vector<Expr> result;
    for (const Expr& e : exprs) {
      result.push_back(ir::substitute(e, [&](VarId v) {
        for (size_t i = 0; i < form_.images.size(); ++i) {
          if (form_.images[i].var == v) return at.images[i];
        }
        const auto it = known.find(v);
        return it == known.end() ? Expr() : it->second;
      }));
    }
    return result;
  }

  ir::Program& program_;
  const ir::Contraction& c_;
  const WinogradForm& form_;
  const WinogradBlocking& blocking_;
  const WinogradTransform transform_;
  const int m_;
  const int size_;
  const VarId tile_;  // number within the block
  const VarId lane_;  // column of N within those that are computed at a time
  const bool has_fma_;
  WinogradStages stages_;
};

}  // namespace

Dim winograd_tiles(const WinogradForm& form, int64_t m) {
  Dim tiles = tiles_along(form.row, m) * tiles_along(form.column, m);
  for (const ContractionAxis& axis : form.images) tiles *= axis.extent;
  return tiles;
}

WinogradStages winograd_stages(ir::Program& program, const ir::Contraction& contraction,
                               const WinogradForm& form, const WinogradBlocking& blocking, bool has_fma) {
  return StageBuilder(program, contraction, form, blocking, has_fma).run();
}

}  // namespace dlc::passes
