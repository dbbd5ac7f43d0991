/* A training step in a library: what it is made of, and the functions that its C header forwards to. They are
 * in libdlcrt.a and need nothing but libc.
 *
 * A trainer belongs to one thread at a time. Nothing throws, prints or exits. */
#ifndef DLC_RUNTIME_MODEL_TRAINING_H_
#define DLC_RUNTIME_MODEL_TRAINING_H_

#include "runtime/model/api.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DLC_TRAINING_VERSION 2u

/* A tensor that steps change, or that makes the optimizer's memory. */
typedef struct dlc_training_state {
  const char* name; /* of parameters and statistics: in the model's file */
  const char* role; /* "parameter", "statistic", "moment", "accumulator", "average" */
  uint8_t dtype;    /* number of ONNX TensorProto.DataType */
  int32_t rank;
  const int64_t* shape;
  int64_t offset; /* of its first value in `initial`; -1: zeros */
  int64_t bytes;
} dlc_training_state;

/* A program takes the batch (fields, then f32 weights of the samples), f32 rate, i64 step, i64 draw, and the
 * states of these numbers; it gives two f32 scalars, the model's outputs, and the next values of the states
 * that it changes. A program that evaluates has the same inputs. */
typedef struct dlc_training_program {
  const dlc_model* model; /* null: there is none */
  const int32_t* states;
  const int32_t* changed;
  const int32_t* in_place; /* of those: 1 where the next value is written over the last one */
  int32_t num_states;
  int32_t num_changed;
} dlc_training_program;

typedef struct dlc_training {
  uint32_t version;
  int32_t num_fields; /* inputs of the model, and the target */
  int32_t num_outputs;
  int32_t num_states;
  int64_t batch;
  int64_t batches_per_step;
  const dlc_training_state* states;
  const char* initial;
  dlc_training_program step;
  dlc_training_program accumulate; /* where one step takes several batches */
  dlc_training_program evaluate;
} dlc_training;

typedef struct dlc_stepper dlc_stepper;

/* With the states that the library holds. `options` may be null. */
int32_t dlc_stepper_create(const dlc_training* training, const dlc_context_options* options,
                           dlc_stepper** trainer);
void dlc_stepper_release(dlc_stepper* trainer);

/* One batch: `batch` has a pointer for each field, and the weights of the samples; null: 1 each. `results`
 * gets the loss and the norm of the gradient. Of several batches a step, the last one changes the parameters.
 */
int32_t dlc_stepper_train(dlc_stepper* trainer, const void* const* batch, float rate, float* results);
/* `results` gets the loss and the sum of the weights. Outputs that are null are set to memory that is valid
 * until the next call; `outputs` may be null. */
int32_t dlc_stepper_evaluate(dlc_stepper* trainer, const void* const* batch, float* results, void** outputs);

/* States by number; null for another number. */
const dlc_training_state* dlc_stepper_state_info(const dlc_training* training, int32_t index);
/* The values, to be read and changed between steps; the address holds until the next one. */
void* dlc_stepper_state(dlc_stepper* trainer, int32_t index);
/* Batches so far, which the optimizer's step and random numbers depend on. Set together with all states. */
int64_t dlc_stepper_batches(const dlc_stepper* trainer);
void dlc_stepper_set_batches(dlc_stepper* trainer, int64_t batches);

const char* dlc_stepper_error(const dlc_stepper* trainer); /* of the last call */

#ifdef __cplusplus
}
#endif
#endif /* DLC_RUNTIME_MODEL_TRAINING_H_ */
