/* Two compiled models in one program: the same inputs must give nearly the same outputs. */
#include <math.h>
#include <stdio.h>

#include "one.h"
#include "two.h"

enum { kBatch = 2, kPixels = 64, kClasses = 10 };

int main(void) {
  float image[kBatch * kPixels], a[kBatch * kClasses], b[kBatch * kClasses];
  for (int i = 0; i < kBatch * kPixels; ++i) image[i] = (float)(i * 37 % kPixels) / kPixels;
  one_model* one;
  two_model* two;
  one_dims one_size = {kBatch};
  two_dims two_size = {kBatch};
  one_inputs one_input = {image};
  two_inputs two_input = {image};
  one_outputs one_output = {a};
  two_outputs two_output = {b};
  if (one_init(NULL, &one) != 0 || two_init(NULL, &two) != 0) return 1;
  if (one_run(one, &one_size, &one_input, &one_output) != 0) return 2;
  if (two_run(two, &two_size, &two_input, &two_output) != 0) return 3;
  for (int i = 0; i < kBatch * kClasses; ++i) {
    if (!(fabsf(a[i] - b[i]) <= 1e-5f)) return 4;
  }
  one_release(one);
  two_release(two);
  puts("equal");
  return 0;
}
