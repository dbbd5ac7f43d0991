// TfIdfVectorizer: n-grams are looked up in hash tables that are made here; strings count by their position
// in the pool.
#include <algorithm>
#include <map>

#include "ir/builder.h"
#include "ir/ops/infer_util.h"
#include "ir/ops/lower_util.h"
#include "ir/ops/value_util.h"
#include "runtime/format/ngrams.h"

namespace dlc::ir {
namespace {

using Strings = std::vector<std::string>;
using Ints = std::vector<int64_t>;

bool has_strings(const Node& node) { return node.has("pool_strings"); }

size_t pool_size(const Node& node) {
  return has_strings(node) ? node.attribute<Strings>("pool_strings").size()
                           : node.attribute<Ints>("pool_int64s", {}).size();
}

int64_t column_count(const Node& node) {
  const auto& columns = node.attribute<Ints>("ngram_indexes");
  return columns.empty() ? 0 : *std::max_element(columns.begin(), columns.end()) + 1;
}

// Where the n-grams of length n lie in the pool.
struct PoolRange {
  size_t begin = 0;
  size_t end = 0;
};
PoolRange pool_range(const Node& node, size_t n) {
  const auto& starts = node.attribute<Ints>("ngram_counts");
  size_t end = n < starts.size() ? static_cast<size_t>(starts[n]) : pool_size(node);
  return {static_cast<size_t>(starts[n - 1]), end};
}

void check_pool(const InferContext& context) {
  const Node& node = context.node();
  if (node.has("pool_int64s") == has_strings(node))
    context.fail("expected one of the attributes 'pool_strings' and 'pool_int64s'");
  const auto& starts = node.attribute<Ints>("ngram_counts");
  const auto& columns = node.attribute<Ints>("ngram_indexes");
  size_t grams = 0;
  for (size_t n = 1; n <= starts.size(); ++n) {
    if (starts[n - 1] < 0) context.fail("attribute 'ngram_counts': found {}", starts[n - 1]);
    PoolRange range = pool_range(node, n);
    if (range.begin > range.end || range.end > pool_size(node) || (range.end - range.begin) % n != 0) {
      context.fail("attribute 'ngram_counts': {}-grams at [{}, {}) in a pool of {} items", n, range.begin,
                   range.end, pool_size(node));
    }
    grams += (range.end - range.begin) / n;
  }
  if (grams != columns.size())
    context.fail("attribute 'ngram_indexes': expected {} numbers, found {}", grams, columns.size());
  for (int64_t column : columns) {
    constexpr int64_t kMost = int64_t{1} << 31;
    if (column < 0 || column >= kMost) context.fail("attribute 'ngram_indexes': found {}", column);
  }
}

void check_lengths(const InferContext& context) {
  const Node& node = context.node();
  auto least = node.attribute<int64_t>("min_gram_length");
  auto most = node.attribute<int64_t>("max_gram_length");
  auto given = static_cast<int64_t>(node.attribute<Ints>("ngram_counts").size());
  if (least < 1 || most < least || most > given)
    context.fail("n-grams of {} to {} items, expected at least 1 and at most {}", least, most, given);
  if (node.attribute<int64_t>("max_skip_count") < 0) context.fail("attribute 'max_skip_count' is negative");
  auto mode = node.attribute<std::string>("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    context.fail("attribute 'mode': expected TF, IDF or TFIDF, found '{}'", mode);
  auto weights = node.attribute<std::vector<double>>("weights", {});
  size_t grams = node.attribute<Ints>("ngram_indexes").size();
  if (!weights.empty() && weights.size() != grams)
    context.fail("attribute 'weights': expected {} numbers, found {}", grams, weights.size());
}

void infer_vectorizer(InferContext& context) {
  check_pool(context);
  check_lengths(context);
  if ((context.dtype(0) == DType::kString) != has_strings(context.node()))
    context.fail("input 0: {} do not occur in the pool", name(context.dtype(0)));
  const Shape& shape = context.shape(0);
  if (shape.empty() || shape.size() > 2)
    context.fail("input 0: expected rank 1 or 2, found shape {}", to_string(shape));
  Shape result = {column_count(context.node())};
  if (shape.size() == 2) result.insert(result.begin(), shape[0]);
  context.set_output(0, Type(DType::kFloat, std::move(result)));
}

// The pool as numbers: of a string, its last position among the distinct strings.
Ints pool_items(const Node& node, Strings& distinct) {
  if (!has_strings(node)) return node.attribute<Ints>("pool_int64s", {});
  std::map<std::string, int64_t> numbers;
  Ints items;
  for (const std::string& text : node.attribute<Strings>("pool_strings")) {
    auto [it, is_new] = numbers.emplace(text, static_cast<int64_t>(distinct.size()));
    if (is_new) distinct.push_back(text);
    items.push_back(it->second);
  }
  return items;
}

// A hash table of n-grams: their numbers.
Ints hash_table(const std::map<Ints, int64_t>& grams) {
  size_t size = 2;
  while (size < 2 * grams.size()) size *= 2;
  Ints table(size, -1);
  int64_t number = 0;
  for (const auto& [gram, column] : grams) {
    size_t slot = hash_items(gram.data(), static_cast<int64_t>(gram.size()), 1) & (size - 1);
    while (table[slot] >= 0) slot = (slot + 1) & (size - 1);
    table[slot] = number++;
  }
  return table;
}

// As dlc_ngrams() takes them, for each length from the least to the most.
Ints gram_tables(const Node& node, const Ints& items) {
  const auto& columns = node.attribute<Ints>("ngram_indexes");
  auto least = static_cast<size_t>(node.attribute<int64_t>("min_gram_length"));
  auto most = static_cast<size_t>(node.attribute<int64_t>("max_gram_length"));
  Ints tables;
  size_t next = 0;
  for (size_t n = 1; n <= most; ++n) {
    std::map<Ints, int64_t> grams;
    PoolRange range = pool_range(node, n);
    for (size_t at = range.begin; at < range.end; at += n) {
      auto begin = items.begin() + static_cast<ptrdiff_t>(at);
      grams[Ints(begin, begin + static_cast<ptrdiff_t>(n))] = columns[next++];
    }
    if (n < least) continue;
    tables.push_back(static_cast<int64_t>(n));
    tables.push_back(static_cast<int64_t>(grams.size()));
    Ints table = hash_table(grams);
    tables.push_back(static_cast<int64_t>(table.size()));
    for (const auto& [gram, column] : grams) {
      tables.insert(tables.end(), gram.begin(), gram.end());
      tables.push_back(column);
    }
    tables.insert(tables.end(), table.begin(), table.end());
  }
  return tables;
}

bool expand_vectorizer(Builder& builder, Node& node) {
  Strings distinct;
  Ints tables = gram_tables(node, pool_items(node, distinct));
  Value* items = has_strings(node)
                     ? builder.op_in("dlc", "StringFind", {node.input(0)}, {{"strings", std::move(distinct)}})
                     : builder.cast(node.input(0), DType::kInt64);
  int64_t lengths =
      node.attribute<int64_t>("max_gram_length") - node.attribute<int64_t>("min_gram_length") + 1;
  Value* counts = builder.op_in("dlc", "NGrams", {items, builder.ints(std::move(tables))},
                                {{"lengths", lengths},
                                 {"max_skip_count", node.attribute<int64_t>("max_skip_count")},
                                 {"columns", column_count(node)}});
  auto mode = node.attribute<std::string>("mode");
  auto weights = node.attribute<std::vector<double>>("weights", {});
  Value* result = counts;
  if (mode == "IDF") result = builder.op("Min", {counts, builder.scalar(DType::kFloat, 1)});
  if (mode != "TF" && !weights.empty()) {
    const auto& columns = node.attribute<Ints>("ngram_indexes");
    Tensor factors(DType::kFloat, {column_count(node)});
    for (size_t i = 0; i < weights.size(); ++i) factors.set_double(columns[i], weights[i]);
    result = builder.mul(result, builder.constant(std::move(factors)));
  }
  builder.replace(node, 0, result);
  return true;
}

// ---- dlc.NGrams: how often the n-grams of a table occur in each row

void infer_ngrams(InferContext& context) {
  Shape shape = context.shape(0);
  shape.back() = context.node().attribute<int64_t>("columns");
  context.set_output(0, Type(DType::kFloat, std::move(shape)));
}

void lower_ngrams(LowerContext& context) {
  const Node& node = context.node();
  const Shape& shape = context.input_shape(0);
  Dim rows = shape.size() == 2 ? shape[0] : Dim(1);
  context.call({.symbol = "dlc_ngrams",
                .inputs = {context.dense(context.input(0)), context.input(1)},
                .outputs = {context.output()},
                .params = {integer(node.attribute<int64_t>("lengths")),
                           integer(node.attribute<int64_t>("max_skip_count")), dim(rows),
                           integer(node.attribute<int64_t>("columns")), dim(shape.back())}});
}

}  // namespace

std::vector<OpDef> tfidf_records() {
  return {
      {.name = "TfIdfVectorizer", .infer = infer_vectorizer, .expand = expand_vectorizer},
      {.domain = "dlc", .name = "NGrams", .infer = infer_ngrams, .lower = lower_ngrams},
  };
}

}  // namespace dlc::ir
