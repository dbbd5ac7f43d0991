// Elements chosen by index tensors: gathering and scattering are each other's transposes.
#include <numeric>

#include "ir/ops/gradients/rules.h"
#include "ir/ops/infer_util.h"

namespace dlc::ir {
namespace {

Term along_axis(const Term& x, std::string_view op, std::vector<Value*> more, size_t axis) {
  return x.apply(op, std::move(more), {{"axis", static_cast<int64_t>(axis)}});
}

Term gather_elements(const Term& x, Value* indices, size_t axis) {
  return along_axis(x, "GatherElements", {indices}, axis);
}

Term scatter_elements(const Term& x, Value* indices, const Term& updates, size_t axis,
                      const char* reduction) {
  return x.apply("ScatterElements", {indices, updates},
                 {{"axis", static_cast<int64_t>(axis)}, {"reduction", std::string(reduction)}});
}

Term scatter_nd(const Term& x, Value* indices, const Term& updates, const char* reduction) {
  return x.apply("ScatterND", {indices, updates}, {{"reduction", std::string(reduction)}});
}

// ---- Gather -----------------------------------------------------------------------------------------------

// A table is read at few places where its rows are at least so many times as many as the indices.
constexpr int64_t kFewTimes = 2;

bool reads_few_rows(const Dim& rows, const Dim& count) {
  if (!rows.is_constant() || !count.is_constant()) return false;
  return count.value() > 0 && count.value() * kFewTimes <= rows.value();
}

Term between(const Term& x, int64_t low, int64_t high) {
  Builder& builder = x.builder();
  return x.apply("Clip", {builder.scalar(x.dtype(), static_cast<double>(low)),
                          builder.scalar(x.dtype(), static_cast<double>(high))});
}

// The sums of the rows that are read at all lie beside each other, in a tensor with a row for each index: the
// last of equal indices has the sum for all of them. Each row of the table knows which one is its own, or
// that there is none. What is left is one choice for each element, which readers make themselves, so that the
// gradient of the whole table takes no memory. Sums are made in the order of the indices, as without this.
Term sum_few_rows(const Shape& rows, const Term& tuples, const Term& updates) {
  Builder& builder = tuples.builder();
  const Shape outer(tuples.shape().begin(), tuples.shape().end() - 1);
  const Dim count = product(outer);
  // The Gather has refused others. What is known to be in range needs no check here, behind which no
  // parameter could be updated early.
  const Term read = between(tuples, -rows[0].value(), rows[0].value() - 1);
  const Term none = expand(Term(builder, builder.scalar(DType::kInt64, -1)), {rows[0]});
  const Term owner = scatter_nd(none, read, reshape(range(builder, count), outer), "max");
  const Term places = reshape(owner.apply("GatherND", {read.value()}), tuples.shape());
  Shape compact = rows;
  compact[0] = count;
  const Term sums = scatter_nd(zeros(builder, updates.dtype(), compact),
                               between(places, 0, count.value() - 1), updates, "add");
  Shape column(rows.size(), 1);
  column[0] = rows[0];
  const Term own = sums.apply("Gather", {between(owner, 0, count.value() - 1).value()});
  return where(reshape(owner >= 0, column), own, 0);
}

// Rows of the axis, brought to the front, are summed where the indices say.
void gather_gradient(GradientContext& context) {
  const Shape& data = context.input(0)->shape();
  size_t index_rank = context.input(1)->shape().size();
  size_t axis = axis_attribute(context.node(), "axis", 0, data.size());
  std::vector<int64_t> to_front;  // of the cotangent: axes of the indices, before the axis, behind it
  for (size_t i = 0; i < index_rank; ++i) to_front.push_back(static_cast<int64_t>(axis + i));
  std::vector<int64_t> back;  // of the result, from [axis, others...]
  Shape rows = {data[axis]};
  for (size_t i = 0; i < data.size(); ++i) {
    if (i == axis) {
      back.push_back(0);
      continue;
    }
    to_front.push_back(static_cast<int64_t>(i < axis ? i : i + index_rank - 1));
    back.push_back(static_cast<int64_t>(i < axis ? i + 1 : i));
    rows.push_back(data[i]);
  }
  Term indices = input(context, 1).cast(DType::kInt64);
  Shape tuples = indices.shape();
  tuples.emplace_back(1);
  Term updates = transpose(grad(context), to_front);
  Term places = reshape(indices, tuples);
  Term sums = reads_few_rows(rows[0], product(indices.shape()))
                  ? sum_few_rows(rows, places, updates)
                  : scatter_nd(zeros(context.builder(), updates.dtype(), rows), places, updates, "add");
  context.set(0, transpose(sums, back));
}

void gather_elements_gradient(GradientContext& context) {
  Term x = input(context, 0);
  size_t axis = axis_attribute(context.node(), "axis", 0, x.shape().size());
  context.set(0, scatter_elements(zeros_like(x), context.input(1), grad(context), axis, "add"));
}

// The number of the batch becomes part of every tuple.
Term whole_tuples(GradientContext& context, size_t batch) {
  Term indices = input(context, 1).cast(DType::kInt64);
  Shape column = indices.shape();
  column.back() = 1;
  std::vector<Value*> parts;
  for (size_t i = 0; i < batch; ++i) {
    Shape line(column.size(), 1);
    line[i] = column[i];
    parts.push_back(expand(reshape(range(context.builder(), column[i]), line), column));
  }
  parts.push_back(indices);
  if (batch == 0) return indices;
  return {context.builder(), context.builder().op("Concat", parts, {{"axis", int64_t{-1}}})};
}

void gather_nd_gradient(GradientContext& context) {
  auto batch = static_cast<size_t>(context.node().attribute<int64_t>("batch_dims", 0));
  Term tuples = whole_tuples(context, batch);
  context.set(0, scatter_nd(zeros_like(input(context, 0)), tuples, grad(context), "add"));
}

// ---- ScatterElements, ScatterND ---------------------------------------------------------------------------

// The two operators as one: reading and combining at the indices of a node.
struct Places {
  Value* indices;
  std::function<Term(const Term& x)> read;
  std::function<Term(const Term& x, const Term& updates, const char* reduction)> combine;
};

Places element_places(GradientContext& context) {
  Value* indices = context.input(1);
  size_t axis = axis_attribute(context.node(), "axis", 0, context.input(0)->shape().size());
  return {indices, [=](const Term& x) { return gather_elements(x, indices, axis); },
          [=](const Term& x, const Term& updates, const char* reduction) {
            return scatter_elements(x, indices, updates, axis, reduction);
          }};
}

Places tuple_places(GradientContext& context) {
  Value* indices = context.input(1);
  return {indices, [=](const Term& x) { return x.apply("GatherND", {indices}); },
          [=](const Term& x, const Term& updates, const char* reduction) {
            return scatter_nd(x, indices, updates, reduction);
          }};
}

// Elements that tie share the cotangent.
void scatter_extremum_gradient(GradientContext& context, const Places& places) {
  Term data = input(context, 0);
  Term updates = input(context, 2);
  Term y = output(context);
  Term data_hits = equal(data, y).cast(y.dtype());
  Term update_hits = equal(updates, places.read(y)).cast(y.dtype());
  Term share = grad(context) / places.combine(data_hits, update_hits, "add");
  // Where no element of the result comes from a place, none is read.
  context.set(0, data_hits * share);
  if (context.wants(2)) context.set(2, update_hits * places.read(share));
}

// The product of the other factors: y / factor, or, for the only factor of a place that is 0, the product of
// all that are not.
void scatter_product_gradient(GradientContext& context, const Places& places) {
  Term data = input(context, 0);
  Term updates = input(context, 2);
  Term dy = grad(context);
  auto zero_count = [](const Term& x) { return equal(x, 0).cast(x.dtype()); };
  auto without_zero = [](const Term& x) { return where(equal(x, 0), 1, x); };
  Term zeros_at = places.combine(zero_count(data), zero_count(updates), "add");
  Term product = places.combine(without_zero(data), without_zero(updates), "mul");
  auto others = [](const Term& factor, const Term& zeros, const Term& all) {
    Term is_zero = equal(factor, 0);
    Term alone = where(is_zero, equal(zeros, 1).cast(factor.dtype()), equal(zeros, 0).cast(factor.dtype()));
    return alone * (all / where(is_zero, 1, factor));
  };
  if (context.wants(0)) context.set(0, dy * others(data, zeros_at, product));
  if (!context.wants(2)) return;
  context.set(2, places.read(dy) * others(updates, places.read(zeros_at), places.read(product)));
}

void scatter_gradient(GradientContext& context, const Places& places) {
  std::string reduction = context.node().attribute<std::string>("reduction", "none");
  if (reduction == "mul") return scatter_product_gradient(context, places);
  if (reduction == "max" || reduction == "min") return scatter_extremum_gradient(context, places);
  Term dy = grad(context);
  if (context.wants(0)) {
    bool replaces = reduction == "none";
    Term nothing = zeros(context.builder(), dy.dtype(), context.input(2)->shape());
    context.set(0, replaces ? places.combine(dy, nothing, "none") : dy);
  }
  if (context.wants(2)) context.set(2, places.read(dy));
}

void scatter_elements_gradient(GradientContext& context) {
  scatter_gradient(context, element_places(context));
}

void scatter_nd_gradient(GradientContext& context) { scatter_gradient(context, tuple_places(context)); }

// ---- TensorScatter ----------------------------------------------------------------------------------------

// The sequence positions of the cache that the update replaces, of the update's shape.
Term cache_positions(GradientContext& context, size_t axis) {
  const Shape& update = context.input(1)->shape();
  Builder& builder = context.builder();
  Shape line(update.size(), 1);
  line[axis] = update[axis];
  Term positions = reshape(range(builder, update[axis]), line);
  if (context.input(2) != nullptr) {
    Shape batch(update.size(), 1);
    batch[0] = update[0];
    positions = positions + reshape(input(context, 2).cast(DType::kInt64), batch);
  }
  if (context.node().attribute<std::string>("mode", "linear") == "circular") {
    positions = positions.apply("Mod", {builder.dims({context.input(0)->shape()[axis]})});
  }
  return expand(positions, update);
}

void tensor_scatter_gradient(GradientContext& context) {
  size_t axis = axis_attribute(context.node(), "axis", -2, context.input(0)->shape().size());
  Term dy = grad(context);
  if (context.wants(0)) {
    std::vector<Value*> inputs = {zeros(context.builder(), dy.dtype(), context.input(1)->shape())};
    if (context.input(2) != nullptr) inputs.push_back(context.input(2));
    context.set(0, dy.apply("TensorScatter", inputs, context.node().attributes()));
  }
  if (context.wants(1)) context.set(1, gather_elements(dy, cache_positions(context, axis), axis));
}

// ---- TopK, Compress, OneHot -------------------------------------------------------------------------------

void top_k_gradient(GradientContext& context) {
  if (context.grad() == nullptr) return;
  Term x = input(context, 0);
  size_t axis = axis_attribute(context.node(), "axis", -1, x.shape().size());
  Value* indices = context.ensure_output(1);
  context.set(0, scatter_elements(zeros_like(x), indices, grad(context), axis, "add"));
}

// The positions that are kept are the same compression of 0, 1, 2, ...
void compress_gradient(GradientContext& context) {
  const Shape& shape = context.input(0)->shape();
  bool flat = !context.node().has("axis");
  size_t axis = flat ? 0 : axis_attribute(context.node(), "axis", 0, shape.size());
  Shape whole = flat ? Shape{product(shape)} : shape;
  Term positions =
      range(context.builder(), whole[axis]).apply("Compress", {context.input(1)}, {{"axis", int64_t{0}}});
  Term dy = grad(context);
  Shape line(whole.size(), 1);
  line[axis] = positions.shape()[0];
  Shape kept = whole;
  kept[axis] = positions.shape()[0];
  // The two compressions keep the same number of elements.
  Term updates = reshape(dy, kept);
  Term dx = scatter_elements(zeros(context.builder(), dy.dtype(), whole),
                             expand(reshape(positions, line), kept), updates, axis, "none");
  context.set(0, reshape(dx, shape));
}

void one_hot_gradient(GradientContext& context) {
  if (!context.wants(2)) return;
  Builder& builder = context.builder();
  Term dy = grad(context);
  Value* bits = builder.op("Concat",
                           {reshape({builder, builder.scalar(dy.dtype(), 0)}, {1}),
                            reshape({builder, builder.scalar(dy.dtype(), 1)}, {1})},
                           {{"axis", int64_t{0}}});
  Term hot = Term(
      builder, builder.op("OneHot", {context.input(0), context.input(1), bits}, context.node().attributes()));
  auto total = [](const Term& x) {
    return reshape(sum(x, all_axes(static_cast<int64_t>(x.shape().size()))), {1});
  };
  context.set(2, builder.op("Concat", {total(dy * (1 - hot)), total(dy * hot)}, {{"axis", int64_t{0}}}));
}

constexpr GradientRule kRules[] = {
    {"Gather", gather_gradient},
    {"GatherElements", gather_elements_gradient},
    {"GatherND", gather_nd_gradient},
    {"ScatterElements", scatter_elements_gradient},
    {"Scatter", scatter_elements_gradient},
    {"ScatterND", scatter_nd_gradient},
    {"TensorScatter", tensor_scatter_gradient},
    {"TopK", top_k_gradient},
    {"Compress", compress_gradient},
    {"OneHot", one_hot_gradient},
};

}  // namespace

std::span<const GradientRule> indexing_gradients() { return kRules; }

}  // namespace dlc::ir
