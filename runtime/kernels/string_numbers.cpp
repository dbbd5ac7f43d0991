// Strings from numbers and numbers from strings.
#include <locale.h>
#include <cerrno>
#include <cinttypes>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/value_call.h"

using namespace dlc::model;
using dlc::kernels::count_elements;
using dlc::kernels::handles_of;

namespace {

enum Number : uint8_t { kFloat = 1, kInt64 = 7, kBool = 9, kDouble = 11, kUint64 = 13 };

// The C locale for this thread: numbers have a point, whatever the program has set.
class PlainNumbers {
 public:
  PlainNumbers() : plain_(newlocale(LC_ALL_MASK, "C", nullptr)), before_(uselocale(plain_)) {}
  ~PlainNumbers() {
    uselocale(before_);
    if (plain_ != nullptr) freelocale(plain_);
  }
  PlainNumbers(const PlainNumbers&) = delete;
  PlainNumbers& operator=(const PlainNumbers&) = delete;

 private:
  locale_t plain_;
  locale_t before_;
};

bool is_hexadecimal(const char* text) {
  for (; *text != '\0'; ++text) {
    if (*text == 'x' || *text == 'X') return true;
  }
  return false;
}

// All of `text` (with spaces around it) is one number.
bool ends(const char* text, const char* end) {
  if (end == text) return false;
  while (*end == ' ' || (*end >= '\t' && *end <= '\r')) ++end;
  return *end == '\0';
}

bool read(const char* text, float* value) {
  char* end = nullptr;
  *value = strtof(text, &end);
  return ends(text, end) && !is_hexadecimal(text);
}
bool read(const char* text, double* value) {
  char* end = nullptr;
  *value = strtod(text, &end);
  return ends(text, end) && !is_hexadecimal(text);
}
// Integers are exact; a fraction is cut off.
bool read_fraction(const char* text, double least, double beyond, double* value) {
  if (!read(text, value)) return false;
  *value = trunc(*value);
  return *value >= least && *value < beyond;
}
bool read(const char* text, int64_t* value) {
  char* end = nullptr;
  errno = 0;
  *value = strtoll(text, &end, 10);
  if (ends(text, end)) return errno == 0;
  double number = 0;
  if (!read_fraction(text, -0x1p63, 0x1p63, &number)) return false;
  *value = static_cast<int64_t>(number);
  return true;
}
bool read(const char* text, uint64_t* value) {
  char* end = nullptr;
  errno = 0;
  if (strchr(text, '-') == nullptr) {
    *value = strtoull(text, &end, 10);
    if (ends(text, end)) return errno == 0;
  }
  double number = 0;
  if (!read_fraction(text, 0, 0x1p64, &number)) return false;
  *value = static_cast<uint64_t>(number);
  return true;
}

template <class T>
int32_t read_all(dlc_frame* frame, const Handle* strings, int64_t count, void* data) {
  T* values = static_cast<T*>(data);
  for (int64_t i = 0; i < count; ++i) {
    const Text text = text_of(strings[i]);
    // A zero byte inside of a text ends no number.
    const bool is_whole = strlen(text.data) == static_cast<size_t>(text.size);
    if (!is_whole || !read(text.data, &values[i]))
      return dlc_fail(frame, DLC_INVALID_INPUT, "string %lld is no number of the target type", i, 0);
  }
  return DLC_OK;
}

constexpr size_t kLongest = 64;

// The shortest decimals that give the same number again.
int shortest(double value, bool is_float, char* text) {
  int least = 1;
  int most = is_float ? 9 : 17;  // always enough
  // What is enough stays so with more digits.
  while (least < most) {
    const int digits = (least + most) / 2;
    snprintf(text, kLongest, "%.*e", digits - 1, value);
    const double again = is_float ? static_cast<double>(strtof(text, nullptr)) : strtod(text, nullptr);
    if (again == value) {
      most = digits;
    } else {
      least = digits + 1;
    }
  }
  snprintf(text, kLongest, "%.*e", most - 1, value);
  return most;
}

// As people write numbers: plain from 1e-4 to 1e16, always with a point, else with an exponent.
void write_number(double value, bool is_float, char* text) {
  if (std::isnan(value) || std::isinf(value)) {
    snprintf(text, kLongest, "%s", std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    return;
  }
  const int digits = shortest(value, is_float, text);
  const double size = fabs(value);
  if (size != 0 && (size < 1e-4 || size >= 1e16)) {
    snprintf(text, kLongest, "%.*e", digits - 1, value);
    return;
  }
  const int exponent = size == 0 ? 0 : static_cast<int>(strtol(strchr(text, 'e') + 1, nullptr, 10));
  const int decimals = digits - 1 - exponent;
  snprintf(text, kLongest, "%.*f", decimals < 1 ? 1 : decimals, value);
}

}  // namespace

extern "C" int32_t dlc_string_to_number(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                        const int64_t*) {
  const PlainNumbers plain;
  const Handle* strings = handles_of(inputs[0]);
  const int64_t count = count_elements(inputs[0]);
  switch (outputs[0].dtype) {
    case kFloat:
      return read_all<float>(frame, strings, count, outputs[0].data);
    case kDouble:
      return read_all<double>(frame, strings, count, outputs[0].data);
    case kInt64:
      return read_all<int64_t>(frame, strings, count, outputs[0].data);
    case kUint64:
      return read_all<uint64_t>(frame, strings, count, outputs[0].data);
    default:
      return dlc_fail(frame, DLC_UNSUPPORTED, "element type %lld", outputs[0].dtype, 0);
  }
}

extern "C" int32_t dlc_number_to_string(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                        const int64_t*) {
  const PlainNumbers plain;
  Handle* strings = handles_of(outputs[0]);
  const void* data = inputs[0].data;
  const int64_t count = count_elements(inputs[0]);
  for (int64_t i = 0; i < count; ++i) {
    char text[kLongest];
    switch (inputs[0].dtype) {
      case kFloat:
        write_number(static_cast<double>(static_cast<const float*>(data)[i]), true, text);
        break;
      case kDouble:
        write_number(static_cast<const double*>(data)[i], false, text);
        break;
      case kInt64:
        snprintf(text, kLongest, "%" PRId64, static_cast<const int64_t*>(data)[i]);
        break;
      case kUint64:
        snprintf(text, kLongest, "%" PRIu64, static_cast<const uint64_t*>(data)[i]);
        break;
      case kBool:
        snprintf(text, kLongest, "%s", static_cast<const bool*>(data)[i] ? "True" : "False");
        break;
      default:
        return dlc_fail(frame, DLC_UNSUPPORTED, "element type %lld", inputs[0].dtype, 0);
    }
    strings[i] = make_string(frame->context, text, static_cast<int64_t>(strlen(text)));
    if (strings[i] == kNoMemory) return DLC_OUT_OF_MEMORY;
  }
  return DLC_OK;
}
