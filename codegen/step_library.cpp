#include "codegen/step_library.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llvm/IR/LLVMContext.h>

#include "codegen/c_names.h"
#include "codegen/emit_data.h"
#include "codegen/emit_program.h"
#include "codegen/link.h"
#include "codegen/optimize.h"
#include "runtime/error.h"
#include "runtime/model/training.h"

namespace dlc::codegen {
namespace {

using training::Field;
using training::State;
using training::StateRole;

constexpr Forward kForwards[] = {
    {"init", "dlc_stepper_create", 'i', "pp", true},
    {"train", "dlc_stepper_train", 'i', "ppfp", false},
    {"evaluate", "dlc_stepper_evaluate", 'i', "pppp", false},
    {"state_info", "dlc_stepper_state_info", 'p', "i", true},
    {"state", "dlc_stepper_state", 'p', "pi", false},
    {"batches", "dlc_stepper_batches", 'l', "p", false},
    {"set_batches", "dlc_stepper_set_batches", 'v', "pl", false},
    {"error", "dlc_stepper_error", 'p', "p", false},
    {"status_text", "dlc_status_text", 'p', "i", false},
    {"release", "dlc_stepper_release", 'v', "p", false},
};

const char* role_name(StateRole role) {
  switch (role) {
    case StateRole::kParameter:
      return "parameter";
    case StateRole::kStatistic:
      return "statistic";
    case StateRole::kMoment:
      return "moment";
    case StateRole::kAccumulator:
      return "accumulator";
    case StateRole::kAverage:
      return "average";
  }
  return "";
}

int64_t bytes_of(const State& state) {
  int64_t elements = 1;
  for (int64_t extent : state.shape) elements *= extent;
  return byte_size(state.dtype, elements);
}

// The values that states start with, one after the other.
struct InitialValues {
  Tensor bytes;
  std::vector<int64_t> offsets;  // of each state; -1: zeros

  InitialValues(const std::vector<State>& states, const std::map<std::string, Tensor>& initial) {
    constexpr int64_t kAlignment = 64;
    int64_t size = 0;
    for (const State& state : states) {
      offsets.push_back(initial.contains(state.name) ? size : -1);
      if (offsets.back() >= 0) size += (bytes_of(state) + kAlignment - 1) / kAlignment * kAlignment;
    }
    bytes = Tensor(DType::kUint8, {size});
    for (size_t i = 0; i < states.size(); ++i) {
      if (offsets[i] < 0) continue;
      const Tensor& value = initial.at(states[i].name);
      check(value.byte_size() == bytes_of(states[i]), "a state's value has its type and shape");
      std::memcpy(bytes.mutable_as<char>() + offsets[i], value.data(),
                  static_cast<size_t>(value.byte_size()));
    }
  }
};

// The library's dlc_training and the functions of its header, as an object.
class LibraryEmitter {
 public:
  LibraryEmitter(const StepLibrary& library, const std::vector<int64_t>& offsets, const Target& target)
      : library_(library),
        offsets_(offsets),
        target_(target),
        module_(make_module(context_, target, library.name)),
        data_(*module_) {}

  std::string object() {
    const training::StepLayout& layout = library_.step.layout;
    std::vector<llvm::Constant*> fields = {data_.i32(DLC_TRAINING_VERSION),
                                           data_.i32(layout.fields.size()),
                                           data_.i32(layout.outputs.size()),
                                           data_.i32(layout.states.size()),
                                           data_.i64(layout.fields.front().shape.front()),
                                           data_.i64(library_.batches_per_step),
                                           states(),
                                           data_.external(constants_symbol(library_.name)),
                                           program(&library_.step),
                                           program(library_.accumulate ? &*library_.accumulate : nullptr),
                                           program(&library_.evaluate)};
    llvm::Constant* training = llvm::ConstantStruct::getAnon(fields);
    check(data_.size_of(training) == sizeof(dlc_training), "the layout is that of dlc_training");
    llvm::GlobalVariable* descriptor = data_.define(training, "training");
    for (const Forward& forward : kForwards) {
      emit_forward(*module_, library_.name + "_" + forward.suffix, forward, descriptor);
    }
    optimize(*module_, target_);
    return to_object(*module_, target_);
  }

 private:
  llvm::Constant* states() {
    std::vector<llvm::Constant*> rows;
    for (size_t i = 0; i < library_.step.layout.states.size(); ++i) {
      const State& state = library_.step.layout.states[i];
      std::vector<llvm::Constant*> shape;
      for (int64_t extent : state.shape) shape.push_back(data_.i64(extent));
      rows.push_back(llvm::ConstantStruct::getAnon(
          {data_.text(state.name), data_.text(role_name(state.role)),
           data_.i8(static_cast<uint8_t>(state.dtype)), data_.i32(state.shape.size()),
           data_.array(shape, "shape"), data_.i64(offsets_[i]), data_.i64(bytes_of(state))}));
    }
    check(rows.empty() || data_.size_of(rows.front()) == sizeof(dlc_training_state),
          "the layout is that of dlc_training_state");
    return data_.array(rows, "states");
  }

  // The numbers of states in the step's layout.
  llvm::Constant* numbers(const std::vector<State>& states) {
    const std::vector<State>& all = library_.step.layout.states;
    std::vector<llvm::Constant*> result;
    for (const State& state : states) {
      auto it =
          std::find_if(all.begin(), all.end(), [&](const State& other) { return other.name == state.name; });
      check(it != all.end(), "a step has the states of all programs");
      result.push_back(data_.i32(static_cast<size_t>(it - all.begin())));
    }
    return data_.array(result, "numbers");
  }

  llvm::Constant* program(const StepModel* step) {
    if (step == nullptr) {
      return llvm::ConstantStruct::getAnon(
          {data_.null(), data_.null(), data_.null(), data_.null(), data_.i32(0), data_.i32(0)});
    }
    std::vector<State> changed;
    for (size_t i : step->layout.changed) changed.push_back(step->layout.states[i]);
    std::vector<llvm::Constant*> in_place;
    for (size_t i = 0; i < changed.size(); ++i)
      in_place.push_back(data_.i32(!step->layout.in_place.empty() && step->layout.in_place[i] ? 1 : 0));
    return llvm::ConstantStruct::getAnon({data_.external(descriptor_symbol(step->model.name)),
                                          numbers(step->layout.states), numbers(changed),
                                          data_.array(in_place, "in_place"),
                                          data_.i32(step->layout.states.size()), data_.i32(changed.size())});
  }

  const StepLibrary& library_;
  const std::vector<int64_t>& offsets_;
  const Target& target_;
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
  DataEmitter data_;
};

std::string type_text(const Field& field) {
  return fmt::format("{}[{}]", onnx_name(field.dtype), fmt::join(field.shape, ", "));
}

void write_struct(std::string& text, const StepLibrary& library, const char* what,
                  const std::vector<Field>& fields, const char* qualifier, const char* last) {
  std::vector<std::string> texts;
  for (const Field& field : fields) texts.push_back(field.name);
  if (*last != '\0') texts.emplace_back("sample_weights");
  const std::vector<std::string> names = field_names(texts);
  const std::string macro = upper(library.name);
  for (size_t i = 0; i < fields.size(); ++i) {
    int64_t size = 1;
    for (size_t axis = 0; axis < fields[i].shape.size(); ++axis) {
      text += fmt::format("#define {}_{}_DIM{} {}\n", macro, upper(names[i]), axis, fields[i].shape[axis]);
      size *= fields[i].shape[axis];
    }
    text += fmt::format("#define {}_{}_SIZE {}\n", macro, upper(names[i]), size);
  }
  text += fmt::format("typedef struct {}_{} {{\n", library.name, what);
  for (size_t i = 0; i < fields.size(); ++i) {
    text += fmt::format("  {}{}* {}; /* {} */\n", qualifier, c_type(fields[i].dtype), names[i],
                        comment_text(type_text(fields[i])));
  }
  text += fmt::format("{}}} {}_{};\n\n", last, library.name, what);
}

constexpr const char* kHeaderBegin = R"(/* {0}: a training step.
 *
 * {0}_init() makes a trainer with the parameters of the model, {0}_train() makes a step with a batch, {0}_evaluate()
 * computes loss and outputs, {0}_release() ends it. A trainer belongs to one thread at a time. Data is dense and
 * row-major. */
#ifndef {1}_TRAINING_H_
#define {1}_TRAINING_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {1}_BATCH {2}
#define {1}_STATES {3}

)";

constexpr const char* kHeaderFunctions = R"(typedef struct {0}_trainer {0}_trainer;

/* All zero but struct_size: the defaults. */
typedef struct {0}_options {{
  uint32_t struct_size; /* sizeof({0}_options) */
  int32_t threads;      /* 0: as many as the process may use */
}} {0}_options;

typedef struct {0}_result {{
  float loss;
  float norm; /* of a step: the norm of the gradient; of an evaluation: the sum of the samples' weights */
}} {0}_result;

/* A tensor that training changes. */
typedef struct {0}_state_description {{
  const char* name; /* of parameters and statistics: in the model's file */
  const char* role; /* "parameter", "statistic", "moment", "accumulator", "average" */
  uint8_t dtype;    /* number of ONNX TensorProto.DataType: 1 float */
  int32_t rank;
  const int64_t* shape;
  int64_t offset;
  int64_t bytes;
}} {0}_state_description;

/* These return 0, or a status whose text is {0}_status_text(); after a step or evaluation, {0}_error() says more. */
int32_t {0}_init(const {0}_options* options, {0}_trainer** trainer); /* options may be NULL */
int32_t {0}_train({0}_trainer* trainer, const {0}_batch* batch, float rate, {0}_result* result);
/* Outputs that are NULL are set to memory of the trainer, valid until the next call; `outputs` may be NULL. */
int32_t {0}_evaluate({0}_trainer* trainer, const {0}_batch* batch, {0}_result* result, {0}_outputs* outputs);
/* Of state number 0 to {1}_STATES - 1; NULL for another number. */
const {0}_state_description* {0}_state_info(int32_t index);
/* Its values, to be read and changed between steps; the address holds until the next one. All states and the number
 * of batches together are what a checkpoint needs. */
void* {0}_state({0}_trainer* trainer, int32_t index);
int64_t {0}_batches(const {0}_trainer* trainer); /* that were trained with */
void {0}_set_batches({0}_trainer* trainer, int64_t batches);
const char* {0}_error(const {0}_trainer* trainer);
const char* {0}_status_text(int32_t status);
void {0}_release({0}_trainer* trainer);

#ifdef __cplusplus
}}
#endif
#endif /* {1}_TRAINING_H_ */
)";

}  // namespace

std::string step_library_name(const std::string& file) {
  const std::string stem = std::filesystem::path(file).stem().string();
  return c_identifier(stem.starts_with("lib") && stem.size() > 3 ? stem.substr(3) : stem);
}

std::string step_program_name(const std::string& library, const char* what) {
  return library + "_program_" + what;
}

void write_step_library(const StepLibrary& library, const std::string& path, const CompileOptions& options) {
  const InitialValues initial(library.step.layout.states, library.initial);
  const Target target = Target::parse(options.cpu);
  const std::vector<std::string> glue = {LibraryEmitter(library, initial.offsets, target).object()};
  std::vector<LinkInput> parts = {
      {library.name, glue, initial.bytes},
      {library.step.model.name, library.step.model.objects, library.step.model.constants}};
  for (const StepModel* program : {library.accumulate ? &*library.accumulate : nullptr, &library.evaluate}) {
    if (program != nullptr)
      parts.push_back({program->model.name, program->model.objects, program->model.constants});
  }
  std::vector<std::string> exports;
  for (const Forward& forward : kForwards) exports.push_back(library.name + "_" + forward.suffix);
  link_parts(std::move(parts), exports, path);
}

std::string write_step_header(const StepLibrary& library) {
  const training::StepLayout& layout = library.step.layout;
  const std::string macro = upper(library.name);
  std::string text = fmt::format(kHeaderBegin, library.name, macro, layout.fields.front().shape.front(),
                                 layout.states.size());
  write_struct(text, library, "batch", layout.fields, "const ",
               "  const float* sample_weights; /* one a sample; NULL: 1 each */\n");
  write_struct(text, library, "outputs", layout.outputs, "", "");
  return text + fmt::format(kHeaderFunctions, library.name, macro);
}

}  // namespace dlc::codegen
