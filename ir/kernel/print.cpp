#include "ir/kernel/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ir/kernel/names.h"
#include "ir/kernel/text.h"

namespace dlc::ir {

namespace {

class Printer {
 public:
  std::string text;

  void line(std::string_view content) {
    text.append(static_cast<size_t>(2 * depth_), ' ');
    text += content;
    text += '\n';
  }
  template <class F>
  void nested(std::string_view head, F&& body, std::string_view tail = "}") {
    line(head);
    ++depth_;
    body();
    --depth_;
    line(tail);
  }

  void print(const Block& block) {
    for (const Stmt& stmt : block) print(stmt);
  }
  void print(const Stmt& stmt);
  void print(const Kernel& kernel);
  void print(const Contraction& contraction);
  void print(const Attention& attention);
  void print(const Region& region) {
    for (const Step& step : region.steps) print(step);
  }
  void print(const Step& step);

 private:
  int depth_ = 0;
};

void Printer::print(const Stmt& stmt) {
  if (const auto* loop = std::get_if<For>(&stmt.node)) {
    nested(fmt::format("{} {} in {}..{} {{", name_in(loop_kind_names(), loop->kind), var_text(loop->var),
                       to_string(loop->begin), to_string(loop->end)),
           [&] { print(loop->body); });
  } else if (const auto* store = std::get_if<Store>(&stmt.node)) {
    line(fmt::format("{} = {}", index_text(store->buffer, store->index), to_string(store->value)));
  } else if (const auto* let = std::get_if<Let>(&stmt.node)) {
    line(fmt::format("let {} = {}", var_text(let->var), to_string(let->value)));
  } else if (const auto* reduce = std::get_if<Reduce>(&stmt.node)) {
    line(fmt::format("reduce {} {} {}", var_text(reduce->var), name_in(combiner_names(), reduce->combiner),
                     to_string(reduce->value)));
  } else if (const auto* assign = std::get_if<Assign>(&stmt.node)) {
    line(fmt::format("{} = {}", var_text(assign->var), to_string(assign->value)));
  } else if (const auto* branch = std::get_if<If>(&stmt.node)) {
    nested(fmt::format("if {} {{", to_string(branch->condition)), [&] { print(branch->then_body); });
  } else if (const auto* scatter = std::get_if<Scatter>(&stmt.node)) {
    line(fmt::format("scatter {} {} {}", index_text(scatter->buffer, scatter->index),
                     name_in(combiner_names(), scatter->combiner), to_string(scatter->value)));
  }
}

std::string operand_text(const Operand& operand) {
  std::string text = index_text(operand.buffer, operand.index);
  if (operand.padded) text += " padded";
  if (operand.zero_point) text += " zero_point " + to_string(operand.zero_point);
  return text;
}

std::string schedule_text(const ContractionSchedule& schedule) {
  std::string text =
      fmt::format("schedule {} panel {}", name_in(algorithm_names(), schedule.algorithm), schedule.panel);
  if (schedule.b_packed) text += " packed";
  if (schedule.winograd_tile != 0) text += fmt::format(" winograd {}", schedule.winograd_tile);
  if (schedule.group != 1) text += fmt::format(" group {}", schedule.group);
  return text;
}

void Printer::print(const Contraction& contraction) {
  for (const ContractionAxis& axis : contraction.axes) {
    line(fmt::format("{} {} in {}", name_in(axis_role_names(), axis.role), var_text(axis.var),
                     dim_text(axis.extent)));
  }
  line("a = " + operand_text(contraction.a));
  line("b = " + operand_text(contraction.b));
  line(fmt::format("sum {} {}", dlc::name(contraction.accumulator_type), var_text(contraction.accumulator)));
  if (const PartialSums& parts = contraction.parts; contraction.has_parts()) {
    line(fmt::format("parts {} {} {} = {}", var_text(parts.axis), dlc::name(parts.type), var_text(parts.sum),
                     to_string(parts.term)));
  }
  if (contraction.schedule.row_sum != VarId::kNone) line("row_sum " + var_text(contraction.schedule.row_sum));
  line(fmt::format("{} = {}", index_text(contraction.out, contraction.out_index),
                   to_string(contraction.epilogue)));
  line(schedule_text(contraction.schedule));
}

void Printer::print(const Attention& attention) {
  auto axis = [&](std::string_view role, const LoopAxis& axis) {
    line(fmt::format("{} {} in {}", role, var_text(axis.var), dim_text(axis.extent)));
  };
  for (const LoopAxis& batch : attention.batch) axis("batch", batch);
  for (const LoopAxis& row : attention.rows) axis("row", row);
  axis("key", attention.key);
  axis("depth", attention.depth);
  axis("column", attention.column);
  line("q = " + index_text(attention.q.buffer, attention.q.index));
  line("k = " + index_text(attention.k.buffer, attention.k.index));
  line("v = " + index_text(attention.v.buffer, attention.v.index));
  line(fmt::format("product {} {}", dlc::name(attention.accumulator_type), var_text(attention.product)));
  line("score " + to_string(attention.score));
  if (attention.first_key) line("first " + to_string(attention.first_key));
  if (attention.last_key) line("last " + to_string(attention.last_key));
  line(fmt::format("guard {}", name_in(row_guard_names(), attention.guard)));
  line("result " + var_text(attention.result));
  line(fmt::format("{} = {}", index_text(attention.out.buffer, attention.out.index),
                   to_string(attention.epilogue)));
}

template <class List, class F>
std::string joined(const List& list, const F& text_of) {
  std::vector<std::string> texts;
  for (const auto& item : list) texts.push_back(text_of(item));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string call_text(const Call& call) {
  std::string text = fmt::format("{}({}) -> ({})", call.symbol, joined(call.inputs, buffer_text),
                                 joined(call.outputs, buffer_text));
  if (!call.params.empty()) {
    text += " params(" + joined(call.params, [](const Expr& e) { return to_string(e); }) + ")";
  }
  if (!call.bindings.empty()) {
    text += " binds(" +
            joined(call.bindings,
                   [](const Call::Binding& b) {
                     return fmt::format("{}.{} {}", b.output, b.axis, Dim::symbol(b.symbol).to_string());
                   }) +
            ")";
  }
  return text;
}

void Printer::print(const Kernel& kernel) {
  const std::string names = quoted(kernel.name) + " " + quoted(kernel.origin);
  if (const auto* nest = std::get_if<LoopNest>(&kernel.body)) {
    nested("kernel " + names + " {", [&] { print(nest->body); });
  } else if (const auto* contraction = std::get_if<Contraction>(&kernel.body)) {
    nested("contraction " + names + " {", [&] { print(*contraction); });
  } else if (const auto* attention = std::get_if<Attention>(&kernel.body)) {
    nested("attention " + names + " {", [&] { print(*attention); });
  } else {
    line("call " + names + " " + call_text(std::get<Call>(kernel.body)));
  }
}

std::string symbol_text(const std::string& name) { return Dim::symbol(name).to_string(); }

void Printer::print(const Step& step) {
  if (const auto* kernel = std::get_if<KernelStep>(&step.node)) {
    print(kernel->kernel);
  } else if (const auto* bind = std::get_if<BindStep>(&step.node)) {
    const std::string expected = bind->expected.empty() ? "" : " " + quoted(bind->expected);
    line(fmt::format("bind {} = {} in {}..{} {}{}", symbol_text(bind->symbol),
                     index_text(bind->buffer, bind->index), bind->minimum, bind->maximum, quoted(bind->what),
                     expected));
  } else if (const auto* set = std::get_if<SetStep>(&step.node)) {
    line(fmt::format("set {} = {}", symbol_text(set->symbol), dim_text(set->value)));
  } else if (const auto* branch = std::get_if<IfStep>(&step.node)) {
    nested(
        fmt::format("if {} {{", buffer_text(branch->condition)), [&] { print(branch->then_region); },
        "} else {");
    ++depth_;
    print(branch->else_region);
    --depth_;
    line("}");
  } else if (const auto* repeat = std::get_if<RepeatStep>(&step.node)) {
    nested(fmt::format("repeat {} in {} {{", symbol_text(repeat->symbol), dim_text(repeat->count)),
           [&] { print(repeat->body); });
  } else if (const auto* loop = std::get_if<WhileStep>(&step.node)) {
    const std::string trip = loop->trip ? " trip " + dim_text(*loop->trip) : "";
    nested(fmt::format("while {} counter {}{} {{", buffer_text(loop->condition), symbol_text(loop->counter),
                       trip),
           [&] { print(loop->body); });
  } else if (const auto* test = std::get_if<CheckStep>(&step.node)) {
    line(fmt::format("check {} == {} {}", dim_text(test->lhs), dim_text(test->rhs), quoted(test->message)));
  }
}

std::string view_text(const View& view) {
  std::string text(name_in(view_kind_names(), view.kind));
  if (view.kind == ViewKind::kPermute) text += fmt::format("({})", fmt::join(view.perm, ", "));
  if (view.kind == ViewKind::kSlice) {
    text += "(";
    for (size_t i = 0; i < view.start.size(); ++i) {
      text += (i == 0 ? "" : ", ") + dim_text(view.start[i]) + ":" + dim_text(view.step[i]);
    }
    text += ")";
  }
  return text + " " + buffer_text(view.base);
}

std::string buffer_line(BufferId id, const Buffer& buffer) {
  std::string text = buffer_text(id) + " = ";
  text += buffer.view ? view_text(*buffer.view) : std::string(name_in(buffer_kind_names(), buffer.kind));
  text += fmt::format(" {}{}", dlc::name(buffer.dtype), to_string(buffer.shape));
  if (!buffer.order.empty()) text += fmt::format(" order({})", fmt::join(buffer.order, ", "));
  if (buffer.constant.defined()) text += " " + constant_text(buffer.constant);
  if (buffer.border_index >= 0) text += fmt::format(" at {}", buffer.border_index);
  if (buffer.border_type) text += " holding " + quoted(to_string(*buffer.border_type));
  return text + " " + quoted(buffer.name);
}

}  // namespace

std::string to_text(const Kernel& kernel) {
  Printer printer;
  printer.print(kernel);
  return printer.text;
}

std::string to_text(const Program& program) {
  Printer printer;
  printer.line("program " + quoted(program.name));
  for (const auto& [name, info] : program.symbols) {
    std::string text = "symbol " + symbol_text(name);
    if (info.from_input) text += " input";
    if (info.upper_bound) text += " most " + dim_text(*info.upper_bound);
    printer.line(text);
  }
  for (size_t id = 0; id < program.buffers.size(); ++id) {
    printer.line(buffer_line(static_cast<BufferId>(id), program.buffers[id]));
  }
  printer.print(program.main);
  return printer.text;
}

}  // namespace dlc::ir
