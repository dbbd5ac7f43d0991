// ai.onnx.ml: operators that look values up. LabelEncoder, CategoryMapper, OneHotEncoder,
// ArrayFeatureExtractor.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/ml.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

// ---- LabelEncoder -----------------------------------------------------------------------------------------

// The attribute that holds a list: a tensor or one of the typed lists. Nothing where none is there.
std::optional<Tensor> list_of(const Node& node, const std::string& prefix) {
  const std::string tensor = prefix + "_tensor", ints = prefix + "_int64s", floats = prefix + "_floats",
                    strings = prefix + "_strings";
  const int given = node.has(tensor) + node.has(ints) + node.has(floats) + node.has(strings);
  if (given > 1)
    fail(ErrorKind::kModel, "more than one of {}, {}, {} and {} is given", tensor, ints, floats, strings);
  if (node.has(tensor)) return node.attribute<Tensor>(tensor);
  if (node.has(ints)) return Tensor::from_ints(ints_of(node, ints));
  if (node.has(strings)) {
    auto names = node.attribute<std::vector<std::string>>(strings);
    const auto count = static_cast<int64_t>(names.size());
    return Tensor::from_strings({count}, std::move(names));
  }
  if (!node.has(floats)) return std::nullopt;
  const std::vector<double> values = floats_of(node, floats);
  Tensor result(DType::kFloat, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) result.set_double(static_cast<int64_t>(i), values[i]);
  return result;
}

struct Lists {
  Tensor keys;
  Tensor values;
  bool have_strings() const { return keys.dtype() == DType::kString || values.dtype() == DType::kString; }
};

Tensor strings_of(const Node& node, std::string_view attribute) {
  auto names = node.attribute<std::vector<std::string>>(attribute);
  const auto count = static_cast<int64_t>(names.size());
  return Tensor::from_strings({count}, std::move(names));
}

// Keys and values of an encoder that is a list of names: numbers count them, and the type of the input says
// which of the two are the keys.
Lists named_lists(const Node& node, Tensor names, Tensor numbers) {
  if (node.input(0)->dtype() == DType::kString) return {std::move(names), std::move(numbers)};
  return {std::move(numbers), std::move(names)};
}

Tensor counting(int64_t count) {
  Tensor numbers(DType::kInt64, {count});
  for (int64_t i = 0; i < count; ++i) numbers.set_int(i, i);
  return numbers;
}

Lists lists_of(const Node& node) {
  // The form of version 1.
  if (node.has("classes_strings")) {
    Tensor names = strings_of(node, "classes_strings");
    Tensor numbers = counting(names.size());
    return named_lists(node, std::move(names), std::move(numbers));
  }
  std::optional<Tensor> keys = list_of(node, "keys"), values = list_of(node, "values");
  if (!keys || !values) fail(ErrorKind::kModel, "keys or values are absent");
  return {std::move(*keys), std::move(*values)};
}

void infer_lookup(InferContext& context, const Lists& lists) {
  const auto& [keys, values] = lists;
  if (keys.size() != values.size() || keys.size() == 0)
    context.fail("expected as many values as keys, found {} keys and {} values", keys.size(), values.size());
  if (keys.dtype() != context.dtype(0))
    context.fail("keys are {}, but the input is {}", name(keys.dtype()), name(context.dtype(0)));
  context.set_output(0, Type(values.dtype(), context.shape(0)));
}

void infer_label_encoder(InferContext& context) { infer_lookup(context, lists_of(context.node())); }

// What keys that are not in the list become.
Tensor default_of(const Node& node, DType type) {
  if (node.has("default_tensor")) {
    const auto& given = node.attribute<Tensor>("default_tensor");
    if (given.dtype() != type || given.size() != 1) {
      fail(ErrorKind::kModel, "default_tensor: expected one element of type {}, found {} of {}", name(type),
           given.size(), name(given.dtype()));
    }
    return given.reshaped({1});
  }
  if (type == DType::kString)
    return Tensor::from_strings({1}, {node.attribute<std::string>("default_string", "_Unused")});
  Tensor result(type, {1});
  if (is_float(type)) {
    result.set_double(0, node.attribute<double>("default_float", -0.0));
  } else {
    result.set_int(0, node.attribute<int64_t>("default_int64", -1));
  }
  return result;
}

bool is_nan(const Tensor& tensor, int64_t i) {
  return is_float(tensor.dtype()) && std::isnan(tensor.get_double(i));
}

void copy_element(Tensor& to, int64_t i, const Tensor& from, int64_t k) {
  is_float(to.dtype()) ? to.set_double(i, from.get_double(k)) : to.set_int(i, from.get_int(k));
}

// Keys in ascending order with their values, filled up to one less than a power of two by the last: a binary
// search over them needs no bounds. Of equal keys the first counts.
struct LookupTable {
  Tensor keys;
  Tensor values;
  std::optional<int64_t> nan;  // position of the key NaN in the given list
  int64_t first_step;
};

bool before(const Tensor& keys, int64_t a, int64_t b) {
  if (is_float(keys.dtype())) return keys.get_double(a) < keys.get_double(b);
  return keys.get_int(a) < keys.get_int(b);
}

LookupTable lookup_table(const Tensor& keys, const Tensor& values) {
  LookupTable table;
  std::vector<int64_t> order;
  for (int64_t i = 0; i < keys.size(); ++i) {
    if (!is_nan(keys, i)) {
      order.push_back(i);
    } else if (!table.nan) {
      table.nan = i;
    }
  }
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return before(keys, a, b); });
  const auto same = [&](int64_t a, int64_t b) { return !before(keys, a, b) && !before(keys, b, a); };
  order.erase(std::unique(order.begin(), order.end(), same), order.end());
  if (order.empty()) order.push_back(*table.nan);  // equal to nothing
  int64_t size = 1;
  while (size < static_cast<int64_t>(order.size()) + 1) size *= 2;
  order.resize(static_cast<size_t>(size - 1), order.back());
  table.keys = Tensor(keys.dtype(), {size - 1});
  table.values = Tensor(values.dtype(), {size - 1});
  for (int64_t i = 0; i < size - 1; ++i) {
    copy_element(table.keys, i, keys, order[static_cast<size_t>(i)]);
    copy_element(table.values, i, values, order[static_cast<size_t>(i)]);
  }
  table.first_step = size / 2;
  return table;
}

// The number of keys that are not above x, as the variable of the last statement that is added to `body`.
Expr search(LowerContext& context, Block& body, const LookupTable& table, BufferId keys, const Expr& x) {
  Expr position = integer(0);
  for (int64_t step = table.first_step; step > 0; step /= 2) {
    const Expr next = position + integer(step);
    const VarId var_id = context.fresh_var();
    body.push_back(let(var_id, select(context.at(keys, {next - integer(1)}) <= x, next, position)));
    position = var(var_id);
  }
  return position;
}

void lower_label_encoder(LowerContext& context) {
  const auto [given_keys, given_values] = lists_of(context.node());
  const LookupTable table = lookup_table(given_keys, given_values);
  const BufferId keys = context.constant(table.keys, "keys"),
                 values = context.constant(table.values, "values");
  const BufferId fallback = context.constant(default_of(context.node(), given_values.dtype()), "default");
  const std::vector<VarId> vars = loop_vars(context, context.output_shape());
  const Index index = index_of(vars);
  const VarId x_var = context.fresh_var(), slot_var = context.fresh_var();
  Block body{let(x_var, context.at_input(0, index))};
  const Expr x = var(x_var, given_keys.dtype());
  const Expr found = search(context, body, table, keys, x);
  body.push_back(let(slot_var, max(found - integer(1), integer(0))));
  const Expr slot = var(slot_var);
  Expr result = select(equal(context.at(keys, {slot}), x), context.at(values, {slot}),
                       context.at(fallback, {integer(0)}));
  if (table.nan) {
    Tensor value(given_values.dtype(), {1});
    copy_element(value, 0, given_values, *table.nan);
    result =
        select(unary(ExprOp::kIsNan, x), context.at(context.constant(value, "value"), {integer(0)}), result);
  }
  body.push_back(store(context.output(), index, result));
  context.loop_nest(nest(vars, context.output_shape(), vars.size(), std::move(body)));
}

// Strings are found by their hashes, and given by their numbers. Where each element stands among the keys;
// what is not there is at their end.
Value* position_of(Builder& builder, Value* x, const Tensor& keys) {
  const int64_t count = keys.size();
  if (keys.dtype() != DType::kString) {
    return builder.op_in(
        kMlDomain, "LabelEncoder", {x},
        {{"keys_tensor", keys}, {"values_tensor", counting(count)}, {"default_int64", count}});
  }
  Value* found = builder.op_in("dlc", "StringFind", {x}, {{"strings", keys.strings()}});
  Value* is_missing = builder.op("Less", {found, builder.like(found, 0)});
  return builder.op("Where", {is_missing, builder.scalar(DType::kInt64, static_cast<double>(count)), found});
}

Tensor with_default(const Tensor& values, const Tensor& fallback) {
  const int64_t count = values.size();
  if (values.dtype() == DType::kString) {
    std::vector<std::string> all = values.strings();
    all.push_back(fallback.strings()[0]);
    return Tensor::from_strings({count + 1}, std::move(all));
  }
  Tensor all(values.dtype(), {count + 1});
  for (int64_t i = 0; i < count; ++i) copy_element(all, i, values, i);
  copy_element(all, count, fallback, 0);
  return all;
}

void expand_lookup(Builder& builder, Node& node, const Lists& lists) {
  Value* position = position_of(builder, node.input(0), lists.keys);
  Value* table = builder.constant(with_default(lists.values, default_of(node, lists.values.dtype())));
  builder.replace(node, 0, builder.op("Gather", {table, position}, {{"axis", int64_t{0}}}));
}

bool expand_label_encoder(Builder& builder, Node& node) {
  const Lists lists = lists_of(node);
  if (!lists.have_strings()) return false;
  expand_lookup(builder, node, lists);
  return true;
}

// ---- CategoryMapper

Lists categories_of(const Node& node) {
  return named_lists(node, strings_of(node, "cats_strings"), Tensor::from_ints(ints_of(node, "cats_int64s")));
}

void infer_category_mapper(InferContext& context) { infer_lookup(context, categories_of(context.node())); }

bool expand_category_mapper(Builder& builder, Node& node) {
  expand_lookup(builder, node, categories_of(node));
  return true;
}

// ---- OneHotEncoder ----------------------------------------------------------------------------------------

void infer_one_hot_encoder(InferContext& context) {
  const Node& node = context.node();
  const bool is_text = context.dtype(0) == DType::kString;
  const size_t count = is_text ? node.attribute<std::vector<std::string>>("cats_strings", {}).size()
                               : ints_of(node, "cats_int64s").size();
  if (count == 0)
    context.fail("{} are absent, which the input needs", is_text ? "cats_strings" : "cats_int64s");
  Shape shape = context.shape(0);
  shape.push_back(Dim(static_cast<int64_t>(count)));
  context.set_output(0, Type(DType::kFloat, std::move(shape)));
}

// Strings become their numbers.
bool expand_one_hot_encoder(Builder& builder, Node& node) {
  if (node.input(0)->dtype() != DType::kString) return false;
  const Tensor categories = strings_of(node, "cats_strings");
  Value* position = position_of(builder, node.input(0), categories);
  builder.replace(node, 0,
                  builder.op_in(kMlDomain, "OneHotEncoder", {position},
                                {{"cats_int64s", counting(categories.size()).to_ints()},
                                 {"zeros", node.attribute<int64_t>("zeros", 1)}}));
  return true;
}

void lower_one_hot_encoder(LowerContext& context) {
  const BufferId categories =
      context.constant(Tensor::from_ints(ints_of(context.node(), "cats_int64s")), "categories");
  const auto matches = [&](const Index& outer, const Expr& category) {
    return equal(cast(context.at_input(0, outer), DType::kInt64), context.at(categories, {category}));
  };
  context.map_output([&](const Index& index) {
    return cast(matches(Index(index.begin(), index.end() - 1), index.back()), DType::kFloat);
  });
  if (context.node().attribute<int64_t>("zeros", 1) != 0) return;
  const BufferId known = context.temp(DType::kBool, context.input_shape(0), "known");
  context.reduce(
      known, {context.output_shape().back()}, Combiner::kOr, boolean(false),
      [&](const Index& outer, const Index& inner) { return matches(outer, inner[0]); }, nullptr, "known");
  check_all(context, context.input_shape(0),
            {[&](const Index& index) { return context.at(known, index); },
             [&](const Index& index) { return cast(context.at_input(0, index), DType::kInt64); }, "element",
             "one of cats_int64s"});
}

// ---- ArrayFeatureExtractor --------------------------------------------------------------------------------

void infer_extractor(InferContext& context) {
  require_rank_at_least(context, 0, 1);
  Shape shape = context.shape(0);
  if (shape.size() == 1) shape.insert(shape.begin(), Dim(1));
  shape.back() = product(context.shape(1));
  context.set_output(0, Type(context.dtype(0), std::move(shape)));
}

bool expand_extractor(Builder& builder, Node& node) {
  Value* x = as_rows(builder, node.input(0), node.input(0)->dtype());
  Value* columns = builder.reshape(node.input(1), {product(node.input(1)->shape())});
  builder.replace(node, 0, builder.op("Gather", {x, columns}, {{"axis", int64_t{-1}}}));
  return true;
}

}  // namespace

std::vector<OpDef> ml_encoder_records() {
  const std::string domain(kMlDomain);
  return {
      {.domain = domain,
       .name = "LabelEncoder",
       .infer = infer_label_encoder,
       .expand = expand_label_encoder,
       .lower = lower_label_encoder},
      {.domain = domain,
       .name = "CategoryMapper",
       .infer = infer_category_mapper,
       .expand = expand_category_mapper},
      {.domain = domain,
       .name = "OneHotEncoder",
       .infer = infer_one_hot_encoder,
       .expand = expand_one_hot_encoder,
       .lower = lower_one_hot_encoder},
      {.domain = domain,
       .name = "ArrayFeatureExtractor",
       .infer = infer_extractor,
       .expand = expand_extractor,
       .traits = Trait::kMovement},
  };
}

}  // namespace dlc::ir
