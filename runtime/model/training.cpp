// Trainers: the states of a training step in a library, and the programs that change them.

#include "runtime/model/training.h"

#include <cstdlib>
#include <cstring>

#include "runtime/model/context.h"

struct dlc_stepper {
  const dlc_training* training;
  dlc_context* step;
  dlc_context* accumulate;  // null: none
  dlc_context* evaluate;
  dlc_context* last;  // that of the last call
  char** states;
  char** spare;  // the next values, of the states that steps do not change in place
  float* weights;
  const void** inputs;
  void** outputs;
  int64_t batches;
};

namespace dlc::model {
namespace {

constexpr int32_t kScalars = 3;        // rate, step, draw
constexpr int32_t kScalarOutputs = 2;  // loss; norm or weight

template <class T>
T* make_array(int64_t count) {
  return static_cast<T*>(calloc(static_cast<size_t>(count) + 1, sizeof(T)));
}

char* make_memory(int64_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, static_cast<size_t>(bytes) + kAlignment) != 0) return nullptr;
  memset(memory, 0, static_cast<size_t>(bytes));
  return static_cast<char*>(memory);
}

bool make_states(dlc_stepper* trainer) {
  const dlc_training& training = *trainer->training;
  trainer->states = make_array<char*>(training.num_states);
  trainer->spare = make_array<char*>(training.num_states);
  trainer->weights = make_array<float>(training.batch);
  trainer->inputs = make_array<const void*>(training.num_fields + 1 + kScalars + training.num_states);
  trainer->outputs = make_array<void*>(kScalarOutputs + training.num_outputs + training.num_states);
  const bool is_made = trainer->states != nullptr && trainer->spare != nullptr &&
                       trainer->weights != nullptr && trainer->inputs != nullptr &&
                       trainer->outputs != nullptr;
  if (!is_made) return false;
  for (int64_t i = 0; i < training.batch; ++i) trainer->weights[i] = 1;
  for (int32_t i = 0; i < training.num_states; ++i) {
    const dlc_training_state& state = training.states[i];
    trainer->states[i] = make_memory(state.bytes);
    if (trainer->states[i] == nullptr) return false;
    if (state.offset >= 0) {
      memcpy(trainer->states[i], training.initial + state.offset, static_cast<size_t>(state.bytes));
    }
  }
  for (const dlc_training_program* program : {&training.step, &training.accumulate}) {
    for (int32_t i = 0; i < program->num_changed; ++i) {
      char*& spare = trainer->spare[program->changed[i]];
      if (program->in_place[i] != 0) continue;
      if (spare == nullptr) spare = make_memory(training.states[program->changed[i]].bytes);
      if (spare == nullptr) return false;
    }
  }
  return true;
}

// Contexts share the threads of the first.
int32_t make_contexts(dlc_stepper* trainer, const dlc_context_options* options) {
  const dlc_training& training = *trainer->training;
  int32_t status = dlc_context_create(training.step.model, options, &trainer->step);
  if (status != DLC_OK) return status;
  dlc_context_options shared = {};
  if (options != nullptr) {
    memcpy(&shared, options, options->struct_size < sizeof shared ? options->struct_size : sizeof shared);
  }
  shared.struct_size = sizeof shared;
  shared.executor = &trainer->step->executor;
  if (training.accumulate.model != nullptr) {
    status = dlc_context_create(training.accumulate.model, &shared, &trainer->accumulate);
    if (status != DLC_OK) return status;
  }
  return dlc_context_create(training.evaluate.model, &shared, &trainer->evaluate);
}

struct Scalars {
  float rate;
  int64_t step;
  int64_t draw;
};

int32_t run(dlc_stepper* trainer, const dlc_training_program& program, dlc_context* context,
            const void* const* batch, const Scalars& scalars) {
  const dlc_training& training = *trainer->training;
  int32_t at = 0;
  for (int32_t i = 0; i < training.num_fields; ++i) trainer->inputs[at++] = batch[i];
  const void* weights = batch[training.num_fields];
  trainer->inputs[at++] = weights == nullptr ? trainer->weights : weights;
  for (const void* scalar : {static_cast<const void*>(&scalars.rate), static_cast<const void*>(&scalars.step),
                             static_cast<const void*>(&scalars.draw)}) {
    trainer->inputs[at++] = scalar;
  }
  for (int32_t i = 0; i < program.num_states; ++i) trainer->inputs[at++] = trainer->states[program.states[i]];
  at = kScalarOutputs + training.num_outputs;
  for (int32_t i = 0; i < program.num_changed; ++i) {
    char* const* places = program.in_place[i] != 0 ? trainer->states : trainer->spare;
    trainer->outputs[at++] = places[program.changed[i]];
  }
  trainer->last = context;
  return dlc_context_run_flat(context, nullptr, trainer->inputs, trainer->outputs);
}

void take_results(const dlc_stepper* trainer, float* results) {
  for (int32_t i = 0; i < kScalarOutputs; ++i) results[i] = *static_cast<const float*>(trainer->outputs[i]);
}

// What is not asked for comes from the context's memory.
void clear_outputs(dlc_stepper* trainer) {
  const int32_t count = kScalarOutputs + trainer->training->num_outputs;
  memset(trainer->outputs, 0, static_cast<size_t>(count) * sizeof(void*));
}

}  // namespace
}  // namespace dlc::model

using namespace dlc::model;

extern "C" {

int32_t dlc_stepper_create(const dlc_training* training, const dlc_context_options* options,
                           dlc_stepper** result) {
  *result = nullptr;
  if (training->version != DLC_TRAINING_VERSION) return DLC_UNSUPPORTED;
  dlc_stepper* trainer = make_array<dlc_stepper>(0);
  if (trainer == nullptr) return DLC_OUT_OF_MEMORY;
  trainer->training = training;
  int32_t status = make_contexts(trainer, options);
  if (status == DLC_OK && !make_states(trainer)) status = DLC_OUT_OF_MEMORY;
  if (status != DLC_OK) {
    dlc_stepper_release(trainer);
    return status;
  }
  *result = trainer;
  return DLC_OK;
}

void dlc_stepper_release(dlc_stepper* trainer) {
  if (trainer == nullptr) return;
  dlc_context_release(trainer->evaluate);
  dlc_context_release(trainer->accumulate);
  dlc_context_release(trainer->step);
  for (char** memory : {trainer->states, trainer->spare}) {
    for (int32_t i = 0; memory != nullptr && i < trainer->training->num_states; ++i) free(memory[i]);
    free(memory);
  }
  free(trainer->weights);
  free(trainer->inputs);
  free(trainer->outputs);
  free(trainer);
}

int32_t dlc_stepper_train(dlc_stepper* trainer, const void* const* batch, float rate, float* results) {
  const dlc_training& training = *trainer->training;
  const int64_t per_step = training.batches_per_step;
  const bool completes = (trainer->batches + 1) % per_step == 0;
  const dlc_training_program& program = completes ? training.step : training.accumulate;
  dlc_context* context = completes ? trainer->step : trainer->accumulate;
  clear_outputs(trainer);
  const int32_t status =
      run(trainer, program, context, batch, {rate, trainer->batches / per_step + 1, trainer->batches});
  if (status != DLC_OK) return status;
  for (int32_t i = 0; i < program.num_changed; ++i) {
    if (program.in_place[i] != 0) continue;
    char*& state = trainer->states[program.changed[i]];
    char*& spare = trainer->spare[program.changed[i]];
    char* const next = spare;
    spare = state;
    state = next;
  }
  ++trainer->batches;
  take_results(trainer, results);
  return DLC_OK;
}

int32_t dlc_stepper_evaluate(dlc_stepper* trainer, const void* const* batch, float* results, void** outputs) {
  const size_t bytes = static_cast<size_t>(trainer->training->num_outputs) * sizeof(void*);
  clear_outputs(trainer);
  if (outputs != nullptr) memcpy(trainer->outputs + kScalarOutputs, outputs, bytes);
  const int32_t status = run(trainer, trainer->training->evaluate, trainer->evaluate, batch, {0, 0, 0});
  if (status != DLC_OK) return status;
  if (outputs != nullptr) memcpy(outputs, trainer->outputs + kScalarOutputs, bytes);
  take_results(trainer, results);
  return DLC_OK;
}

const dlc_training_state* dlc_stepper_state_info(const dlc_training* training, int32_t index) {
  return index >= 0 && index < training->num_states ? training->states + index : nullptr;
}

void* dlc_stepper_state(dlc_stepper* trainer, int32_t index) {
  return index >= 0 && index < trainer->training->num_states ? trainer->states[index] : nullptr;
}

int64_t dlc_stepper_batches(const dlc_stepper* trainer) { return trainer->batches; }
void dlc_stepper_set_batches(dlc_stepper* trainer, int64_t batches) { trainer->batches = batches; }

const char* dlc_stepper_error(const dlc_stepper* trainer) {
  return trainer->last == nullptr ? "" : dlc_context_error(trainer->last);
}
}
