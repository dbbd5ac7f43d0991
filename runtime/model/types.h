/* What compiled models, the model runtime and the C API say alike: tensors, descriptions of values, results.
 *
 * C99, no other headers of dlc. Tensors are layout-compatible with DLPack's DLTensor (v0.x and 1.x). */
#ifndef DLC_RUNTIME_MODEL_TYPES_H_
#define DLC_RUNTIME_MODEL_TYPES_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Headers of compiled models say this, too, where they need it. */
#ifndef DLC_VALUE_TYPES
#define DLC_VALUE_TYPES
/* DLTensor of dlpack.h, field by field. Elements of a tensor of strings are dlc_strings, of type code 3
 * (opaque) and 128 bits. A value that is no tensor is passed in the place of one: type code 3, 64 bits, no
 * axes, data points to a dlc_value. */
typedef struct dlc_tensor {
  void* data;
  int32_t device_type; /* 1: CPU */
  int32_t device_id;
  int32_t ndim;
  uint8_t type_code; /* DLDataTypeCode: 0 int, 1 uint, 2 float, 3 opaque, 4 bfloat, 5 complex, 6 bool */
  uint8_t type_bits;
  uint16_t type_lanes;
  int64_t* shape;
  int64_t* strides; /* in elements; null: dense row-major */
  uint64_t byte_offset;
} dlc_tensor;

/* A string of UTF-8. Given ones may have size -1: up to the first zero byte. Those of a run's outputs are
 * followed by a zero byte. */
typedef struct dlc_string {
  const char* data;
  int64_t size;
} dlc_string;

typedef enum dlc_kind { DLC_TENSOR = 0, DLC_SEQUENCE = 1, DLC_OPTIONAL = 2, DLC_MAP = 3 } dlc_kind;

/* A value of any kind. Those of a run's outputs, with all they point to, belong to the context; they are
 * valid until its next run. */
typedef struct dlc_value {
  int32_t kind;               /* dlc_kind */
  int64_t count;              /* of a sequence's elements, or of a map's entries; of an optional: 0 or 1 */
  struct dlc_value* elements; /* of a sequence or an optional */
  dlc_tensor keys;            /* of a map: [count] */
  dlc_tensor tensor;          /* a tensor; of a map: the values [count] */
} dlc_value;
#endif /* DLC_VALUE_TYPES */

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

/* Of a tensor: dims[i] >= 0 is that extent, -1 - s the symbol number s. Inside of what holds tensors -1 is
 * any extent, and a rank of -1 any rank. */
typedef struct dlc_value_info {
  const char* name;
  uint8_t dtype; /* numbers of ONNX TensorProto.DataType; of a map: of its keys */
  int32_t rank;
  const int64_t* dims;
  const char* const* dim_texts; /* "batch", "2*length + 1", "3": for people */
  int32_t kind;                 /* dlc_kind */
  const struct dlc_value_info*
      element; /* of a sequence or an optional: what it holds; of a map: its values */
} dlc_value_info;

#ifdef __cplusplus
}
#endif
#endif /* DLC_RUNTIME_MODEL_TYPES_H_ */
