#include "passes/reuse_inputs.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "passes/fusion/kernel_uses.h"

namespace dlc::passes {
namespace {

using ir::BufferId;

// Whether all that the value reads of the buffer is at the index.
bool reads_only_at(const ir::Program& program, const ir::Expr& value, BufferId input,
                   const std::vector<ir::Expr>& index) {
  if (value->op == ir::ExprOp::kLoad && ir::root_of(program, value->buffer) == input) {
    return value->buffer == input &&
           std::equal(value->args.begin(), value->args.end(), index.begin(), index.end(), ir::same);
  }
  return std::all_of(value->args.begin(), value->args.end(), [&](const ir::Expr& argument) {
    return reads_only_at(program, argument, input, index);
  });
}

std::optional<int64_t> number_of(const ir::Expr& value) {
  if (value->op == ir::ExprOp::kInt) return value->integer;
  return value->op == ir::ExprOp::kDim ? value->dim.constant() : std::nullopt;
}

// Of a loop inside one over pieces, of which the last may be shorter: from p * size to min(p * size + size,
// end) for every piece p. Nothing for other loops.
std::optional<int64_t> turns_in_pieces(const ir::For& pieces, const ir::For& loop) {
  const ir::Expr& begin = loop.begin;
  const bool is_piece = begin->op == ir::ExprOp::kMul && begin->args[0]->op == ir::ExprOp::kVar &&
                        begin->args[0]->var == pieces.var && loop.end->op == ir::ExprOp::kMin;
  const std::optional<int64_t> size = is_piece ? number_of(begin->args[1]) : std::nullopt;
  const std::optional<int64_t> end = is_piece ? number_of(loop.end->args[1]) : std::nullopt;
  const std::optional<int64_t> count = number_of(pieces.end);
  if (!size || !end || !count || *size <= 0 || number_of(pieces.begin) != 0) return std::nullopt;
  const bool covers =
      ir::same(loop.end->args[0], begin + ir::integer(*size)) && *count == (*end + *size - 1) / *size;
  return covers ? end : std::nullopt;
}

// A nest of loops around one store, in front of which are only scalars of the same turn.
struct ElementWriter {
  int64_t turns = 1;
  std::vector<const ir::Let*> scalars = {};
  const ir::Store* store = nullptr;
};

std::optional<ElementWriter> element_writer(const ir::Kernel& kernel) {
  const auto* nest = std::get_if<ir::LoopNest>(&kernel.body);
  if (nest == nullptr) return std::nullopt;
  ElementWriter result;
  const ir::Block* block = &nest->body;
  const ir::For* outer = nullptr;
  int64_t outer_turns = 1;
  while (block->size() == 1 && std::holds_alternative<ir::For>(block->front().node)) {
    const auto& loop = std::get<ir::For>(block->front().node);
    const std::optional<int64_t> begin = number_of(loop.begin);
    const std::optional<int64_t> end = number_of(loop.end);
    const bool is_plain = begin && end;
    const std::optional<int64_t> in_pieces =
        is_plain || outer == nullptr ? std::nullopt : turns_in_pieces(*outer, loop);
    if (!is_plain && !in_pieces) return std::nullopt;
    // What is counted in pieces is counted with them.
    if (in_pieces) result.turns /= std::max<int64_t>(outer_turns, 1);
    outer_turns = in_pieces ? *in_pieces : std::max<int64_t>(*end - *begin, 0);
    result.turns *= outer_turns;
    outer = in_pieces ? nullptr : &loop;
    block = &loop.body;
  }
  for (const ir::Stmt& statement : *block) {
    if (result.store != nullptr) return std::nullopt;
    if (const auto* let = std::get_if<ir::Let>(&statement.node)) {
      result.scalars.push_back(let);
    } else if ((result.store = std::get_if<ir::Store>(&statement.node)) == nullptr) {
      return std::nullopt;
    }
  }
  return result.store == nullptr ? std::nullopt : std::optional(result);
}

class InputReuse {
 public:
  explicit InputReuse(ir::Program& program) : program_(program) {
    KernelUses uses(program);
    std::map<const ir::Kernel*, KernelUses::Entry*> entries;
    for (KernelUses::Entry& entry : uses.entries()) entries[entry.kernel] = &entry;
    for (size_t i = 0; i < program.main.steps.size(); ++i) {
      Item item{.step = i};
      if (auto* kernel = std::get_if<ir::KernelStep>(&program.main.steps[i].node)) {
        const KernelUses::Entry& entry = *entries.at(&kernel->kernel);
        item.kernel = &kernel->kernel;
        item.reads = {entry.reads.begin(), entry.reads.end()};
        item.writes = {entry.writes.begin(), entry.writes.end()};
        entries.erase(&kernel->kernel);
      } else {
        add_fixed(program.main.steps[i]);
      }
      order_.push_back(std::move(item));
    }
    // What other regions and other steps use stays where it is.
    for (const auto& [kernel, entry] : entries) {
      fixed_.insert(entry->reads.begin(), entry->reads.end());
      fixed_.insert(entry->writes.begin(), entry->writes.end());
    }
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      const ir::Buffer& buffer = program.buffers[i];
      const auto id = static_cast<BufferId>(i);
      if (buffer.view) continue;
      if (buffer.kind == ir::BufferKind::kInput) inputs_[buffer.border_index] = id;
      if (buffer.kind == ir::BufferKind::kOutput) outputs_[buffer.border_index] = id;
    }
  }

  bool take(const Reuse& pair) {
    const auto input = inputs_.find(pair.input);
    const auto output = outputs_.find(pair.output);
    if (input == inputs_.end() || output == outputs_.end()) return false;
    const ir::Buffer& from = program_.buffer(input->second);
    const ir::Buffer& to = program_.buffer(output->second);
    if (from.dtype != to.dtype || from.shape != to.shape) return false;
    if (fixed_.contains(input->second) || fixed_.contains(output->second)) return false;
    const std::optional<size_t> writer = sole_writer(output->second);
    if (!writer || !writes_element_by_element(*order_[*writer].kernel, input->second, output->second))
      return false;
    if (!move_behind_readers(*writer, input->second)) return false;
    shared_[output->second] = input->second;
    return true;
  }

  void finish() {
    std::vector<ir::Step> steps;
    for (const Item& item : order_) steps.push_back(std::move(program_.main.steps[item.step]));
    program_.main.steps = std::move(steps);
  }

 private:
  void add_fixed(const ir::Step& step) {
    if (const auto* bind = std::get_if<ir::BindStep>(&step.node))
      fixed_.insert(ir::root_of(program_, bind->buffer));
    if (const auto* branch = std::get_if<ir::IfStep>(&step.node))
      fixed_.insert(ir::root_of(program_, branch->condition));
    const auto* loop = std::get_if<ir::WhileStep>(&step.node);
    if (loop != nullptr && loop->condition != BufferId::kNone)
      fixed_.insert(ir::root_of(program_, loop->condition));
  }

  struct Item {
    size_t step;  // of the program as it was
    ir::Kernel* kernel = nullptr;
    std::set<BufferId> reads = {};
    std::set<BufferId> writes = {};
  };

  // In the position of order_.
  std::optional<size_t> sole_writer(BufferId output) const {
    std::optional<size_t> found;
    for (size_t i = 0; i < order_.size(); ++i) {
      if (!order_[i].writes.contains(output)) continue;
      if (found) return std::nullopt;
      found = i;
    }
    return found;
  }

  // As many turns as elements write each of them once: as the only ones to write them, they write them all.
  bool writes_element_by_element(const ir::Kernel& kernel, BufferId input, BufferId output) const {
    const std::optional<ElementWriter> writer = element_writer(kernel);
    if (!writer || writer->store->buffer != output) return false;
    if (!(ir::product(program_.buffer(output).shape) == ir::Dim(writer->turns))) return false;
    const auto reads_own = [&](const ir::Expr& value) {
      return reads_only_at(program_, value, input, writer->store->index);
    };
    return reads_own(writer->store->value) &&
           std::all_of(writer->store->index.begin(), writer->store->index.end(), reads_own) &&
           std::all_of(writer->scalars.begin(), writer->scalars.end(),
                       [&](const ir::Let* scalar) { return reads_own(scalar->value); });
  }

  // The memory behind a buffer.
  BufferId memory_of(BufferId buffer) const {
    const auto found = shared_.find(buffer);
    return found == shared_.end() ? buffer : found->second;
  }
  bool share_memory(const std::set<BufferId>& a, const std::set<BufferId>& b) const {
    return std::any_of(a.begin(), a.end(), [&](BufferId x) {
      return std::any_of(b.begin(), b.end(), [&](BufferId y) { return memory_of(x) == memory_of(y); });
    });
  }

  bool move_behind_readers(size_t writer, BufferId input) {
    size_t last = writer;
    for (size_t i = 0; i < order_.size(); ++i) {
      if (order_[i].reads.contains(input)) last = std::max(last, i);
    }
    for (size_t i = writer + 1; i <= last; ++i) {
      const Item& between = order_[i];
      const bool may_swap = between.kernel != nullptr &&
                            !share_memory(between.reads, order_[writer].writes) &&
                            !share_memory(between.writes, order_[writer].reads) &&
                            !share_memory(between.writes, order_[writer].writes);
      if (!may_swap) return false;
    }
    const auto from = order_.begin() + static_cast<ptrdiff_t>(writer);
    std::rotate(from, from + 1, order_.begin() + static_cast<ptrdiff_t>(last) + 1);
    return true;
  }

  ir::Program& program_;
  std::vector<Item> order_;
  std::set<BufferId> fixed_;
  std::map<int, BufferId> inputs_;  // by their positions at the border
  std::map<int, BufferId> outputs_;
  std::map<BufferId, BufferId> shared_;  // outputs in the memory of inputs
};

}  // namespace

std::vector<Reuse> reuse_inputs(ir::Program& program, std::span<const Reuse> wanted) {
  std::vector<Reuse> result;
  if (wanted.empty()) return result;
  InputReuse reuse(program);
  for (const Reuse& pair : wanted) {
    if (reuse.take(pair)) result.push_back(pair);
  }
  reuse.finish();
  return result;
}

}  // namespace dlc::passes
