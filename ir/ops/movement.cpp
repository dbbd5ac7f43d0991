// Operators that put elements elsewhere: transpositions, concatenation, splitting, tiling, blocks.
#include "ir/ops/movement.h"

#include <algorithm>
#include <numeric>

#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/view_util.h"

namespace dlc::ir {
namespace {

// ---- Transpose

std::vector<int> permutation(const Node& node, size_t rank) {
  std::vector<int> perm(rank);
  std::iota(perm.rbegin(), perm.rend(), 0);
  if (node.has("perm")) {
    const auto& given = node.attribute<std::vector<int64_t>>("perm");
    perm.assign(given.begin(), given.end());
  }
  return perm;
}

void infer_transpose(InferContext& context) {
  const Shape& shape = context.shape(0);
  std::vector<int> perm = permutation(context.node(), shape.size());
  std::vector<int> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool valid = sorted.size() == shape.size();
  for (size_t i = 0; valid && i < sorted.size(); ++i) valid = sorted[i] == static_cast<int>(i);
  if (!valid)
    context.fail("perm: expected a permutation of {} axes, found [{}]", shape.size(), fmt::join(perm, ", "));
  Shape result;
  for (int axis : perm) result.push_back(shape[static_cast<size_t>(axis)]);
  context.set_output(0, Type(context.dtype(0), std::move(result)));
  if (shape.size() > 1) return;
  if (auto value = context.shape_value(0)) propagate(context, 0, std::move(*value));
}

void lower_transpose(LowerContext& context) {
  View view{context.input(0), ViewKind::kPermute};
  view.perm = permutation(context.node(), context.input_shape(0).size());
  context.view_output(0, std::move(view));
}

// ---- Concat

void infer_concat(InferContext& context) {
  size_t count = context.node().inputs().size();
  Shape shape = context.shape(0);
  int64_t axis = context.normalize_axis(context.node().attribute<int64_t>("axis"), context.rank(0));
  for (size_t k = 1; k < count; ++k) {
    require_rank(context, k, context.rank(0));
    if (context.dtype(k) != context.dtype(0)) {
      context.fail("input {}: expected {} like input 0, found {}", k, name(context.dtype(0)),
                   name(context.dtype(k)));
    }
    for (size_t i = 0; i < shape.size(); ++i) {
      const Dim& extent = context.shape(k)[i];
      if (static_cast<int64_t>(i) == axis) {
        shape[i] += extent;
      } else {
        require_equal_extents(context, shape[i], extent, fmt::format("axis {} of input {}", i, k));
        if (extent.is_constant()) shape[i] = extent;
      }
    }
  }
  bool vector = shape.size() == 1;
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
  if (!vector) return;
  std::vector<Dim> all;
  for (size_t k = 0; k < count; ++k) {
    auto value = context.shape_value(k);
    if (!value) return;
    all.insert(all.end(), value->begin(), value->end());
  }
  propagate(context, 0, std::move(all));
}

void lower_concat(LowerContext& context) {
  if (lower_shape_value(context)) return;
  size_t count = context.node().inputs().size();
  if (count == 1) return context.alias_output(0, context.input(0));
  const Shape& shape = context.output_shape();
  size_t axis = axis_attribute(context.node(), "axis", 0, shape.size());
  Dim start = 0;
  for (size_t k = 0; k < count; ++k) {
    const Shape& piece = context.input_shape(k);
    for (size_t i = 0; i < shape.size(); ++i) {
      if (i != axis) check_equal(context, piece[i], shape[i], fmt::format("axis {} of input {}", i, k));
    }
    if (!(piece[axis] == Dim(0))) {
      BufferId part = slice_axis(context, context.output(), axis, start, piece[axis], "part");
      copy(context, part, context.input(k), "concat");
    }
    start += piece[axis];
  }
}

// ---- Split

std::vector<Dim> equal_parts(const Dim& extent, size_t count) {
  Dim chunk = ceil_div(extent, Dim(static_cast<int64_t>(count)));
  std::vector<Dim> parts(count, chunk);
  parts.back() = extent - chunk * Dim(static_cast<int64_t>(count) - 1);
  return parts;
}

void infer_split(InferContext& context) {
  const Shape& shape = context.shape(0);
  int64_t axis = context.normalize_axis(context.node().attribute<int64_t>("axis", 0), context.rank(0));
  size_t count = context.node().outputs().size();
  if (context.has_input(1)) require_rank(context, 1, 1);
  const Dim& extent = shape[static_cast<size_t>(axis)];
  std::vector<Dim> parts;
  if (!context.has_input(1)) {
    parts = equal_parts(extent, count);
    if (parts.back().is_constant() && parts.back().value() < 0) {
      context.fail("cannot split {} elements into {} parts", extent.to_string(), count);
    }
  } else if (auto known = context.shape_value(1)) {
    parts = std::move(*known);
    Dim sum = std::accumulate(parts.begin(), parts.end(), Dim(0));
    if (parts.size() != count) context.fail("split: expected {} elements, found {}", count, parts.size());
    require_equal_extents(context, sum, extent, "sum of the parts");
  } else {
    require_equal_extents(context, context.shape(1)[0], Dim(static_cast<int64_t>(count)), "length of split");
    for (size_t i = 0; i < count; ++i) parts.push_back(context.fresh_symbol("split", {extent}));
  }
  auto value = shape.size() == 1 ? context.shape_value(0) : std::nullopt;
  size_t start = 0;
  for (size_t i = 0; i < count; ++i) {
    Shape result = shape;
    result[static_cast<size_t>(axis)] = parts[i];
    context.set_output(i, Type(context.dtype(0), std::move(result)));
    if (!value || !parts[i].is_constant()) continue;
    size_t end = std::min(value->size(), start + static_cast<size_t>(parts[i].value()));
    propagate(context, i,
              {value->begin() + static_cast<ptrdiff_t>(start), value->begin() + static_cast<ptrdiff_t>(end)});
    start = end;
  }
}

void lower_split(LowerContext& context) {
  const Shape& shape = context.input_shape(0);
  size_t axis = axis_attribute(context.node(), "axis", 0, shape.size());
  bool known = !context.has_input(1) || known_values(context.node().input(1));
  if (!known) {
    const Dim count = static_cast<int64_t>(context.node().outputs().size());
    check_equal(context, context.input_shape(1)[0], count, "length of split");
  }
  Dim start = 0;
  for (size_t i = 0; i < context.node().outputs().size(); ++i) {
    if (!known)
      bind_extents(context, i, {{axis, context.at_input(1, {integer(static_cast<int64_t>(i))})}}, "split");
    View view{context.input(0), ViewKind::kSlice};
    view.start.assign(shape.size(), 0);
    view.step.assign(shape.size(), 1);
    view.start[axis] = start;
    start += context.output_shape(i)[axis];
    context.view_output(i, std::move(view));
  }
  check_equal(context, start, shape[axis], "sum of the parts");
}

void upgrade_split_13(Graph& graph, Node& node, int) { ints_attribute_to_input(graph, node, "split", 1); }

void upgrade_split_18(Graph&, Node& node, int) {
  if (node.input(1) == nullptr)
    node.set_attribute("num_outputs", static_cast<int64_t>(node.outputs().size()));
}

// ---- Tile

void infer_tile(InferContext& context) {
  const Shape& shape = context.shape(0);
  require_rank(context, 1, 1);
  require_equal_extents(context, context.shape(1)[0], Dim(context.rank(0)), "length of repeats");
  Shape result = shape;
  auto repeats = context.shape_value(1);
  for (size_t i = 0; repeats && i < shape.size(); ++i) {
    const Dim& count = (*repeats)[i];
    if (count.is_constant() && count.value() < 0)
      context.fail("repeats: expected numbers that are not negative, found {}", count.value());
  }
  for (size_t i = 0; i < shape.size(); ++i)
    result[i] = repeats ? shape[i] * (*repeats)[i] : context.fresh_symbol("tile");
  context.set_output(0, Type(context.dtype(0), result));
  auto value = context.shape_value(0);
  if (shape.size() != 1 || !value || !repeats || !repeats->front().is_constant()) return;
  if (repeats->front().value() * static_cast<int64_t>(value->size()) > static_cast<int64_t>(kMaxShapeValue))
    return;
  std::vector<Dim> tiled;
  for (int64_t i = 0; i < repeats->front().value(); ++i)
    tiled.insert(tiled.end(), value->begin(), value->end());
  propagate(context, 0, std::move(tiled));
}

std::vector<Dim> tile_repeats(LowerContext& context) {
  if (auto known = known_values(context.node().input(1))) return *known;
  const Dim rank = static_cast<int64_t>(context.input_shape(0).size());
  check_equal(context, context.input_shape(1)[0], rank, "length of repeats");
  std::vector<Dim> repeats;
  std::vector<RuntimeExtent> extents;
  for (size_t i = 0; i < context.input_shape(0).size(); ++i) {
    Expr value = context.at_input(1, {integer(static_cast<int64_t>(i))});
    repeats.push_back(bind_number(context, value, 0, INT64_MAX, "repeats"));
    extents.push_back({i, dim(repeats[i] * context.input_shape(0)[i])});
  }
  bind_extents(context, 0, extents, "repeated extent");
  return repeats;
}

void lower_tile(LowerContext& context) {
  if (lower_shape_value(context)) return;
  const Shape& from = context.input_shape(0);
  std::vector<Dim> repeats = tile_repeats(context);
  bool expands = true;
  Shape split;
  for (size_t i = 0; i < from.size(); ++i) {
    expands = expands && (from[i] == Dim(1) || repeats[i] == Dim(1));
    split.push_back(repeats[i]);
    split.push_back(from[i]);
  }
  if (expands) return context.view_output(0, View{context.input(0), ViewKind::kExpand});
  BufferId blocks = context.reshaped(context.output(), split, "tiles");
  auto element = [&](const Index& index) {
    Index inner;
    for (size_t i = 1; i < index.size(); i += 2) inner.push_back(index[i]);
    return context.at_input(0, std::move(inner));
  };
  context.map(blocks, element, "tile");
}

// ---- DepthToSpace, SpaceToDepth

bool depth_first(const Node& node) { return node.attribute<std::string>("mode", "DCR") == "DCR"; }

int64_t block_size(InferContext& context) {
  require_rank(context, 0, 4);
  int64_t size = context.node().attribute<int64_t>("blocksize");
  if (size <= 0) context.fail("blocksize: expected 1 or more, found {}", size);
  return size;
}

void require_multiple(InferContext& context, const Dim& extent, int64_t factor) {
  if (extent.is_constant() && extent.value() % factor != 0) {
    context.fail("cannot divide extent {} into blocks of {}", extent.value(), factor);
  }
}

void infer_depth_to_space(InferContext& context) {
  int64_t size = block_size(context);
  const Shape& shape = context.shape(0);
  require_multiple(context, shape[1], size * size);
  context.set_output(0, Type(context.dtype(0), {shape[0], floor_div(shape[1], size * size),
                                                shape[2] * Dim(size), shape[3] * Dim(size)}));
}

void infer_space_to_depth(InferContext& context) {
  int64_t size = block_size(context);
  const Shape& shape = context.shape(0);
  require_multiple(context, shape[2], size);
  require_multiple(context, shape[3], size);
  context.set_output(0, Type(context.dtype(0), {shape[0], shape[1] * Dim(size * size),
                                                floor_div(shape[2], size), floor_div(shape[3], size)}));
}

void lower_depth_to_space(LowerContext& context) {
  Dim size = context.node().attribute<int64_t>("blocksize");
  const Shape& in = context.input_shape(0);
  const Shape& out = context.output_shape();
  check_equal(context, in[1], out[1] * size * size, "channels in whole blocks");
  bool dcr = depth_first(context.node());
  Shape split =
      dcr ? Shape{in[0], size, size, out[1], in[2], in[3]} : Shape{in[0], out[1], size, size, in[2], in[3]};
  std::vector<int> perm = dcr ? std::vector<int>{0, 3, 4, 1, 5, 2} : std::vector<int>{0, 1, 4, 2, 5, 3};
  BufferId from = permute(context, context.reshaped(context.input(0), split, "blocks"), perm, "blocks");
  BufferId to = context.reshaped(context.output(), {in[0], out[1], in[2], size, in[3], size}, "blocks");
  copy(context, to, from, "depth_to_space");
}

void lower_space_to_depth(LowerContext& context) {
  Dim size = context.node().attribute<int64_t>("blocksize");
  const Shape& in = context.input_shape(0);
  const Shape& out = context.output_shape();
  check_equal(context, in[2], out[2] * size, "rows in whole blocks");
  check_equal(context, in[3], out[3] * size, "columns in whole blocks");
  bool dcr = depth_first(context.node());
  BufferId split = context.reshaped(context.input(0), {in[0], in[1], out[2], size, out[3], size}, "blocks");
  std::vector<int> perm = dcr ? std::vector<int>{0, 3, 5, 1, 2, 4} : std::vector<int>{0, 1, 3, 5, 2, 4};
  BufferId from = permute(context, split, perm, "blocks");
  Shape shape =
      dcr ? Shape{in[0], size, size, in[1], out[2], out[3]} : Shape{in[0], in[1], size, size, out[2], out[3]};
  copy(context, context.reshaped(context.output(), shape, "blocks"), from, "space_to_depth");
}

// ---- Trilu, ReverseSequence

void infer_trilu(InferContext& context) {
  require_rank_at_least(context, 0, 2);
  require_single(context, 1);
  infer_same_as_input(context);
}

void lower_trilu(LowerContext& context) {
  Expr diagonal = integer(0);
  if (context.has_input(1)) diagonal = single_element(context, 1);
  bool upper = context.node().attribute<int64_t>("upper", 1) != 0;
  context.map_output([&](const Index& index) {
    Expr offset = index[index.size() - 1] - index[index.size() - 2];
    Expr kept = upper ? offset >= diagonal : offset <= diagonal;
    return select(kept, context.at_input(0, index), constant(context.input_type(0).dtype, 0));
  });
}

void infer_reverse_sequence(InferContext& context) {
  require_rank_at_least(context, 0, 2);
  require_rank(context, 1, 1);
  int64_t batch = context.node().attribute<int64_t>("batch_axis", 1);
  int64_t time = context.node().attribute<int64_t>("time_axis", 0);
  if (batch + time != 1 || batch * time != 0) {
    context.fail("batch_axis and time_axis: expected 0 and 1 or 1 and 0, found {} and {}", batch, time);
  }
  require_equal_extents(context, context.shape(1)[0], context.shape(0)[static_cast<size_t>(batch)],
                        "sequence_lens");
  infer_same_as_input(context);
}

void lower_reverse_sequence(LowerContext& context) {
  size_t batch = axis_attribute(context.node(), "batch_axis", 1, 2);
  size_t time = 1 - batch;
  Expr steps = dim(context.input_shape(0)[time]);
  check_equal(context, context.input_shape(1)[0], context.input_shape(0)[batch], "sequence_lens");
  auto length_at = [&](const Index& index) { return context.at_input(1, index); };
  auto holds = [&](const Index& index) {
    return length_at(index) >= integer(0) && length_at(index) <= steps;
  };
  check_all(context, context.input_shape(1),
            {holds, length_at, "sequence length",
             fmt::format("0 to {}", context.input_shape(0)[time].to_string())});
  context.map_output([&](const Index& index) {
    Expr length = min(context.at_input(1, {index[batch]}), steps);
    Index from = index;
    from[time] = select(index[time] < length, length - integer(1) - index[time], index[time]);
    return context.at_input(0, std::move(from));
  });
}

}  // namespace

void register_movement(OpRegistry& registry) {
  constexpr Trait kMoves = Trait::kMovement;
  registry.add({.name = "Transpose", .infer = infer_transpose, .lower = lower_transpose, .traits = kMoves});
  registry.add({.name = "Concat", .infer = infer_concat, .lower = lower_concat, .traits = kMoves});
  registry.add({.name = "Split",
                .infer = infer_split,
                .lower = lower_split,
                .upgrades = {{13, upgrade_split_13}, {18, upgrade_split_18}},
                .traits = kMoves});
  registry.add({.name = "Tile", .infer = infer_tile, .lower = lower_tile, .traits = kMoves});
  registry.add({.name = "DepthToSpace",
                .infer = infer_depth_to_space,
                .lower = lower_depth_to_space,
                .traits = kMoves});
  registry.add({.name = "SpaceToDepth",
                .infer = infer_space_to_depth,
                .lower = lower_space_to_depth,
                .traits = kMoves});
  registry.add({.name = "Trilu", .infer = infer_trilu, .lower = lower_trilu, .traits = kMoves});
  registry.add({.name = "ReverseSequence",
                .infer = infer_reverse_sequence,
                .lower = lower_reverse_sequence,
                .traits = kMoves});
  registry.add(slice_record());
  registry.add(pad_record());
  registry.add(center_crop_pad_record());
}

}  // namespace dlc::ir
