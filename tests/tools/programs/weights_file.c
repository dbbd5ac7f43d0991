/* A model whose weights lie in digits.bin. Prints why another file is refused, then the sum of the
 * probabilities. */
#include <stdio.h>

#include "digits.h"

int main(void) {
  digits_model* model;
  digits_options options = {.struct_size = sizeof options, .weights_file = "nowhere.bin"};
  if (digits_init(NULL, &model) == 0 || model != NULL) return 1;
  puts(digits_status_text(digits_init(&options, &model)));
  if (model != NULL) return 2;
  options.weights_file = "digits.bin";
  if (digits_init(&options, &model) != 0) return 3;
  float image[64] = {0};
  float sum = 0;
  digits_dims dims = {1};
  digits_inputs inputs = {image};
  digits_outputs outputs = {NULL}; /* memory of the model */
  if (digits_run(model, &dims, &inputs, &outputs) != 0) return 4;
  for (int i = 0; i < 10; ++i) sum += outputs.probabilities[i];
  printf("%.3f\n", sum);
  digits_release(model);
  return 0;
}
