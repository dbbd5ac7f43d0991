// Kernel IR: a program of kernels over buffers.
//
// A Program has buffers, a tree of steps (kernels, runtime calls, control flow) and symbols. It is the form
// in which schedules and layouts are chosen, kernels fused, memory planned, and from which machine code is
// generated.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ir/graph.h"
#include "ir/kernel/expr.h"
#include "ir/limits.h"
#include "runtime/tensor.h"

namespace dlc::ir {

// ---- Buffers
// ------------------------------------------------------------------------------------------------

enum class BufferKind : uint8_t {
  kInput,     // caller's memory, dense row-major, read-only
  kOutput,    // caller's memory (or callee-allocated where its size is known only after the run)
  kConstant,  // read-only data of the compiled model
  kTemp,      // planned by plan_memory
  kState,     // persists between runs of one context
};

// A buffer that is a window onto another: no memory and no kernel of its own. Loads and stores are in the
// coordinates of the view. Views may be stacked; `base` is another buffer, view or not.
enum class ViewKind : uint8_t {
  kReshape,  // same elements in row-major order of the logical axes; requires that the base is stored so that
             // the merged or split axes are dense and adjacent (layout and verifier see to it)
  kPermute,  // axis i of the view is axis perm[i] of the base
  kSlice,    // index i of axis a is index start[a] + i * step[a] of the base; step > 0
  kExpand,   // axes of extent 1 of the base are repeated; leading axes added
};
struct View {
  BufferId base = BufferId::kNone;
  ViewKind kind = ViewKind::kReshape;
  std::vector<int> perm = {};   // kPermute
  std::vector<Dim> start = {};  // kSlice
  std::vector<Dim> step = {};   // kSlice
};

struct Buffer {
  std::string name;                     // the graph value it holds, for profiles and --compare
  BufferKind kind = BufferKind::kTemp;  // of a view: kTemp; the root's kind counts
  DType dtype = DType::kUndefined;
  Shape shape;
  std::optional<View> view = {};
  // Storage of a buffer that is no view: the logical axes from outermost to innermost; empty means 0, 1, 2,
  // ... (row-major). {0, 2, 3, 1} is channels-last. Inputs and outputs are always row-major.
  std::vector<int> order = {};
  Tensor constant = {};   // kConstant, in row-major order of the logical axes before `order` is applied
  int border_index = -1;  // kInput, kOutput: position at the model's border
  // kInput, kOutput: the type of the value where this buffer holds handles of it (storage_type()).
  std::optional<Type> border_type = {};
};

// How a value lies in a buffer: strings are handles of 64 bits, one an element, and a sequence, an optional
// or a map is one handle. What they stand for belongs to the run's context (runtime/model/values.h).
TensorType storage_type(const Type& type);

// ---- Loop nests
// ---------------------------------------------------------------------------------------------

struct Stmt;
using Block = std::vector<Stmt>;

enum class LoopKind : uint8_t {
  kSerial,
  kParallel,  // iterations are independent and may run on different threads; only the outermost perfect loops
  kVector,    // iterations are independent (Reduce of an outer accumulator apart) and run in SIMD lanes;
              // innermost
};

// for var in [begin, end)
struct For {
  VarId var;
  Expr begin;
  Expr end;
  LoopKind kind = LoopKind::kSerial;
  Block body;
};
// buffer[index...] = value
struct Store {
  BufferId buffer;
  std::vector<Expr> index;
  Expr value;
};
// A scalar of the enclosing block, of value's type. Immutable unless a Reduce or Assign names it.
struct Let {
  VarId var;
  Expr value;
};
// var = combine(var, value); kSerial order unless the loop around it is kVector, whose partial results are
// combined in a fixed order.
enum class Combiner : uint8_t { kSum, kProd, kMin, kMax, kAnd, kOr };
struct Reduce {
  VarId var;
  Combiner combiner;
  Expr value;
};
struct Assign {
  VarId var;
  Expr value;
};
struct If {
  Expr condition;
  Block then_body;
};
// buffer[index...] = combine(buffer[index...], value); not allowed under kParallel or kVector loops over
// which the index is not injective.
struct Scatter {
  BufferId buffer;
  std::vector<Expr> index;
  Combiner combiner;
  Expr value;
};
struct Stmt {
  std::variant<For, Store, Let, Reduce, Assign, If, Scatter> node;
};

// A nest of loops with scalar statements. After lowering every loop is kSerial or kParallel; choose_schedules
// marks the vector loop.
struct LoopNest {
  Block body;
};

// ---- Contractions
// -------------------------------------------------------------------------------------------

enum class AxisRole : uint8_t {
  kBatch,   // in A, B and the output (also: groups of a convolution)
  kM,       // in A and the output
  kN,       // in B and the output
  kK,       // in A and B, summed: input channels
  kWindow,  // in A and B, summed: a tap of a convolution window, affine together with an M axis in A
};
struct ContractionAxis {
  VarId var;
  Dim extent;
  AxisRole role;
};
struct Operand {
  BufferId buffer = BufferId::kNone;
  std::vector<Expr> index;  // affine in the axes' variables
  // True where an index may leave the buffer: such elements read as `zero` (padding of convolutions).
  bool padded = false;
  Expr zero_point = {};  // integer types: subtracted after widening; does not vary along summed axes
};

// How a contraction runs. Chosen by choose_schedules; kNaive is plain loops.
enum class Algorithm : uint8_t { kNaive, kGemm, kWinograd, kDepthwise };
struct ContractionSchedule {
  Algorithm algorithm = Algorithm::kNaive;
  // kGemm: B is stored in panels of `panel` columns: [N / panel][K][panel], zero-filled.
  // kWinograd: B holds transformed weights: [N / panel][(winograd_tile + taps - 1)^2][K][panel].
  // kDepthwise: B is stored with the channel innermost.
  int panel = 16;
  bool b_packed = false;
  int winograd_tile = 0;  // output tile m of F(m x m, taps x taps)
  // kGemm of bytes, more than 1: so many elements along K lie beside each other in B, which is of int8:
  // [N / panel][K / group][panel][group], zero-filled. The sum is that of B as it is and of A as
  // unsigned_byte() has it: zero points are the epilogue's business. What is padded of A reads as its zero
  // point.
  // With partial sums, A and B are as they are, and B may be of less than 8 bits; so are those of bfloat16.
  int group = 1;
  // The sum of A alone over kK and kWindow, for the epilogue; kNone where that does not need it.
  VarId row_sum = VarId::kNone;
};

// Sums of parts of a contraction that have factors of their own, as weights have that are quantised in
// blocks: the accumulator is the sum of the terms of all parts.
struct PartialSums {
  VarId axis = VarId::kNone;  // kK: a part is one setting of it; kNone: the contraction has no parts
  VarId sum = VarId::kNone;   // of A[...] * B[...] over the other summed axes, of `type`
  DType type = DType::kUndefined;
  Expr term = {};  // of the accumulator's type: an expression of `sum`, of `axis`, of the output axes'
                   // variables and of loads
};

// out[out_index] = epilogue(sum over kK, kWindow of A[...] * B[...]) for all kBatch, kM, kN axes. The sum is
// held in `accumulator` (type accumulator_type); `epilogue` is an expression of it, of the output axes'
// variables and of loads.
struct Contraction {
  std::vector<ContractionAxis> axes;
  Operand a;
  Operand b;
  VarId accumulator = VarId::kNone;
  DType accumulator_type = DType::kFloat;
  PartialSums parts = {};
  BufferId out = BufferId::kNone;
  std::vector<Expr> out_index;
  Expr epilogue;
  ContractionSchedule schedule = {};

  bool has_parts() const { return parts.axis != VarId::kNone; }
  // In which A * B is summed first.
  DType product_type() const { return has_parts() ? parts.type : accumulator_type; }
};

// ---- Attention
// ------------------------------------------------------------------------------------------------

struct LoopAxis {
  VarId var;
  Dim extent;
};
struct Element {
  BufferId buffer = BufferId::kNone;
  std::vector<Expr> index = {};
};

// What a row gives that has no key to attend to, or scores that are no numbers.
enum class RowGuard : uint8_t {
  kNone,       // NaN for both, as the softmax of such a row
  kNoKeys,     // zeros for a row all of whose scores are -infinity (or that has no keys)
  kNotANumber  // zeros for both
};

// For every element of the batch and rows axes:
//
//   product[key] = sum over depth of q * k, in accumulator_type
//   weight       = softmax over the keys of score(product[key])
//   result       = sum over the keys of weight[key] * v, for every column
//
// and out[...] = epilogue(result). `score` is an expression of `product`, of the batch, rows and key
// variables and of loads; keys outside of [first_key, last_key) count as -infinity. Q, K, V and the output
// are affine in the axes' variables; K and V do not depend on the rows axes.
struct Attention {
  std::vector<LoopAxis> batch;
  std::vector<LoopAxis> rows;
  LoopAxis key;
  LoopAxis depth;
  LoopAxis column;
  Element q;
  Element k;
  Element v;
  DType accumulator_type = DType::kFloat;
  VarId product = VarId::kNone;
  Expr score;
  Expr first_key = {};  // of the batch and rows variables, int64; empty: 0
  Expr last_key = {};   // likewise; empty: all keys
  RowGuard guard = RowGuard::kNone;
  VarId result = VarId::kNone;
  Expr epilogue;
  Element out;
};

// All axes: batch, rows, key, depth, column.
std::vector<LoopAxis> axes_of(const Attention& attention);

// ---- Calls of runtime kernels
// -------------------------------------------------------------------------------

// A C function of runtime/kernels (signature: runtime/model/kernel_abi.h). Inputs and outputs are dense
// row-major.
struct Call {
  std::string symbol;
  std::vector<BufferId> inputs;  // kNone: absent
  std::vector<BufferId> outputs;
  std::vector<Expr> params;  // int64, of Dims and constants
  // Outputs whose extents the callee reports: (output, axis) -> symbol that it binds.
  struct Binding {
    size_t output;
    size_t axis;
    std::string symbol;
  };
  std::vector<Binding> bindings = {};
};

struct Kernel {
  std::string name;    // "conv2d+relu": operators that it holds, for profiles
  std::string origin;  // the graph node(s), for messages
  std::variant<LoopNest, Contraction, Attention, Call> body;
  std::string note = {};  // why it is scheduled in no better way, for people; no part of the text form
};

// ---- Control flow
// -------------------------------------------------------------------------------------------

struct Step;
struct Region {
  std::vector<Step> steps;
};
struct KernelStep {
  Kernel kernel;
};
// symbol = integer element of a buffer, read when the step runs. Fails at run time when outside [minimum,
// maximum].
struct BindStep {
  std::string symbol;
  BufferId buffer;
  std::vector<Expr> index;
  int64_t minimum = 0;
  int64_t maximum = INT64_MAX;
  std::string what;           // for the message: "Reshape 'x': element 0 of the target shape"
  std::string expected = {};  // likewise; empty: the minimum and the maximum
};
// symbol = expression; for the merged extents after an If.
struct SetStep {
  std::string symbol;
  Dim value;
};
struct IfStep {
  BufferId condition;  // bool scalar
  Region then_region;
  Region else_region;
};
// symbol runs from 0 to count-1 and may be used in all Dims and index expressions of the body.
struct RepeatStep {
  std::string symbol;
  Dim count;
  Region body;
};
// do { body } while (condition), tested before every iteration: Loop of ONNX.
struct WhileStep {
  BufferId condition;
  std::string counter;      // symbol, from 0
  std::optional<Dim> trip;  // at most so many iterations
  Region body;
};
// Fails the run with `message` where the condition does not hold.
struct CheckStep {
  Dim lhs;
  Dim rhs;
  std::string message;
};
struct Step {
  std::variant<KernelStep, BindStep, SetStep, IfStep, RepeatStep, WhileStep, CheckStep> node;
};

// ---- Program
// ------------------------------------------------------------------------------------------------

struct Program {
  std::string name;
  std::vector<Buffer> buffers;  // by BufferId
  std::map<std::string, SymbolInfo> symbols;
  Region main;
  int32_t next_var = 0;
  int64_t max_iterations = kMaxIterations;  // what lower() makes the checks of loops with

  Buffer& buffer(BufferId id) { return buffers[static_cast<size_t>(id)]; }
  const Buffer& buffer(BufferId id) const { return buffers[static_cast<size_t>(id)]; }
  BufferId add_buffer(Buffer buffer);
  VarId fresh_var() { return static_cast<VarId>(next_var++); }
};

// The buffer that holds the memory of a stack of views.
BufferId root_of(const Program& program, BufferId id);

// Where an element of a buffer lies: element offset = offset + sum index[i] * strides[i] from the start of
// the root's memory, with the root's `order` applied. Nothing for a kReshape view of a base whose storage
// forbids it. An axis of symbolic extent that a kExpand view repeats where it is 1 has a stride with the
// factor `min(extent, 2) - 1`.
struct Strides {
  Dim offset;
  std::vector<Dim> strides;
};
std::optional<Strides> strides_of(const Program& program, BufferId id);

// Strides of dense row-major storage of a shape.
std::vector<Dim> row_major_strides(const Shape& shape);
// True if the elements are stored dense in row-major order (from any offset), as runtime kernels need them.
bool is_dense(const Program& program, BufferId id);

// Pre-order walk over all steps of a region, nested ones included.
void for_each_step(Region& region, const std::function<void(Step&)>& f);
void for_each_step(const Region& region, const std::function<void(const Step&)>& f);
// Every region: the ones nested in a step come before the one that holds it. f may change the region's steps.
void for_each_region(Region& region, const std::function<void(Region&)>& f);
// Every expression of a kernel (indices, values, bounds, epilogues), replaced by f's result if not empty.
void rewrite_exprs(Kernel& kernel, const std::function<Expr(const Expr&)>& f);
void visit_exprs(const Kernel& kernel, const std::function<void(const Expr&)>& f);
// The same for the statements of a block, and a pre-order walk over them.
void rewrite_exprs(Block& block, const std::function<Expr(const Expr&)>& f);
void visit_exprs(const Block& block, const std::function<void(const Expr&)>& f);
void for_each_stmt(Block& block, const std::function<void(Stmt&)>& f);
void for_each_stmt(const Block& block, const std::function<void(const Stmt&)>& f);
// Buffers a kernel reads (loads, operands, call inputs) and writes, without duplicates, in first-use order.
std::vector<BufferId> reads(const Kernel& kernel);
std::vector<BufferId> writes(const Kernel& kernel);

}  // namespace dlc::ir
