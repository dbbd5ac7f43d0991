// Operators on tensors of strings. Those that only move elements are the same as for numbers: in kernels a
// string is a handle of 64 bits.
#include <algorithm>

#include "ir/builder.h"
#include "ir/kernel/strings.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/runtime_dims.h"
#include "ir/ops/value_util.h"

namespace dlc::ir {
namespace {

using Strings = std::vector<std::string>;

void require_strings(const InferContext& context, size_t input) {
  if (context.dtype(input) != DType::kString)
    context.fail("input {}: expected strings, found {}", input, name(context.dtype(input)));
}

BufferId dense_input(LowerContext& context, size_t i) { return context.dense(context.input(i)); }

// Input i, repeated to the shape of output 0.
BufferId broadcast_input(LowerContext& context, size_t i) {
  const Shape& shape = context.output_shape();
  check_broadcast(context, context.input_shape(i), shape, "input");
  if (context.input_shape(i) == shape) return dense_input(context, i);
  BufferId repeated = context.temp(DType::kInt64, shape, "repeated");
  context.map(repeated,
              [&](const Index& index) { return context.at_broadcast(context.input(i), index, shape); });
  return repeated;
}

// ---- dlc.SameText: whether two strings are equal

template <DType kResult>
void infer_pair(InferContext& context) {
  require_strings(context, 0);
  require_strings(context, 1);
  context.set_output(0, Type(kResult, broadcast_inputs(context)));
}

void lower_pair(LowerContext& context, const char* symbol) {
  std::vector<BufferId> inputs = {broadcast_input(context, 0), broadcast_input(context, 1)};
  context.call({.symbol = symbol, .inputs = std::move(inputs), .outputs = {context.output()}, .params = {}});
}
void lower_same_text(LowerContext& context) { lower_pair(context, "dlc_string_equal"); }
void lower_concat(LowerContext& context) { lower_pair(context, "dlc_string_concat"); }

// ---- dlc.StringRank: numbers of the same order, equal for equal strings

void infer_rank(InferContext& context) {
  require_strings(context, 0);
  context.set_output(0, Type(DType::kInt64, context.shape(0)));
}

void lower_rank(LowerContext& context) {
  BufferId distinct =
      context.temp(DType::kInt64, {product(context.input_shape(0)) * Dim(7) + Dim(2)}, "distinct");
  context.call({.symbol = "dlc_string_rank",
                .inputs = {dense_input(context, 0)},
                .outputs = {context.output(), distinct},
                .params = {}});
}

// ---- dlc.StringFind: the position of a string in the attribute `strings`, -1 where it is not there

void lower_find(LowerContext& context) {
  StringTable table = make_string_table(context.node().attribute<Strings>("strings"));
  std::vector<BufferId> inputs = {dense_input(context, 0), context.constant(table.strings, "strings"),
                                  context.constant(table.offsets, "offsets"),
                                  context.constant(table.table, "table")};
  context.call({.symbol = "dlc_string_find",
                .inputs = std::move(inputs),
                .outputs = {context.output()},
                .params = {}});
}

// ---- dlc.ParseNumbers, dlc.FormatNumbers: conversions from and to strings, of float32, float64, int64,
// uint64 and (to strings only) bool

void infer_parse(InferContext& context) {
  require_strings(context, 0);
  auto to = static_cast<DType>(context.node().attribute<int64_t>("to"));
  context.set_output(0, Type(to, context.shape(0)));
}

void infer_format(InferContext& context) { context.set_output(0, Type(DType::kString, context.shape(0))); }

void lower_conversion(LowerContext& context, const char* symbol) {
  context.call(
      {.symbol = symbol, .inputs = {dense_input(context, 0)}, .outputs = {context.output()}, .params = {}});
}
void lower_parse(LowerContext& context) { lower_conversion(context, "dlc_string_to_number"); }
void lower_format(LowerContext& context) { lower_conversion(context, "dlc_number_to_string"); }

// ---- StringSplit

void infer_split(InferContext& context) {
  require_strings(context, 0);
  Shape shape = context.shape(0);
  context.set_output(1, Type(DType::kInt64, shape));
  shape.push_back(context.fresh_symbol("parts"));
  context.set_output(0, Type(DType::kString, std::move(shape)));
}

void lower_split(LowerContext& context) {
  const Node& node = context.node();
  // Both outputs are made, whichever are in use.
  const Shape& counts_shape = context.input_shape(0);
  BufferId counts =
      context.has_output(1) ? context.output(1) : context.temp(DType::kInt64, counts_shape, "counts");
  Tensor delimiter = packed_strings({node.attribute<std::string>("delimiter", "")});
  Dim most = context.has_output(0) ? context.output_shape(0).back() : Dim::symbol(node.symbols()[0]);
  Shape parts_shape = counts_shape;
  parts_shape.push_back(most);
  BufferId parts =
      context.has_output(0) ? context.output(0) : context.temp(DType::kInt64, parts_shape, "parts");
  Call call{.symbol = "dlc_string_split",
            .inputs = {dense_input(context, 0), context.constant(std::move(delimiter), "delimiter")},
            .outputs = {parts, counts},
            .params = {integer(node.attribute<int64_t>("maxsplit", -1))}};
  call.bindings.push_back({0, counts_shape.size(), most.symbol_name()});
  context.call(std::move(call));
}

// ---- StringNormalizer

void infer_normalizer(InferContext& context) {
  require_strings(context, 0);
  auto action = context.node().attribute<std::string>("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER")
    context.fail("attribute 'case_change_action': expected NONE, LOWER or UPPER, found '{}'", action);
  Shape shape = context.shape(0);
  if (shape.empty() || shape.size() > 2) context.fail("input 0: expected shape [C] or [1, C]");
  if (shape.size() == 2) require_equal_extents(context, shape[0], 1, "number of rows");
  shape.back() = context.fresh_symbol("words", {max(Dim(1), shape.back())});
  context.set_output(0, Type(DType::kString, std::move(shape)));
}

void lower_normalizer(LowerContext& context) {
  const Node& node = context.node();
  const Shape& shape = context.input_shape(0);
  if (shape.size() == 2) check_equal(context, shape[0], 1, "number of rows");
  auto action = node.attribute<std::string>("case_change_action", "NONE");
  auto words = node.attribute<Strings>("stopwords", {});
  Call call{.symbol = "dlc_string_normalize",
            .inputs = {dense_input(context, 0), context.constant(packed_strings(words), "stopwords")},
            .outputs = {context.output(), context.temp(DType::kInt64, {shape.back()}, "kept")},
            .params = {integer(action == "LOWER"   ? 1
                               : action == "UPPER" ? 2
                                                   : 0),
                       integer(node.attribute<int64_t>("is_case_sensitive", 0)),
                       integer(static_cast<int64_t>(words.size()))}};
  const Shape& result = context.output_shape();
  call.bindings.push_back({0, result.size() - 1, result.back().symbol_name()});
  context.call(std::move(call));
}

}  // namespace

std::vector<OpDef> string_records() {
  return {
      {.name = "StringConcat", .infer = infer_pair<DType::kString>, .lower = lower_concat},
      {.name = "StringSplit", .infer = infer_split, .lower = lower_split},
      {.name = "StringNormalizer", .infer = infer_normalizer, .lower = lower_normalizer},
      {.domain = "dlc", .name = "SameText", .infer = infer_pair<DType::kBool>, .lower = lower_same_text},
      {.domain = "dlc", .name = "StringRank", .infer = infer_rank, .lower = lower_rank},
      {.domain = "dlc", .name = "StringFind", .infer = infer_rank, .lower = lower_find},
      {.domain = "dlc", .name = "ParseNumbers", .infer = infer_parse, .lower = lower_parse},
      {.domain = "dlc", .name = "FormatNumbers", .infer = infer_format, .lower = lower_format},
  };
}

}  // namespace dlc::ir
