// Depthwise convolutions, and those of small groups of channels: tiles of columns x channels in registers.
// Every input vector that a row of taps needs is loaded once and added to all columns that it belongs to.
// Taps beyond the border are left out: at compile time where the columns are known, else input columns
// outside read zeros.
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <bit>

#include "codegen/accumulate.h"
#include "codegen/emit_kernel.h"
#include "passes/schedule/depthwise_form.h"
#include "passes/schedule/tap_range.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::ContractionAxis;
using ir::Dim;
using ir::Expr;

namespace {

constexpr int64_t kFewRows = 16;       // rows below which channels are shared out to tasks, too
constexpr size_t kMaxBorderTiles = 6;  // that get code of their own

// Columns [first, first + count) of one row.
struct Columns {
  llvm::Value* first;
  int count;
  std::optional<int64_t> position = {};  // of `first`, if it is known
  bool guarded = false;                  // some taps may lie outside, and `position` is not known
};

// Channels [first, first + vectors * width).
struct Channels {
  llvm::Value* first;
  int vectors;
  int width;
  llvm::Value* mask = nullptr;
  llvm::Value* count = nullptr;  // of active lanes, where there is a mask
};

class DepthwiseEmitter {
 public:
  DepthwiseEmitter(KernelEmitter& emitter, const ir::Contraction& contraction,
                   const passes::DepthwiseForm& form)
      : emitter_(emitter), builder_(emitter.builder), c_(contraction), form_(form) {
    const Target& target = emitter.target;
    lanes_ = target.vector_bits / bit_width(c_.accumulator_type);
    taps_ = static_cast<int>(form.tap.extent.value());
    // The weights of a row of taps, one input vector and the accumulators fit the registers.
    const int free = std::max(4, target.vector_registers - taps_ - 2);
    const int most = std::min(free, target.vector_registers >= 32 ? 14 : 8);
    columns_ = most;
    if (form.column.extent.is_constant()) {
      const int64_t width = std::max<int64_t>(1, form.column.extent.value());
      const int64_t tiles = (width + most - 1) / most;
      columns_ = static_cast<int>((width + tiles - 1) / tiles);
    }
    const bool even = form.channel.extent.is_constant() && form.channel.extent.value() % (2 * lanes_) == 0;
    if (form.groups) {
      // Input vectors stay in registers for all inputs of a group.
      columns_ = std::clamp((target.vector_registers - taps_ - 3) / 2, 2, columns_);
    } else if (even && 2 * (columns_ + taps_) + 2 <= target.vector_registers) {
      vectors_ = 2;
    }
  }

  void run() {
    const int64_t chunk = channel_chunk();
    std::vector<Dim> extents;
    Dim work = form_.channel.extent * form_.column.extent * form_.tap.extent * Dim(inputs());
    for (const ContractionAxis& axis : form_.outer) extents.push_back(axis.extent);
    for (const Dim& extent : extents) work *= extent;
    for (const ContractionAxis& axis : form_.windows) work *= axis.extent;
    extents.push_back(ir::ceil_div(form_.channel.extent, Dim(chunk)));
    emitter_.signature.task_count = ir::product(extents);
    emitter_.signature.work = ir::floor_div(work, Dim(16)) + Dim(1);
    for (const ContractionAxis& axis : c_.axes) {
      if (axis.extent == Dim(1)) emitter_.vars[axis.var] = emitter_.index(0);
    }
    llvm::Function* function = builder_.GetInsertBlock()->getParent();
    emit_for(builder_, function->getArg(2), function->getArg(3), emitter_.index(1), "task",
             [&](llvm::Value* task) {
               std::vector<llvm::Value*> at = unflatten(emitter_, task, extents);
               for (size_t i = 0; i < form_.outer.size(); ++i) emitter_.vars[form_.outer[i].var] = at[i];
               llvm::Value* begin = builder_.CreateMul(at.back(), emitter_.index(chunk));
               llvm::Value* end = emitter_.smaller(builder_.CreateAdd(begin, emitter_.index(chunk)),
                                                   emitter_.dim(form_.channel.extent));
               row(begin, end);
             });
  }

 private:
  // Lanes of a vector that are channels: where there are groups, all channels of as many as fit.
  int active_lanes() const {
    if (!form_.groups || form_.groups->outputs % lanes_ == 0) return lanes_;
    const int outputs = static_cast<int>(form_.groups->outputs);
    return lanes_ / outputs * outputs;
  }
  bool has_masks() const {
    const Target& target = emitter_.target;
    return (target.has_masks || target.isa == Isa::kX86V3) && bit_width(c_.accumulator_type) >= 32;
  }
  // Whether vectors can hold the channels at all.
  bool is_vector() const { return active_lanes() == lanes_ || (active_lanes() > 0 && has_masks()); }
  int64_t channel_step() const { return is_vector() ? static_cast<int64_t>(vectors_) * active_lanes() : 1; }

  // Channels of one task, a multiple of the vectors of a tile.
  int64_t channel_chunk() const {
    Dim rows = 1;
    for (const ContractionAxis& axis : form_.outer) rows *= axis.extent;
    const int64_t step = channel_step();
    const int64_t whole = int64_t{1} << 40;
    if (!rows.is_constant() || !form_.channel.extent.is_constant() || rows.value() >= kFewRows) return whole;
    const int64_t pieces = (kFewRows + rows.value() - 1) / std::max<int64_t>(1, rows.value());
    const int64_t chunk = (form_.channel.extent.value() + pieces - 1) / pieces;
    return std::max(step, (chunk + step - 1) / step * step);
  }

  // ---- Tiles of one row ----

  bool is_inside(int64_t first, int64_t count) const {
    const Dim& extent = emitter_.program.buffer(c_.a.buffer).shape[form_.column_axis];
    const int64_t low = first * form_.stride + form_.offset;
    const int64_t high = (first + count - 1) * form_.stride + (taps_ - 1) * form_.dilation + form_.offset;
    return !c_.a.padded || (low >= 0 && extent.is_constant() && high < extent.value());
  }

  void row(llvm::Value* begin, llvm::Value* end) {
    const Dim& width = form_.column.extent;
    const Dim& input = emitter_.program.buffer(c_.a.buffer).shape[form_.column_axis];
    if (!width.is_constant() || (c_.a.padded && !input.is_constant()) || border_tiles() > kMaxBorderTiles) {
      row_of_unknown_width(begin, end);
      return;
    }
    for (int64_t x = 0; x < width.value();) {
      const int count = static_cast<int>(std::min<int64_t>(columns_, width.value() - x));
      int64_t same = x + count;  // the end of a run of tiles that are inside
      while (is_inside(x, count) && count == columns_ && same + count <= width.value() &&
             is_inside(same, count)) {
        same += count;
      }
      if (same == x + count) {
        channels(begin, end, {emitter_.index(x), count, x});
      } else {
        emit_for(builder_, emitter_.index(x), emitter_.index(same), emitter_.index(count), "columns",
                 [&](llvm::Value* i) {
                   channels(begin, end, {i, count});
                 });
      }
      x = same;
    }
  }

  size_t border_tiles() const {
    size_t tiles = 0;
    const int64_t width = form_.column.extent.value();
    for (int64_t x = 0; x < width && tiles <= kMaxBorderTiles; x += columns_) {
      const int64_t count = std::min<int64_t>(columns_, width - x);
      if (count < columns_ || !is_inside(x, count)) ++tiles;
    }
    return tiles;
  }

  void row_of_unknown_width(llvm::Value* begin, llvm::Value* end) {
    llvm::Value* width = emitter_.dim(form_.column.extent);
    llvm::Value* step = emitter_.index(columns_);
    llvm::Value* whole = builder_.CreateSub(width, builder_.CreateSRem(width, step));
    emit_for(builder_, emitter_.index(0), whole, step, "columns", [&](llvm::Value* i) {
      if (!c_.a.padded) {
        channels(begin, end, {i, columns_});
        return;
      }
      llvm::Value* input = emitter_.dim(emitter_.program.buffer(c_.a.buffer).shape[form_.column_axis]);
      llvm::Value* low = position(i, 0);
      const int64_t reach = (columns_ - 1) * form_.stride + (taps_ - 1) * form_.dilation;
      llvm::Value* inside =
          builder_.CreateAnd(builder_.CreateICmpSGE(low, emitter_.index(0)),
                             builder_.CreateICmpSLT(builder_.CreateAdd(low, emitter_.index(reach)), input));
      emit_if(builder_, inside, "inside", [&] { channels(begin, end, {i, columns_}); });
      emit_if(builder_, builder_.CreateNot(inside), "border", [&] {
        channels(begin, end, {i, columns_, {}, true});
      });
    });
    emit_for(builder_, whole, width, emitter_.index(1), "column", [&](llvm::Value* i) {
      channels(begin, end, {i, 1, {}, c_.a.padded});
    });
  }

  // ---- Channels of one tile of columns ----

  void channels(llvm::Value* begin, llvm::Value* end, const Columns& columns) {
    llvm::Value* at = begin;
    if (is_vector()) {
      llvm::Value* step = emitter_.index(channel_step());
      at = builder_.CreateSub(end, builder_.CreateSRem(builder_.CreateSub(end, begin), step));
      emit_for(builder_, begin, at, step, "channels",
               [&](llvm::Value* i) { tile(columns, vectors_of(i, active_lanes(), vectors_)); });
      if (form_.channel.extent.is_constant() && form_.channel.extent.value() % channel_step() == 0) return;
    }
    if (!is_vector() || !has_masks()) {
      emit_for(builder_, at, end, emitter_.index(1), "channel", [&](llvm::Value* i) {
        tile(columns, {i, 1, 1});
      });
      return;
    }
    emit_if(builder_, builder_.CreateICmpSLT(at, end), "rest", [&] {
      llvm::Value* count = builder_.CreateSub(end, at);
      tile(columns, {at, 1, lanes_, lanes_below(emitter_, count, lanes_), count});
    });
  }

  Channels vectors_of(llvm::Value* first, int active, int vectors) {
    if (active == lanes_) return {first, vectors, lanes_};
    llvm::Value* count = emitter_.index(active);
    return {first, vectors, lanes_, lanes_below(emitter_, count, lanes_), count};
  }

  // ---- One tile ----

  void tile(const Columns& columns, const Channels& channels) {
    llvm::Type* type = emitter_.scalar_type(c_.accumulator_type);
    if (channels.width > 1) type = llvm::FixedVectorType::get(type, static_cast<unsigned>(channels.width));
    accumulators_.assign(static_cast<size_t>(columns.count * channels.vectors), nullptr);
    for (llvm::AllocaInst*& slot : accumulators_) {
      slot = emitter_.slot(type, "acc");
      builder_.CreateStore(llvm::Constant::getNullValue(type), slot);
    }
    sum_windows(0, columns, channels);
    finish(columns, channels);
  }

  void sum_windows(size_t depth, const Columns& columns, const Channels& channels) {
    if (depth == form_.windows.size()) {
      sum_taps(columns, channels);
      return;
    }
    const ContractionAxis& axis = form_.windows[depth];
    passes::TapRange range{ir::integer(0), ir::dim(axis.extent)};
    if (c_.a.padded) range = passes::tap_range(emitter_.program, c_, axis).value();
    emit_for(builder_, emitter_.emit_scalar(range.begin), emitter_.emit_scalar(range.end), emitter_.index(1),
             "tap", [&](llvm::Value* i) {
               emitter_.vars[axis.var] = i;
               sum_windows(depth + 1, columns, channels);
             });
  }

  // Input column that tap `tap` of output column `column` reads.
  llvm::Value* position(llvm::Value* column, int64_t distance) {
    return builder_.CreateAdd(builder_.CreateMul(column, emitter_.index(form_.stride)),
                              emitter_.index(form_.offset + distance));
  }

  // Input channels that an output channel depends on.
  int inputs() const { return form_.groups ? static_cast<int>(form_.groups->inputs) : 1; }

  // Sets the channel variables to the channel `first`; returns the first lane.
  llvm::Value* place_channel(llvm::Value* first) {
    llvm::Value* lane = first;
    if (form_.groups) {
      llvm::Value* outputs = emitter_.index(form_.groups->outputs);
      emitter_.vars[form_.groups->group.var] = builder_.CreateUDiv(first, outputs);
      lane = builder_.CreateURem(first, outputs);
    }
    emitter_.vars[form_.channel.var] = lane;
    return lane;
  }

  void sum_taps(const Columns& columns, const Channels& channels) {
    place_channel(channels.first);
    const int64_t reach = (columns.count - 1) * form_.stride + (taps_ - 1) * form_.dilation;
    for (input_ = 0; input_ < inputs(); ++input_) {
      if (form_.groups && form_.groups->k) emitter_.vars[form_.groups->k->var] = emitter_.index(input_);
      std::vector<std::vector<llvm::Value*>> weights;
      for (int t = 0; t < taps_; ++t) weights.push_back(load_weights(t, channels));
      if (form_.groups && form_.groups->k) emitter_.vars[form_.groups->k->var] = emitter_.index(0);
      emitter_.vars[form_.tap.var] = emitter_.index(0);
      emitter_.vars[form_.column.var] = columns.first;
      llvm::Value* base = emitter_.address(c_.a.buffer, c_.a.index);
      for (int64_t distance = 0; distance <= reach; ++distance)
        add_column(base, distance, columns, channels, weights);
    }
  }

  std::vector<llvm::Value*> load_weights(int tap, const Channels& channels) {
    emitter_.vars[form_.tap.var] = emitter_.index(tap);
    llvm::Value* pointer = emitter_.address(c_.b.buffer, c_.b.index);
    std::vector<llvm::Value*> vectors;
    for (int v = 0; v < channels.vectors; ++v) vectors.push_back(load(c_.b.buffer, pointer, v, channels));
    return vectors;
  }

  // Input number `input_` of the group of each lane, from the inputs of all groups of the vector side by
  // side.
  llvm::Value* load_group(llvm::Value* pointer, const Channels& channels) {
    const int outputs = static_cast<int>(form_.groups->outputs);
    const DType dtype = emitter_.program.buffer(c_.a.buffer).dtype;
    if (channels.width <= outputs) {
      llvm::Value* at = builder_.CreateGEP(emitter_.memory_type(dtype), pointer, emitter_.index(input_));
      llvm::Value* value = load(c_.a.buffer, at, 0, {channels.first, 1, 1});
      if (channels.width == 1) return value;
      return builder_.CreateVectorSplat(static_cast<unsigned>(channels.width), value);
    }
    const int given = channels.width / outputs * inputs();
    const int width = static_cast<int>(std::bit_ceil(static_cast<unsigned>(given)));
    Channels group{channels.first, 1, width};
    if (channels.mask) {
      llvm::Value* count = builder_.CreateUDiv(channels.count, emitter_.index(outputs));
      group.mask = lanes_below(emitter_, builder_.CreateMul(count, emitter_.index(inputs())), width);
    }
    std::vector<int> lanes;
    for (int lane = 0; lane < channels.width; ++lane)
      lanes.push_back(std::min(lane / outputs * inputs() + input_, width - 1));
    return builder_.CreateShuffleVector(load(c_.a.buffer, pointer, 0, group), lanes);
  }

  llvm::Value* load(ir::BufferId buffer, llvm::Value* pointer, int vector, const Channels& channels) {
    const DType dtype = emitter_.program.buffer(buffer).dtype;
    llvm::Type* element = emitter_.memory_type(dtype);
    const llvm::Align align(static_cast<uint64_t>(bit_width(dtype)) / 8);
    pointer = builder_.CreateGEP(element, pointer, emitter_.index(vector * channels.width));
    llvm::Type* type = element;
    if (channels.width > 1) type = llvm::FixedVectorType::get(element, static_cast<unsigned>(channels.width));
    llvm::Value* value = nullptr;
    if (channels.mask) {
      value =
          builder_.CreateMaskedLoad(type, pointer, align, channels.mask, llvm::Constant::getNullValue(type));
    } else {
      value = builder_.CreateAlignedLoad(type, pointer, align);
    }
    return emitter_.convert(value, dtype, c_.accumulator_type);
  }

  // Adds the input column `distance` right of the first one to all outputs that have a tap there.
  void add_column(llvm::Value* base, int64_t distance, const Columns& columns, const Channels& channels,
                  const std::vector<std::vector<llvm::Value*>>& weights) {
    std::vector<std::pair<int, int>> uses;  // (column, tap)
    for (int t = 0; t < taps_; ++t) {
      const int64_t rest = distance - t * form_.dilation;
      if (rest >= 0 && rest % form_.stride == 0 && rest / form_.stride < columns.count) {
        uses.emplace_back(static_cast<int>(rest / form_.stride), t);
      }
    }
    if (uses.empty()) return;
    const Dim& extent = emitter_.program.buffer(c_.a.buffer).shape[form_.column_axis];
    if (columns.position && c_.a.padded) {
      const int64_t x = *columns.position * form_.stride + form_.offset + distance;
      if (x < 0 || x >= extent.value()) return;
    }
    const ir::Strides strides = ir::strides_of(emitter_.program, c_.a.buffer).value();
    llvm::Value* step = emitter_.dim(strides.strides[form_.column_axis] * Dim(distance));
    llvm::Value* pointer =
        builder_.CreateGEP(emitter_.memory_type(emitter_.program.buffer(c_.a.buffer).dtype), base, step);
    llvm::Value* inside = nullptr;
    if (columns.guarded) {
      inside = builder_.CreateICmpULT(position(columns.first, distance), emitter_.dim(extent));
    }
    for (int v = 0; v < channels.vectors; ++v) {
      llvm::Value* from = inside ? builder_.CreateSelect(inside, pointer, zeros(v, channels)) : pointer;
      llvm::Value* loaded = form_.groups ? load_group(from, channels) : load(c_.a.buffer, from, v, channels);
      llvm::Value* value = without_zero_point(loaded, inside);
      for (auto [column, tap] : uses) {
        llvm::AllocaInst* slot = accumulators_[static_cast<size_t>(column * channels.vectors + v)];
        llvm::Value* sum = builder_.CreateLoad(slot->getAllocatedType(), slot);
        llvm::Value* weight = weights[static_cast<size_t>(tap)][static_cast<size_t>(v)];
        builder_.CreateStore(multiply_add(emitter_, value, weight, sum), slot);
      }
    }
  }

  // Elements of A in the accumulator's type; those outside count as zero points.
  llvm::Value* without_zero_point(llvm::Value* value, llvm::Value* inside) {
    if (!c_.a.zero_point) return value;
    llvm::Value* zero = emitter_.emit_scalar(ir::cast(c_.a.zero_point, c_.accumulator_type));
    if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType()))
      zero = builder_.CreateVectorSplat(vector->getNumElements(), zero);
    value =
        is_float(c_.accumulator_type) ? builder_.CreateFSub(value, zero) : builder_.CreateSub(value, zero);
    if (!inside) return value;
    return builder_.CreateSelect(inside, value, llvm::Constant::getNullValue(value->getType()));
  }

  // Where a load of vector `vector` finds zeros.
  llvm::Value* zeros(int vector, const Channels& channels) {
    llvm::Type* element = emitter_.memory_type(emitter_.program.buffer(c_.a.buffer).dtype);
    return builder_.CreateGEP(element, emitter_.zeros(), emitter_.index(-vector * channels.width));
  }

  void finish(const Columns& columns, const Channels& channels) {
    for (int column = 0; column < columns.count; ++column) {
      emitter_.vars[form_.column.var] = builder_.CreateAdd(columns.first, emitter_.index(column));
      for (int v = 0; v < channels.vectors; ++v) {
        llvm::Value* first =
            place_channel(builder_.CreateAdd(channels.first, emitter_.index(v * channels.width)));
        emitter_.vars.erase(form_.channel.var);
        emitter_.lanes = {form_.channel.var, channels.width, first, channels.mask};
        llvm::AllocaInst* slot = accumulators_[static_cast<size_t>(column * channels.vectors + v)];
        emitter_.vars[c_.accumulator] = builder_.CreateLoad(slot->getAllocatedType(), slot);
        emitter_.store(c_.out, c_.out_index, emitter_.emit_vector(c_.epilogue));
        emitter_.lanes = {};
      }
    }
  }

  KernelEmitter& emitter_;
  llvm::IRBuilder<>& builder_;
  const ir::Contraction& c_;
  const passes::DepthwiseForm& form_;
  int lanes_ = 8;
  int taps_ = 1;
  int input_ = 0;                                // of the groups, at hand
  int columns_ = 1;                              // of the main tile
  int vectors_ = 1;                              // of channels in the main tile
  std::vector<llvm::AllocaInst*> accumulators_;  // columns x vectors of the tile at hand
};

}  // namespace

void emit_depthwise(KernelEmitter& emitter, const ir::Contraction& contraction) {
  std::optional<passes::DepthwiseForm> form = passes::depthwise_form(emitter.program, contraction);
  check(form.has_value(), "a contraction with the form of a depthwise convolution");
  DepthwiseEmitter(emitter, contraction, *form).run();
}

}  // namespace dlc::codegen
