#include "passes/schedule/winograd_weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "ir/kernel/lower.h"
#include "passes/schedule/constant_walk.h"
#include "passes/schedule/panels.h"
#include "passes/schedule/winograd_transform.h"

namespace dlc::passes {

using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;

namespace {

constexpr int kMaxSize = 6;
constexpr int kMaxTaps = 5;
constexpr int kColumns = static_cast<int>(kPanelColumns);

// Of the columns of one panel, numbers for a window's columns.
using TapRow = std::array<std::array<double, kColumns>, kMaxTaps>;

class WeightTransform {
 public:
  WeightTransform(const float* from, const ConstantWalk& walk, const WinogradForm& form, int m, float* to)
      : from_(from), walk_(walk), form_(form), size_(m + form.taps - 1), to_(to) {
    const WinogradTransform transform = winograd_transform(m, form.taps);
    for (size_t tap = 0; tap < static_cast<size_t>(form.taps); ++tap) {
      std::vector<double> unit(static_cast<size_t>(form.taps), 0);
      unit[tap] = 1;
      const std::vector<double> column = transform.weights(unit);
      for (size_t i = 0; i < column.size(); ++i) matrix_[i][tap] = column[i];
    }
    for (const ContractionAxis& axis : form.windows) {
      extents_.push_back(axis.extent.value());
      steps_.push_back(walk.step.at(axis.var));
    }
    extents_.push_back(form.k.extent.value());
    steps_.push_back(walk.step.at(form.k.var));
    plane_ = kColumns;
    for (int64_t extent : extents_) plane_ *= extent;
  }

  void run() {
    const int64_t n = form_.n.extent.value();
    for (int64_t first = 0; first < n; first += kColumns) {
      count_ = static_cast<int>(std::min<int64_t>(kColumns, n - first));
      walk(0, walk_.start + first * walk_.step.at(form_.n.var));
      to_ += (size_ * size_ - 1) * plane_;
    }
  }

 private:
  void walk(size_t axis, int64_t at) {
    if (axis == extents_.size()) {
      transform(at);
      to_ += kColumns;
      return;
    }
    for (int64_t i = 0; i < extents_[axis]; ++i) walk(axis + 1, at + i * steps_[axis]);
  }

  void transform(int64_t at) {
    const int64_t row_step = walk_.step.at(form_.row.tap.var);
    const int64_t column_step = walk_.step.at(form_.column.tap.var);
    const int64_t n_step = walk_.step.at(form_.n.var);
    std::array<TapRow, kMaxTaps> g = {};
    for (int r = 0; r < form_.taps; ++r) {
      for (int c = 0; c < form_.taps; ++c) {
        const float* source = from_ + at + r * row_step + c * column_step;
        for (int j = 0; j < count_; ++j) g[r][c][j] = static_cast<double>(source[j * n_step]);
      }
    }
    std::array<TapRow, kMaxSize> half = {};
    for (int i = 0; i < size_; ++i) {
      for (int c = 0; c < form_.taps; ++c) {
        for (int r = 0; r < form_.taps; ++r) add(matrix_[i][r], g[r][c], half[i][c]);
      }
    }
    for (int i = 0; i < size_; ++i) {
      for (int k = 0; k < size_; ++k) {
        std::array<double, kColumns> sum = {};
        for (int c = 0; c < form_.taps; ++c) add(matrix_[k][c], half[i][c], sum);
        float* out = to_ + (i * size_ + k) * plane_;
        for (int j = 0; j < kColumns; ++j) out[j] = static_cast<float>(sum[j]);
      }
    }
  }

  static void add(double factor, const std::array<double, kColumns>& x, std::array<double, kColumns>& sum) {
    for (int j = 0; j < kColumns; ++j) sum[j] += factor * x[j];
  }

  const float* from_;
  const ConstantWalk& walk_;
  const WinogradForm& form_;
  const int size_;
  float* to_;  // the next 16 columns of the first element
  std::array<std::array<double, kMaxTaps>, kMaxSize> matrix_ = {};
  std::vector<int64_t> extents_;  // of the windows and of k
  std::vector<int64_t> steps_;
  int64_t plane_ = 0;  // floats of one element of the transformed tile, for one panel
  int count_ = 0;      // columns of the panel at hand that exist
};

// [N / 16][S][windows...][K][16], S = (m + taps - 1)^2.
ir::Shape transformed_shape(const WinogradForm& form, int m) {
  const int size = m + form.taps - 1;
  ir::Shape shape = {ir::ceil_div(form.n.extent, Dim(kColumns)), size * size};
  for (const ContractionAxis& axis : form.windows) shape.push_back(axis.extent);
  shape.push_back(form.k.extent);
  shape.push_back(kColumns);
  return shape;
}

// The kernel that transforms weights which only the run knows.
class TransformKernel {
 public:
  TransformKernel(ir::Program& program, const ir::Contraction& c, const WinogradForm& form, int m)
      : program_(program),
        c_(c),
        form_(form),
        transform_(winograd_transform(m, form.taps)),
        shape_(transformed_shape(form, m)) {
    shape_.erase(shape_.begin() + 1);
    for (size_t i = 0; i < shape_.size(); ++i) vars_.push_back(program.fresh_var());
  }

  ir::Kernel build(ir::BufferId to) {
    const Expr panel = ir::var(vars_.front()), lane = ir::var(vars_.back());
    const Expr n = panel * ir::integer(kColumns) + lane;
    std::map<ir::VarId, Expr> known = {{form_.n.var, n}, {form_.k.var, ir::var(vars_[vars_.size() - 2])}};
    for (size_t i = 0; i < form_.windows.size(); ++i) {
      known[form_.windows[i].var] = ir::var(vars_[1 + i]);
    }
    if (form_.n.extent.value() % kColumns != 0) inside_ = n < ir::dim(form_.n.extent);
    std::vector<std::vector<Expr>> half;  // transformed along the rows
    for (int column = 0; column < form_.taps; ++column) {
      std::vector<Expr> g;
      for (int row = 0; row < form_.taps; ++row) g.push_back(tap(known, row, column));
      half.push_back(transformed(g));
    }
    for (int i = 0; i < transform_.size(); ++i) {
      std::vector<Expr> g;
      for (const std::vector<Expr>& column : half) g.push_back(column[static_cast<size_t>(i)]);
      const std::vector<Expr> row = transformed(g);
      for (int j = 0; j < transform_.size(); ++j) {
        std::vector<Expr> index = {panel, ir::integer(i * transform_.size() + j)};
        for (size_t v = 1; v < vars_.size(); ++v) index.push_back(ir::var(vars_[v]));
        body_.push_back(ir::store(to, index, row[static_cast<size_t>(j)]));
      }
    }
    return {"transform", "", ir::LoopNest{ir::nest(vars_, shape_, vars_.size(), std::move(body_))}};
  }

 private:
  Expr bind(const Expr& value) {
    const ir::VarId id = program_.fresh_var();
    body_.push_back(ir::let(id, value));
    return ir::var(id, value.type());
  }

  Expr tap(std::map<ir::VarId, Expr>& known, int row, int column) {
    known[form_.row.tap.var] = ir::integer(row);
    known[form_.column.tap.var] = ir::integer(column);
    std::vector<Expr> index;
    for (const Expr& e : c_.b.index) {
      // What is left has an extent of one.
      index.push_back(ir::substitute(e, [&](ir::VarId v) {
        const auto it = known.find(v);
        return it == known.end() ? ir::integer(0) : it->second;
      }));
    }
    const Expr value = ir::load(c_.b.buffer, DType::kFloat, index);
    return bind(inside_ ? ir::select(inside_, value, ir::real(0)) : value);
  }

  std::vector<Expr> transformed(const std::vector<Expr>& g) {
    // Which processor runs this is not known here.
    constexpr bool kHasFma = false;
    return transform_.weights(g, {[this](const Expr& value) { return bind(value); }, kHasFma});
  }

  ir::Program& program_;
  const ir::Contraction& c_;
  const WinogradForm& form_;
  const WinogradTransform transform_;
  ir::Shape shape_;  // of the loops
  std::vector<ir::VarId> vars_;
  Expr inside_;
  ir::Block body_;
};

}  // namespace

bool has_constant_weights(const ir::Program& program, const ir::Contraction& contraction) {
  return constant_walk(program, contraction).has_value();
}

int64_t winograd_weight_bytes(const WinogradForm& form, int m) {
  return byte_size(DType::kFloat, ir::product(transformed_shape(form, m)).value());
}

std::vector<ir::Kernel> schedule_winograd(ir::Program& program, ir::Contraction& c, const WinogradForm& form,
                                          int m) {
  ir::Buffer buffer;
  buffer.name = program.buffer(c.b.buffer).name + ".winograd";
  buffer.dtype = DType::kFloat;
  buffer.shape = transformed_shape(form, m);
  std::vector<ir::Kernel> kernels;
  const std::optional<ConstantWalk> walk = constant_walk(program, c);
  if (walk) {
    const ir::Buffer& source = program.buffer(ir::root_of(program, c.b.buffer));
    buffer.kind = ir::BufferKind::kConstant;
    buffer.constant = Tensor(DType::kFloat, ir::static_shape(buffer.shape));
    WeightTransform(source.constant.as<float>(), *walk, form, m, buffer.constant.mutable_as<float>()).run();
  }
  const ir::BufferId transformed = program.add_buffer(std::move(buffer));
  if (!walk) kernels.push_back(TransformKernel(program, c, form, m).build(transformed));
  const Expr n = ir::var(form.n.var);
  c.b.index = {ir::binary(ir::ExprOp::kFloorDiv, n, ir::integer(kColumns)), ir::integer(0)};
  for (const ContractionAxis& axis : form.windows) c.b.index.push_back(ir::var(axis.var));
  c.b.index.push_back(ir::var(form.k.var));
  c.b.index.push_back(ir::binary(ir::ExprOp::kMod, n, ir::integer(kColumns)));
  c.b.buffer = transformed;
  c.schedule.algorithm = ir::Algorithm::kWinograd;
  c.schedule.panel = kColumns;
  c.schedule.b_packed = true;
  c.schedule.winograd_tile = m;
  return kernels;
}

}  // namespace dlc::passes
