#include "passes/unpack_subbytes.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/kernel/lower.h"

namespace dlc::passes {

using ir::Buffer;
using ir::BufferId;
using ir::BufferKind;
using ir::Expr;
using ir::ExprOp;

namespace {

bool is_subbyte(DType type) {
  const int bits = bit_width(type);
  return bits > 0 && bits < 8;
}

DType byte_type(DType type) { return is_integer(type) && is_signed(type) ? DType::kInt8 : DType::kUint8; }

// The unsigned type that has the bits of a float of less than eight.
Expr to_byte(const Expr& value) {
  const DType type = value.type();
  if (!is_float(type)) return ir::cast(value, byte_type(type));
  return ir::cast(ir::make(ExprOp::kBitcast, DType::kUint4, {value}), DType::kUint8);
}

Expr from_byte(const Expr& byte, DType type) {
  if (!is_float(type)) return ir::cast(byte, type);
  return ir::make(ExprOp::kBitcast, type, {ir::cast(byte, DType::kUint4)});
}

class Unpacker {
 public:
  explicit Unpacker(ir::Program& program) : program_(program) {}

  void run() {
    replace_outputs();
    std::set<BufferId> roots;
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const Buffer& buffer = program_.buffers[i];
      const bool written = buffer.kind == BufferKind::kTemp || buffer.kind == BufferKind::kState;
      if (!buffer.view && written && is_subbyte(buffer.dtype)) roots.insert(static_cast<BufferId>(i));
    }
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const auto id = static_cast<BufferId>(i);
      if (!roots.contains(ir::root_of(program_, id))) continue;
      Buffer& buffer = program_.buffers[i];
      types_[id] = buffer.dtype;
      buffer.dtype = byte_type(buffer.dtype);
    }
    ir::for_each_region(program_.main, [this](ir::Region& region) { rewrite(region); });
    for (const auto& [output, bytes] : outputs_) pack(bytes, output);
  }

 private:
  // Every output of sub-byte elements gets a temporary, which takes its place in all kernels and views.
  void replace_outputs() {
    const size_t count = program_.buffers.size();
    for (size_t i = 0; i < count; ++i) {
      const Buffer output = program_.buffers[i];
      if (output.kind != BufferKind::kOutput || output.view || !is_subbyte(output.dtype)) continue;
      Buffer bytes = output;
      bytes.kind = BufferKind::kTemp;
      bytes.border_index = -1;
      outputs_[static_cast<BufferId>(i)] = program_.add_buffer(std::move(bytes));
    }
    for (size_t i = 0; i < count; ++i) {
      if (auto& view = program_.buffers[i].view) view->base = renamed(view->base);
    }
  }

  BufferId renamed(BufferId id) const {
    const auto it = outputs_.find(id);
    return it == outputs_.end() ? id : it->second;
  }

  Expr loads(const Expr& e) const {
    return ir::rewrite(e, [&](const Expr& node) {
      if (node->op != ExprOp::kLoad) return Expr();
      const BufferId id = renamed(node->buffer);
      const auto it = types_.find(id);
      if (it == types_.end()) return Expr();
      return from_byte(ir::load(id, program_.buffer(id).dtype, node->args), it->second);
    });
  }

  Expr stored(BufferId id, const Expr& value) const {
    return value && types_.contains(id) ? to_byte(value) : value;
  }

  void rewrite(ir::Kernel& kernel) {
    ir::rewrite_exprs(kernel, [&](const Expr& e) { return loads(e); });
    if (auto* nest = std::get_if<ir::LoopNest>(&kernel.body)) {
      ir::for_each_stmt(nest->body, [&](ir::Stmt& stmt) {
        const auto redirect = [&](auto& write) {
          write.buffer = renamed(write.buffer);
          write.value = stored(write.buffer, write.value);
        };
        if (auto* store = std::get_if<ir::Store>(&stmt.node)) redirect(*store);
        if (auto* scatter = std::get_if<ir::Scatter>(&stmt.node)) redirect(*scatter);
      });
    } else if (auto* c = std::get_if<ir::Contraction>(&kernel.body)) {
      c->a.buffer = renamed(c->a.buffer);
      c->b.buffer = renamed(c->b.buffer);
      c->out = renamed(c->out);
      c->epilogue = stored(c->out, c->epilogue);
    }
  }

  // Runtime kernels take whole bytes: a packed input or constant is unpacked before.
  std::vector<ir::Step> prepare(ir::Call& call) {
    std::vector<ir::Step> before;
    for (BufferId& id : call.outputs) id = renamed(id);
    for (BufferId& id : call.inputs) {
      id = renamed(id);
      if (id == BufferId::kNone || !is_subbyte(program_.buffer(id).dtype)) continue;
      const Buffer packed = program_.buffer(id);
      const BufferId bytes = program_.add_buffer({.name = packed.name + ".bytes",
                                                  .kind = BufferKind::kTemp,
                                                  .dtype = byte_type(packed.dtype),
                                                  .shape = packed.shape});
      std::vector<ir::VarId> vars;
      std::vector<Expr> index;
      for (size_t i = 0; i < packed.shape.size(); ++i) {
        vars.push_back(program_.fresh_var());
        index.push_back(ir::var(vars.back()));
      }
      ir::Block body = ir::nest(vars, packed.shape, vars.size(),
                                {ir::store(bytes, index, to_byte(ir::load(id, packed.dtype, index)))});
      before.push_back({ir::KernelStep{ir::Kernel{"unpack", packed.name, ir::LoopNest{std::move(body)}}}});
      id = bytes;
    }
    return before;
  }

  void rewrite(ir::Region& region) {
    for (size_t i = 0; i < region.steps.size(); ++i) {
      auto* step = std::get_if<ir::KernelStep>(&region.steps[i].node);
      if (step == nullptr) continue;
      auto* call = std::get_if<ir::Call>(&step->kernel.body);
      if (call == nullptr) {
        rewrite(step->kernel);
        continue;
      }
      std::vector<ir::Step> before = prepare(*call);
      region.steps.insert(region.steps.begin() + static_cast<std::ptrdiff_t>(i), before.begin(),
                          before.end());
      i += before.size();
    }
  }

  void pack(BufferId bytes, BufferId output) {
    const Buffer& buffer = program_.buffer(output);
    ir::Call call{.symbol = "dlc_pack",
                  .inputs = {bytes},
                  .outputs = {output},
                  .params = {ir::integer(bit_width(buffer.dtype))}};
    program_.main.steps.push_back({ir::KernelStep{ir::Kernel{"pack", buffer.name, std::move(call)}}});
  }

  ir::Program& program_;
  std::map<BufferId, BufferId> outputs_;  // to the temporaries that stand for them
  std::map<BufferId, DType> types_;       // the element type that a buffer of bytes stands for
};

}  // namespace

void unpack_subbytes(ir::Program& program, const Options&) {
  const bool any = std::any_of(program.buffers.begin(), program.buffers.end(),
                               [](const Buffer& buffer) { return is_subbyte(buffer.dtype); });
  if (any) Unpacker(program).run();
}

}  // namespace dlc::passes
