/* What compiled models, the model runtime and the C API say alike: tensors, descriptions of values, results.
 *
 * C99, no other headers of dlc. Tensors are layout-compatible with DLPack's DLTensor (v0.x and 1.x). */
#ifndef DLC_RUNTIME_MODEL_TYPES_H_
#define DLC_RUNTIME_MODEL_TYPES_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* DLTensor of dlpack.h, field by field. */
typedef struct dlc_tensor {
  void* data;
  int32_t device_type; /* 1: CPU */
  int32_t device_id;
  int32_t ndim;
  uint8_t type_code; /* DLDataTypeCode: 0 int, 1 uint, 2 float, 4 bfloat, 5 complex, 6 bool */
  uint8_t type_bits;
  uint16_t type_lanes;
  int64_t* shape;
  int64_t* strides; /* in elements; null: dense row-major */
  uint64_t byte_offset;
} dlc_tensor;

/* Result of every function that can fail. A compiled model gives the first six. */
typedef enum dlc_status {
  DLC_OK = 0,
  DLC_INVALID_INPUT = 1, /* shape, type or value of an input, or of data computed from it */
  DLC_OUT_OF_MEMORY = 2,
  DLC_UNSUPPORTED = 3, /* this machine or this library cannot do it */
  DLC_INTERNAL = 4,
  DLC_INVALID_WEIGHTS = 5, /* the file of the weights is missing, cut off or another model's */
  DLC_INVALID_MODEL = 6,
  DLC_INVALID_ARGUMENT = 7, /* of a call */
  DLC_IO = 8
} dlc_status;

/* dims[i] >= 0: that extent; -1 - s: the symbol number s. */
typedef struct dlc_value_info {
  const char* name;
  uint8_t dtype; /* numbers of ONNX TensorProto.DataType */
  int32_t rank;
  const int64_t* dims;
  const char* const* dim_texts; /* "batch", "2*length + 1", "3": for people */
} dlc_value_info;

#ifdef __cplusplus
}
#endif
#endif /* DLC_RUNTIME_MODEL_TYPES_H_ */
