// Random numbers: a counter-based generator, so that every element is computed on its own and a run's numbers
// do not depend on the number of threads. Dropout with a seed draws in order, as the standard's reference.
#include <bit>
#include <functional>
#include <numbers>

#include "ir/builder.h"
#include "ir/ops/families.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

// ---- The generator: SplitMix64 of a key and the element's number.

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

Expr word(uint64_t value) { return integer(std::bit_cast<int64_t>(value), DType::kUint64); }

Expr shift_xor(const Expr& z, uint64_t bits) {
  return binary(ExprOp::kXor, z, binary(ExprOp::kShr, z, word(bits)));
}

Expr mix(const Expr& value) {
  Expr z = shift_xor(value, 30) * word(0xBF58476D1CE4E5B9);
  z = shift_xor(z, 27) * word(0x94D049BB133111EB);
  return shift_xor(z, 31);
}

uint64_t hash_text(std::string_view text) {
  uint64_t hash = kGolden;
  for (char c : text) hash = mix(hash ^ static_cast<unsigned char>(c));
  return hash;
}

// The key of one run of the node. With a seed every run gives the same numbers; without one the number of the
// run enters the key.
Expr key_of_run(LowerContext& context) {
  const Node& node = context.node();
  if (node.has("seed")) {
    const Attribute& seed = node.attributes().find("seed")->second;
    const auto* whole = std::get_if<int64_t>(&seed);
    uint64_t bits =
        whole != nullptr ? static_cast<uint64_t>(*whole) : std::bit_cast<uint64_t>(std::get<double>(seed));
    return word(mix(bits + kGolden));
  }
  Buffer runs{.name = "runs", .kind = BufferKind::kState, .dtype = DType::kUint64, .shape = {}};
  BufferId buffer = context.program().add_buffer(std::move(runs));
  Block count;
  count.push_back(store(buffer, {}, context.at(buffer, {}) + word(1)));
  context.loop_nest(std::move(count), "count_runs");
  return mix(context.at(buffer, {}) * word(kGolden) + word(hash_text(node.output()->name())));
}

// 64 random bits of number `stream` of the element at an index.
Expr random_bits(const Expr& key, const Index& index, const Shape& shape, int64_t streams, int64_t stream) {
  Expr position = integer(0);
  for (size_t i = 0; i < index.size(); ++i) position = position * dim(shape[i]) + index[i];
  Expr counter = position * integer(streams) + integer(stream + 1);
  return mix(key + cast(counter, DType::kUint64) * word(kGolden));
}

// In [0, 1), or in (0, 1] where `above_zero`; a multiple of the type's precision.
Expr unit_interval(const Expr& bits, DType type, bool above_zero = false) {
  bool is_double = type == DType::kDouble;
  Expr high =
      cast(binary(ExprOp::kShr, bits, word(is_double ? 11 : 40)), is_double ? DType::kInt64 : DType::kInt32);
  if (above_zero) high = high + integer(1, high.type());
  return cast(high, type) * real(is_double ? 0x1p-53 : 0x1p-24, type);
}

// Box and Muller.
Expr standard_normal(const Expr& key, const Index& index, const Shape& shape, DType type) {
  Expr u = unit_interval(random_bits(key, index, shape, 2, 0), type, true);
  Expr v = unit_interval(random_bits(key, index, shape, 2, 1), type);
  Expr radius = unary(ExprOp::kSqrt, unary(ExprOp::kLog, u) * real(-2, type));
  return radius * unary(ExprOp::kCos, v * real(2 * std::numbers::pi, type));
}

// ---- RandomNormal, RandomUniform and their Like forms

DType output_type_of(const InferContext& context, DType fallback) {
  return type_attribute(context, "dtype").value_or(fallback);
}

DType drawn_output_type(const InferContext& context, DType fallback) {
  DType type = output_type_of(context, fallback);
  if (!is_float(type)) context.fail("dtype: expected a floating-point type, found {}", name(type));
  return type;
}

void infer_random(InferContext& context) {
  Shape shape;
  for (int64_t extent : context.node().attribute<std::vector<int64_t>>("shape")) {
    if (extent < 0) context.fail("shape: expected extents, found {}", extent);
    shape.emplace_back(extent);
  }
  context.set_output(0, Type(drawn_output_type(context, DType::kFloat), std::move(shape)));
}

void infer_random_like(InferContext& context) {
  context.set_output(0, Type(drawn_output_type(context, context.dtype(0)), context.shape(0)));
}

void lower_normal(LowerContext& context) {
  DType type = context.output_type().dtype;
  DType drawn = wide_type(type);
  Expr mean = real(context.node().attribute<double>("mean", 0), drawn);
  Expr scale = real(context.node().attribute<double>("scale", 1), drawn);
  Expr key = key_of_run(context);
  const Shape& shape = context.output_shape();
  context.map_output([&](const Index& index) {
    return cast(standard_normal(key, index, shape, drawn) * scale + mean, type);
  });
}

void lower_uniform(LowerContext& context) {
  DType type = context.output_type().dtype;
  DType drawn = wide_type(type);
  double low = context.node().attribute<double>("low", 0);
  double high = context.node().attribute<double>("high", 1);
  Expr key = key_of_run(context);
  const Shape& shape = context.output_shape();
  context.map_output([&](const Index& index) {
    Expr u = unit_interval(random_bits(key, index, shape, 1, 0), drawn);
    return cast(u * real(high - low, drawn) + real(low, drawn), type);
  });
}

// ---- dlc.Uniform: numbers in [0, 1) that depend on the input, the number of a run, and on the node's key
// alone, so that a run can be repeated. `dims` holds the text of the extents.

void infer_keyed_uniform(InferContext& context) {
  require_type(context, 0, TypeClass::kInteger);
  require_single(context, 0);
  context.set_output(0, Type(output_type_of(context, DType::kFloat), dims_attribute(context.node())));
}

void lower_keyed_uniform(LowerContext& context) {
  DType type = context.output_type().dtype;
  Expr run = single_element(context, 0);
  Expr node = word(hash_text(context.node().attribute<std::string>("key")));
  Expr key = mix(cast(run, DType::kUint64) * word(kGolden) + node);
  const Shape& shape = context.output_shape();
  context.map_output([&](const Index& index) {
    return cast(unit_interval(random_bits(key, index, shape, 1, 0), wide_type(type)), type);
  });
}

// ---- Bernoulli, Multinomial

void infer_bernoulli(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  const DType type = output_type_of(context, context.dtype(0));
  if (!belongs_to(type, TypeClass::kScalar))
    context.fail("dtype: expected a number or bool, found {}", name(type));
  context.set_output(0, Type(type, context.shape(0)));
}

void lower_bernoulli(LowerContext& context) {
  DType type = context.output_type().dtype;
  DType drawn = wide_type(context.input_type(0).dtype);
  Expr key = key_of_run(context);
  const Shape& shape = context.output_shape();
  context.map_output([&](const Index& index) {
    Expr u = unit_interval(random_bits(key, index, shape, 1, 0), drawn);
    Expr hit = u < cast(context.at_input(0, index), drawn);
    return select(hit, constant(type, 1), constant(type, 0));
  });
}

void infer_multinomial(InferContext& context) {
  require_rank(context, 0, 2);
  int64_t samples = context.node().attribute<int64_t>("sample_size", 1);
  DType type = output_type_of(context, DType::kInt32);
  if (samples < 1) context.fail("sample_size: expected 1 or more, found {}", samples);
  if (type != DType::kInt32 && type != DType::kInt64)
    context.fail("dtype: expected int32 or int64, found {}", name(type));
  context.set_output(0, Type(type, {context.shape(0)[0], Dim(samples)}));
}

void lower_multinomial(LowerContext& context) {
  const Shape& input = context.input_shape(0);
  DType drawn = wide_type(context.input_type(0).dtype);
  auto logit = [&](const Expr& row, const Expr& column) {
    return cast(context.at_input(0, {row, column}), drawn);
  };
  BufferId largest = context.temp(drawn, {input[0]}, "largest");
  context.reduce(
      largest, {input[1]}, Combiner::kMax, neutral(Combiner::kMax, drawn),
      [&](const Index& row, const Index& column) { return logit(row[0], column[0]); }, {}, "largest");
  auto weight = [&](const Expr& row, const Expr& column) {
    return unary(ExprOp::kExp, logit(row, column) - context.at(largest, {row}));
  };
  BufferId total = context.temp(drawn, {input[0]}, "total");
  context.reduce(
      total, {input[1]}, Combiner::kSum, real(0, drawn),
      [&](const Index& row, const Index& column) { return weight(row[0], column[0]); }, {}, "total");
  Expr key = key_of_run(context);
  std::vector<VarId> vars{context.fresh_var(), context.fresh_var()};
  Index index{var(vars[0]), var(vars[1])};
  VarId target = context.fresh_var();
  VarId sum = context.fresh_var();
  VarId chosen = context.fresh_var();
  VarId column = context.fresh_var();
  Expr u = unit_interval(random_bits(key, index, context.output_shape(), 1, 0), drawn);
  // The first class at which the running sum exceeds the target.
  Block scan;
  scan.push_back({Assign{sum, var(sum, drawn) + weight(index[0], var(column))}});
  scan.push_back(
      {Assign{chosen, var(chosen) + select(var(sum, drawn) <= var(target, drawn), integer(1), integer(0))}});
  Block body;
  body.push_back(let(target, u * context.at(total, {index[0]})));
  body.push_back(let(sum, real(0, drawn)));
  body.push_back(let(chosen, integer(0)));
  body.push_back(for_loop(column, dim(input[1]), LoopKind::kSerial, std::move(scan)));
  Expr result = min(var(chosen), dim(input[1] - Dim(1)));
  body.push_back(store(context.output(), index, cast(result, context.output_type().dtype)));
  context.loop_nest(nest(vars, context.output_shape(), 2, std::move(body)));
}

// ---- Dropout

// Whether the node drops anything: known before the run, or input 2.
std::optional<bool> training_mode(const Node& node) {
  const Value* mode = node.input(2);
  if (mode == nullptr) return false;
  if (mode->is_constant()) return mode->constant().get_int(0) != 0;
  return std::nullopt;
}

void infer_dropout(InferContext& context) {
  require_type(context, 0, TypeClass::kFloat);
  for (size_t input : {1, 2}) require_single(context, input);
  context.set_output(0, Type(context.input(0)));
  context.set_output(1, Type(DType::kBool, context.shape(0)));
}

// Whether each element is kept where the node drops any. A seed stands for the numbers that the standard's
// reference draws with it.
std::function<Expr(const Index&)> kept_elements(LowerContext& context, const Expr& ratio) {
  const Shape& shape = context.input_shape(0);
  if (context.node().has("seed")) {
    const BufferId numbers = context.temp(DType::kDouble, shape, "numbers");
    context.call({.symbol = "dlc_mersenne_twister",
                  .inputs = {},
                  .outputs = {numbers},
                  .params = {dim(product(shape)), integer(context.node().attribute<int64_t>("seed"))}});
    return [&context, numbers, ratio](const Index& index) {
      return context.at(numbers, index) >= cast(ratio, DType::kDouble);
    };
  }
  const Expr key = key_of_run(context);
  return [&shape, key, ratio](const Index& index) {
    return unit_interval(random_bits(key, index, shape, 1, 0), ratio.type()) >= ratio;
  };
}

void lower_dropout(LowerContext& context) {
  auto training = training_mode(context.node());
  if (training && !*training) {
    context.alias_output(0, context.input(0));
    if (context.has_output(1)) context.map(context.output(1), [](const Index&) { return boolean(true); });
    return;
  }
  const Shape& shape = context.input_shape(0);
  DType type = context.input_type(0).dtype;
  DType drawn = wide_type(type);
  Expr ratio = real(0.5, drawn);
  if (context.has_input(1)) ratio = cast(single_element(context, 1), drawn);
  Expr active = boolean(true);
  if (!training) active = single_element(context, 2);
  const auto is_kept = kept_elements(context, ratio);
  BufferId mask = context.has_output(1) ? context.output(1) : context.temp(DType::kBool, shape, "mask");
  context.map(mask, [&](const Index& index) { return select(active, is_kept(index), boolean(true)); });
  Expr scale = select(active, real(1, drawn) / (real(1, drawn) - ratio), real(1, drawn));
  context.map_output([&](const Index& index) {
    Expr kept = cast(context.at_input(0, index), drawn) * scale;
    return cast(select(context.at(mask, index), kept, real(0, drawn)), type);
  });
}

// Without training nothing is dropped.
bool expand_dropout(Builder& builder, Node& node) {
  auto training = training_mode(node);
  if (!training || *training || (node.output(1) != nullptr && node.output(1)->has_uses())) return false;
  builder.replace(node, 0, node.input(0));
  return true;
}

// The ratio becomes an input. An unused mask, of the data's type in old files, is dropped.
void upgrade_dropout(Graph& graph, Node& node, int) {
  if (node.has("ratio")) {
    double ratio = node.attribute<double>("ratio");
    node.erase_attribute("ratio");
    node.set_input(1, graph.add_constant("", Tensor::scalar(DType::kFloat, ratio)));
  }
  if (node.output(1) != nullptr && !node.output(1)->has_uses()) keep_outputs(graph, node, 1);
}

}  // namespace

void register_random(OpRegistry& registry) {
  constexpr Trait kRandom = Trait::kNondeterministic;
  registry.add({.name = "RandomNormal", .infer = infer_random, .lower = lower_normal, .traits = kRandom});
  registry.add({.name = "RandomUniform", .infer = infer_random, .lower = lower_uniform, .traits = kRandom});
  registry.add(
      {.name = "RandomNormalLike", .infer = infer_random_like, .lower = lower_normal, .traits = kRandom});
  registry.add(
      {.name = "RandomUniformLike", .infer = infer_random_like, .lower = lower_uniform, .traits = kRandom});
  registry.add({.name = "Bernoulli", .infer = infer_bernoulli, .lower = lower_bernoulli, .traits = kRandom});
  registry.add(
      {.name = "Multinomial", .infer = infer_multinomial, .lower = lower_multinomial, .traits = kRandom});
  registry.add(
      {.domain = "dlc", .name = "Uniform", .infer = infer_keyed_uniform, .lower = lower_keyed_uniform});
  registry.add({.name = "Dropout",
                .infer = infer_dropout,
                .expand = expand_dropout,
                .lower = lower_dropout,
                .upgrades = {{12, upgrade_dropout}},
                .traits = kRandom});
}

}  // namespace dlc::ir
