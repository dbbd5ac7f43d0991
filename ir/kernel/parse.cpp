#include <fmt/format.h>

#include <cstdlib>

#include "ir/kernel/element.h"
#include "ir/kernel/names.h"
#include "ir/kernel/text.h"
#include "ir/kernel/text_reader.h"
#include "ir/text_scanner.h"

namespace dlc::ir {

namespace {

class ProgramReader {
 public:
  ProgramReader(std::string_view text, const ConstantOfHash& constants)
      : reader_(text), exprs_(reader_, program_), constants_(constants) {}

  Program read();

 private:
  void symbol();
  void buffer();
  View view(ViewKind kind);
  Tensor constant(DType type, const Shape& shape);
  Region region();
  Step step();
  Kernel kernel(std::string_view form);
  Block block();
  Stmt statement();
  For loop(LoopKind kind);
  Contraction contraction();
  Operand operand();
  ContractionSchedule schedule();
  Attention attention();
  LoopAxis axis();
  Element element();
  Call call();
  BindStep bind();

  template <class T>
  T one_of(std::span<const Named<T>> names, std::string_view what) {
    const std::string_view text = reader_.name(what);
    const std::optional<T> value = value_in(names, text);
    if (!value) reader_.fail_here("expected {}, found '{}'", what, text);
    return *value;
  }
  // item, item, ... until `end`, which is read.
  template <class F>
  void list(std::string_view end, const F& item) {
    for (bool first = true; !reader_.accept(end); first = false) {
      if (!first) reader_.expect(",");
      item();
    }
  }

  TextReader reader_;
  Program program_;
  ExprReader exprs_;
  const ConstantOfHash& constants_;
};

Program ProgramReader::read() {
  reader_.expect("program");
  program_.name = reader_.string();
  while (reader_.accept("symbol")) symbol();
  while (reader_.is("%")) buffer();
  while (!reader_.at_end()) program_.main.steps.push_back(step());
  program_.next_var = exprs_.next_var();
  return std::move(program_);
}

void ProgramReader::symbol() {
  SymbolInfo& info = program_.symbols[reader_.symbol()];
  info.from_input = reader_.accept("input");
  if (reader_.accept("most")) info.upper_bound = reader_.dim();
}

void ProgramReader::buffer() {
  reader_.expect("%");
  const int64_t id = reader_.integer();
  if (id != static_cast<int64_t>(program_.buffers.size())) {
    reader_.fail_here("expected buffer %{}, found %{}", program_.buffers.size(), id);
  }
  reader_.expect("=");
  Buffer buffer;
  const std::string_view form = reader_.name("a kind of buffer");
  if (const auto kind = value_in(buffer_kind_names(), form)) {
    buffer.kind = *kind;
  } else if (const auto view_kind = value_in(view_kind_names(), form)) {
    buffer.view = view(*view_kind);
  } else {
    reader_.fail_here("expected a kind of buffer, found '{}'", form);
  }
  buffer.dtype = exprs_.type();
  buffer.shape = reader_.shape();
  if (reader_.accept("order")) {
    reader_.expect("(");
    list(")", [&] { buffer.order.push_back(static_cast<int>(reader_.integer())); });
  }
  if (reader_.is("{") || reader_.is("#")) buffer.constant = constant(buffer.dtype, buffer.shape);
  if (reader_.accept("at")) buffer.border_index = static_cast<int>(reader_.integer());
  if (reader_.accept("holding")) buffer.border_type = TextScanner(reader_.string()).type();
  buffer.name = reader_.string();
  program_.buffers.push_back(std::move(buffer));
}

View ProgramReader::view(ViewKind kind) {
  View result{.base = BufferId::kNone, .kind = kind};
  if (reader_.accept("(")) {
    list(")", [&] {
      if (kind == ViewKind::kPermute) {
        result.perm.push_back(static_cast<int>(reader_.integer()));
        return;
      }
      result.start.push_back(reader_.dim());
      reader_.expect(":");
      result.step.push_back(reader_.dim());
    });
  }
  result.base = exprs_.buffer();
  return result;
}

Tensor ProgramReader::constant(DType type, const Shape& shape) {
  if (!is_static(shape)) reader_.fail_here("a constant of symbolic shape");
  const std::vector<int64_t> extents = static_shape(shape);
  if (reader_.accept("#")) {
    // A hash may look like a number, a name, or one after the other.
    std::string hash;
    while (reader_.peek().kind == TokenKind::kName || reader_.peek().kind == TokenKind::kNumber) {
      hash += reader_.peek().text;
      reader_.accept(reader_.peek().text);
    }
    if (!constants_) reader_.fail_here("the constant #{} is not at hand", hash);
    return constants_(hash, type, extents);
  }
  Tensor result(type, extents);
  int64_t count = 0;
  reader_.expect("{");
  list("}", [&] {
    if (count >= result.size()) reader_.fail_here("a constant has more than {} elements", result.size());
    Scalar value;
    if (type == DType::kBool) {
      value = scalar_of(reader_.accept("true") ? 1 : (reader_.expect("false"), 0));
    } else {
      const std::string text(reader_.number());
      if (is_real(type)) value = scalar_of_real(std::strtod(text.c_str(), nullptr));
      if (!is_real(type)) value = scalar_of(static_cast<int64_t>(std::strtoull(text.c_str(), nullptr, 10)));
    }
    write_element(result.mutable_data(), type, count++, value);
  });
  if (count != result.size())
    reader_.fail_here("a constant has {} elements, expected {}", count, result.size());
  return result;
}

Region ProgramReader::region() {
  Region result;
  reader_.expect("{");
  while (!reader_.accept("}")) result.steps.push_back(step());
  return result;
}

Step ProgramReader::step() {
  const std::string_view form = reader_.name("a step");
  if (form == "kernel" || form == "contraction" || form == "attention" || form == "call")
    return {KernelStep{kernel(form)}};
  if (form == "bind") return {bind()};
  if (form == "set") {
    SetStep result{.symbol = reader_.symbol(), .value = {}};
    reader_.expect("=");
    result.value = reader_.dim();
    return {result};
  }
  if (form == "check") {
    CheckStep result{.lhs = reader_.dim(), .rhs = {}, .message = {}};
    reader_.expect("==");
    result.rhs = reader_.dim();
    result.message = reader_.string();
    return {result};
  }
  if (form == "if") {
    IfStep result{.condition = exprs_.buffer(), .then_region = region(), .else_region = {}};
    reader_.expect("else");
    result.else_region = region();
    return {std::move(result)};
  }
  if (form == "repeat") {
    RepeatStep result{.symbol = reader_.symbol(), .count = {}, .body = {}};
    reader_.expect("in");
    result.count = reader_.dim();
    result.body = region();
    return {std::move(result)};
  }
  if (form != "while") reader_.fail_here("expected a step, found '{}'", form);
  WhileStep result{.condition = exprs_.buffer(), .counter = {}, .trip = {}, .body = {}};
  reader_.expect("counter");
  result.counter = reader_.symbol();
  if (reader_.accept("trip")) result.trip = reader_.dim();
  result.body = region();
  return {std::move(result)};
}

BindStep ProgramReader::bind() {
  BindStep result{
      .symbol = reader_.symbol(), .buffer = {}, .index = {}, .minimum = 0, .maximum = 0, .what = {}};
  reader_.expect("=");
  result.buffer = exprs_.buffer();
  result.index = exprs_.index();
  reader_.expect("in");
  result.minimum = reader_.integer();
  reader_.expect("..");
  result.maximum = reader_.integer();
  result.what = reader_.string();
  if (reader_.peek().kind == TokenKind::kString) result.expected = reader_.string();
  return result;
}

Kernel ProgramReader::kernel(std::string_view form) {
  Kernel result{.name = reader_.string(), .origin = reader_.string(), .body = {}};
  if (form == "kernel") result.body = LoopNest{block()};
  if (form == "contraction") result.body = contraction();
  if (form == "attention") result.body = attention();
  if (form == "call") result.body = call();
  return result;
}

Block ProgramReader::block() {
  Block result;
  reader_.expect("{");
  while (!reader_.accept("}")) result.push_back(statement());
  return result;
}

For ProgramReader::loop(LoopKind kind) {
  For result{.var = exprs_.variable(), .begin = {}, .end = {}, .kind = kind, .body = {}};
  exprs_.declare(result.var, DType::kInt64);
  reader_.expect("in");
  result.begin = exprs_.expression();
  reader_.expect("..");
  result.end = exprs_.expression();
  result.body = block();
  return result;
}

Stmt ProgramReader::statement() {
  if (reader_.is("%")) {
    Store result{.buffer = exprs_.buffer(), .index = exprs_.index(), .value = {}};
    reader_.expect("=");
    result.value = exprs_.expression();
    return {std::move(result)};
  }
  if (reader_.accept("let")) {
    Let result{.var = exprs_.variable(), .value = {}};
    reader_.expect("=");
    result.value = exprs_.expression();
    exprs_.declare(result.var, result.value.type());
    return {std::move(result)};
  }
  if (reader_.accept("reduce")) {
    const VarId var = exprs_.variable();
    const Combiner combiner = one_of(combiner_names(), "a combiner");
    return {Reduce{var, combiner, exprs_.expression()}};
  }
  if (reader_.accept("scatter")) {
    Scatter result{.buffer = exprs_.buffer(), .index = exprs_.index(), .combiner = {}, .value = {}};
    result.combiner = one_of(combiner_names(), "a combiner");
    result.value = exprs_.expression();
    return {std::move(result)};
  }
  if (reader_.accept("if")) {
    Expr condition = exprs_.expression();
    return {If{std::move(condition), block()}};
  }
  if (const auto kind = value_in(loop_kind_names(), reader_.peek().text)) {
    reader_.name("a loop");
    return {loop(*kind)};
  }
  const VarId var = exprs_.variable();
  reader_.expect("=");
  return {Assign{var, exprs_.expression()}};
}

Operand ProgramReader::operand() {
  reader_.expect("=");
  Operand result{.buffer = exprs_.buffer(), .index = exprs_.index()};
  result.padded = reader_.accept("padded");
  if (reader_.accept("zero_point")) result.zero_point = exprs_.expression();
  return result;
}

ContractionSchedule ProgramReader::schedule() {
  ContractionSchedule result;
  result.algorithm = one_of(algorithm_names(), "an algorithm");
  reader_.expect("panel");
  result.panel = static_cast<int>(reader_.integer());
  result.b_packed = reader_.accept("packed");
  if (reader_.accept("winograd")) result.winograd_tile = static_cast<int>(reader_.integer());
  if (reader_.accept("group")) result.group = static_cast<int>(reader_.integer());
  return result;
}

Contraction ProgramReader::contraction() {
  Contraction result;
  reader_.expect("{");
  while (const auto role = value_in(axis_role_names(), reader_.peek().text)) {
    reader_.name("a role");
    const VarId var = exprs_.variable();
    exprs_.declare(var, DType::kInt64);
    reader_.expect("in");
    result.axes.push_back({.var = var, .extent = reader_.dim(), .role = *role});
  }
  reader_.expect("a");
  result.a = operand();
  reader_.expect("b");
  result.b = operand();
  reader_.expect("sum");
  result.accumulator_type = exprs_.type();
  result.accumulator = exprs_.variable();
  exprs_.declare(result.accumulator, result.accumulator_type);
  if (reader_.accept("parts")) {
    result.parts.axis = exprs_.variable();
    result.parts.type = exprs_.type();
    result.parts.sum = exprs_.variable();
    exprs_.declare(result.parts.sum, result.parts.type);
    reader_.expect("=");
    result.parts.term = exprs_.expression();
  }
  VarId row_sum = VarId::kNone;
  if (reader_.accept("row_sum")) {
    row_sum = exprs_.variable();
    exprs_.declare(row_sum, result.accumulator_type);
  }
  result.out = exprs_.buffer();
  result.out_index = exprs_.index();
  reader_.expect("=");
  if (!reader_.accept("none")) result.epilogue = exprs_.expression();
  if (reader_.accept("schedule")) result.schedule = schedule();
  result.schedule.row_sum = row_sum;
  reader_.expect("}");
  return result;
}

LoopAxis ProgramReader::axis() {
  const VarId var = exprs_.variable();
  exprs_.declare(var, DType::kInt64);
  reader_.expect("in");
  return {.var = var, .extent = reader_.dim()};
}

Element ProgramReader::element() {
  const BufferId buffer = exprs_.buffer();
  return {.buffer = buffer, .index = exprs_.index()};
}

Attention ProgramReader::attention() {
  Attention result;
  auto named = [&](std::string_view name, std::string_view separator = "") {
    reader_.expect(name);
    if (!separator.empty()) reader_.expect(separator);
  };
  named("{");
  while (reader_.accept("batch")) result.batch.push_back(axis());
  while (reader_.accept("row")) result.rows.push_back(axis());
  named("key");
  result.key = axis();
  named("depth");
  result.depth = axis();
  named("column");
  result.column = axis();
  named("q", "=");
  result.q = element();
  named("k", "=");
  result.k = element();
  named("v", "=");
  result.v = element();
  named("product");
  result.accumulator_type = exprs_.type();
  result.product = exprs_.variable();
  exprs_.declare(result.product, result.accumulator_type);
  named("score");
  result.score = exprs_.expression();
  if (reader_.accept("first")) result.first_key = exprs_.expression();
  if (reader_.accept("last")) result.last_key = exprs_.expression();
  named("guard");
  result.guard = one_of(row_guard_names(), "a guard");
  named("result");
  result.result = exprs_.variable();
  exprs_.declare(result.result, result.accumulator_type);
  result.out = element();
  named("=");
  result.epilogue = exprs_.expression();
  named("}");
  return result;
}

Call ProgramReader::call() {
  Call result;
  result.symbol = reader_.name("a runtime kernel");
  reader_.expect("(");
  list(")", [&] { result.inputs.push_back(exprs_.buffer()); });
  reader_.expect("->");
  reader_.expect("(");
  list(")", [&] { result.outputs.push_back(exprs_.buffer()); });
  if (reader_.accept("params")) {
    reader_.expect("(");
    list(")", [&] { result.params.push_back(exprs_.expression()); });
  }
  if (reader_.accept("binds")) {
    reader_.expect("(");
    list(")", [&] {
      // "0.1" is one number to the reader.
      const std::string place(reader_.number());
      const size_t dot = place.find('.');
      if (dot == std::string::npos) reader_.fail_here("expected output.axis, found '{}'", place);
      result.bindings.push_back({.output = std::stoul(place.substr(0, dot)),
                                 .axis = std::stoul(place.substr(dot + 1)),
                                 .symbol = reader_.symbol()});
    });
  }
  return result;
}

}  // namespace

Program parse_program(std::string_view text, const ConstantOfHash& constants) {
  return ProgramReader(text, constants).read();
}

}  // namespace dlc::ir
