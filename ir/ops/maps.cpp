// Maps of ai.onnx.ml. A map is its keys and its values, two tensors; what is done with them is done with
// those.
#include "ir/builder.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/ml.h"
#include "ir/ops/value_util.h"

namespace dlc::ir {
namespace {

using Strings = std::vector<std::string>;
using Ints = std::vector<int64_t>;

// The attribute of strings or that of integers, whichever is there, as a tensor.
Tensor labels(const Node& node, const char* strings, const char* ints) {
  if (node.has(strings)) {
    auto texts = node.attribute<Strings>(strings);
    const auto count = static_cast<int64_t>(texts.size());
    return Tensor::from_strings({count}, std::move(texts));
  }
  return Tensor::from_ints(node.attribute<Ints>(ints));
}

void require_one_of(const InferContext& context, const char* strings, const char* ints) {
  if (context.node().has(strings) == context.node().has(ints))
    context.fail("expected one of the attributes '{}' and '{}'", strings, ints);
}

// ---- ZipMap

constexpr const char* kClassStrings = "classlabels_strings";
constexpr const char* kClassInts = "classlabels_int64s";

void infer_zip_map(InferContext& context) {
  require_one_of(context, kClassStrings, kClassInts);
  const Node& node = context.node();
  const Shape& shape = context.shape(0);
  if (shape.empty() || shape.size() > 2)
    context.fail("input 0: expected shape [C] or [N, C], found {}", to_string(shape));
  if (context.dtype(0) != DType::kFloat)
    context.fail("input 0: expected float, found {}", onnx_name(context.dtype(0)));
  Tensor keys = labels(node, kClassStrings, kClassInts);
  require_equal_extents(context, shape.back(), keys.size(), "number of classes");
  context.set_output(0, Type::sequence(Type::map(keys.dtype(), Type(context.dtype(0), {}))));
}

bool expand_zip_map(Builder& builder, Node& node) {
  Value* keys = builder.constant(labels(node, kClassStrings, kClassInts));
  builder.replace(node, 0, builder.op_in("dlc", "ZipMaps", {node.input(0), keys}));
  return true;
}

// ---- dlc.ZipMaps: inputs values [rows, count] or [count] and keys [count]; the sequence of one map a row

void infer_zip_maps(InferContext& context) {
  context.set_output(0, Type::sequence(Type::map(context.dtype(1), Type(context.dtype(0), {}))));
}

void lower_zip_maps(LowerContext& context) {
  const Shape& shape = context.input_shape(0);
  check_equal(context, shape.back(), context.input_shape(1)[0], "number of classes");
  context.call({.symbol = "dlc_zip_maps",
                .inputs = {handle_of_input(context, 1), context.dense(context.input(0))},
                .outputs = {context.output()},
                .params = {dim(shape.size() == 2 ? shape[0] : Dim(1)), dim(shape.back()),
                           integer(static_cast<int64_t>(context.input_type(0).dtype))}});
}

// ---- dlc.MapParts: input a map; outputs its keys and values, both [count]

void infer_map_parts(InferContext& context) {
  const Type& value = element_of(context, 0, TypeKind::kMap);
  Dim count = context.fresh_symbol("entries");
  context.set_output(0, Type(context.input_type(0).key, {count}));
  context.set_output(1, Type(value.tensor.dtype, {count}));
}

void lower_map_parts(LowerContext& context) {
  for (size_t i = 0; i < 2; ++i) {
    if (!context.has_output(i)) continue;
    BufferId position = context.temp(DType::kInt64, {}, "part");
    context.map(position, [&](const Index&) { return integer(static_cast<int64_t>(i)); });
    call_for_output(
        context,
        {.symbol = "dlc_sequence_at", .inputs = {context.input(0), position}, .outputs = {}, .params = {}},
        i);
  }
}

// ---- DictVectorizer, CastMap

// A row of `columns` elements: values[i] at column positions[i], zeros where there is none. Positions that
// are no column are left out.
Value* spread(Builder& builder, Value* values, Value* positions, int64_t columns) {
  Value* count = builder.scalar(DType::kInt64, static_cast<double>(columns));
  Value* zero = builder.scalar(DType::kInt64, 0);
  Value* is_column = builder.op(
      "And", {builder.op("GreaterOrEqual", {positions, zero}), builder.op("Less", {positions, count})});
  Value* targets = builder.op("Where", {is_column, positions, count});
  Tensor empty = values->dtype() == DType::kString
                     ? Tensor::from_strings({columns + 1}, Strings(static_cast<size_t>(columns) + 1))
                     : Tensor(values->dtype(), {columns + 1});
  Value* row = builder.op("ScatterElements", {builder.constant(std::move(empty)), targets, values});
  row = builder.op("Slice", {row, builder.ints({0}), builder.ints({columns})});
  return builder.op("Unsqueeze", {row, builder.ints({0})});
}

// Where each of the keys stands in the vocabulary; -1 where it does not.
Value* positions_in(Builder& builder, Value* keys, const Tensor& vocabulary) {
  if (keys->dtype() == DType::kString)
    return builder.op_in("dlc", "StringFind", {keys}, {{"strings", vocabulary.strings()}});
  Value* column = builder.op("Unsqueeze", {keys, builder.ints({1})});
  Value* same = builder.cast(builder.op("Equal", {column, builder.constant(vocabulary)}), DType::kInt64);
  Ints numbers(static_cast<size_t>(vocabulary.size()));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int64_t>(i) + 1;
  Value* numbered = builder.mul(same, builder.ints(std::move(numbers)));
  return builder.sub(builder.reduce("ReduceMax", numbered, {1}, false), builder.scalar(DType::kInt64, 1));
}

constexpr const char* kVocabularyStrings = "string_vocabulary";
constexpr const char* kVocabularyInts = "int64_vocabulary";

void infer_dict_vectorizer(InferContext& context) {
  require_one_of(context, kVocabularyStrings, kVocabularyInts);
  const Type& value = element_of(context, 0, TypeKind::kMap);
  Tensor vocabulary = labels(context.node(), kVocabularyStrings, kVocabularyInts);
  if (vocabulary.dtype() != context.input_type(0).key) {
    context.fail("input 0: expected a map with keys of type {}, found {}", onnx_name(vocabulary.dtype()),
                 to_string(context.input_type(0)));
  }
  context.set_output(0, Type(value.tensor.dtype, {1, vocabulary.size()}));
}

bool expand_dict_vectorizer(Builder& builder, Node& node) {
  Tensor vocabulary = labels(node, kVocabularyStrings, kVocabularyInts);
  std::vector<Value*> parts = builder.op_n("MapParts", 2, {node.input(0)}, {}, "dlc");
  Value* positions = positions_in(builder, parts[0], vocabulary);
  builder.replace(node, 0, spread(builder, parts[1], positions, vocabulary.size()));
  return true;
}

DType cast_target(const InferContext& context) {
  auto to = context.node().attribute<std::string>("cast_to", "TO_FLOAT");
  if (to == "TO_FLOAT") return DType::kFloat;
  if (to == "TO_INT64") return DType::kInt64;
  if (to == "TO_STRING") return DType::kString;
  context.fail("attribute 'cast_to': expected TO_FLOAT, TO_INT64 or TO_STRING, found '{}'", to);
}

bool is_sparse(const Node& node) { return node.attribute<std::string>("map_form", "DENSE") == "SPARSE"; }

void infer_cast_map(InferContext& context) {
  element_of(context, 0, TypeKind::kMap);
  auto form = context.node().attribute<std::string>("map_form", "DENSE");
  if (form != "DENSE" && form != "SPARSE")
    context.fail("attribute 'map_form': expected DENSE or SPARSE, found '{}'", form);
  auto columns = context.node().attribute<int64_t>("max_map", 1);
  constexpr int64_t kMostColumns = 1 << 24;
  if (is_sparse(context.node()) && (columns < 0 || columns > kMostColumns))
    context.fail("attribute 'max_map': expected 0 to {}, found {}", kMostColumns, columns);
  Dim count = is_sparse(context.node()) ? Dim(columns) : context.fresh_symbol("entries");
  context.set_output(0, Type(cast_target(context), {1, count}));
}

bool expand_cast_map(Builder& builder, Node& node) {
  std::vector<Value*> parts = builder.op_n("MapParts", 2, {node.input(0)}, {}, "dlc");
  Value* values = builder.cast(parts[1], node.output()->dtype());
  Value* row = nullptr;
  if (is_sparse(node)) {
    row = spread(builder, values, parts[0], node.attribute<int64_t>("max_map", 1));
  } else {
    // In the order of the keys.
    Value* count = builder.op("Shape", {parts[0]});
    std::vector<Value*> order = builder.op_n("TopK", 2, {parts[0], count}, {{"largest", int64_t{0}}});
    row = builder.op("Unsqueeze", {builder.op("Gather", {values, order[1]}), builder.ints({0})});
  }
  builder.replace(node, 0, row);
  return true;
}

}  // namespace

std::vector<OpDef> map_records() {
  const std::string ml(kMlDomain);
  return {
      {.domain = ml, .name = "ZipMap", .infer = infer_zip_map, .expand = expand_zip_map},
      {.domain = ml,
       .name = "DictVectorizer",
       .infer = infer_dict_vectorizer,
       .expand = expand_dict_vectorizer},
      {.domain = ml, .name = "CastMap", .infer = infer_cast_map, .expand = expand_cast_map},
      {.domain = "dlc", .name = "ZipMaps", .infer = infer_zip_maps, .lower = lower_zip_maps},
      {.domain = "dlc", .name = "MapParts", .infer = infer_map_parts, .lower = lower_map_parts},
  };
}

}  // namespace dlc::ir
