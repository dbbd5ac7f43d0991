/* Compiled models of strings and of sequences, and their headers in one file. */
#include <stdio.h>

#include "insert.h"
#include "words.h"

static dlc_tensor int64_tensor(int64_t* data, int64_t* shape) {
  dlc_tensor tensor = {data, 1, 0, 1, 0, 64, 1, shape, NULL, 0};
  return tensor;
}

static int print_words(void) {
  dlc_string x[] = {{"good ", -1}, {"", 0}}, y[] = {{"morning", -1}, {"night", 5}};
  words_inputs inputs = {x, y};
  words_outputs outputs = {NULL};
  words_model* model;
  if (words_init(NULL, &model) != 0) return 1;
  if (words_run(model, NULL, &inputs, &outputs) != 0) return 2;
  printf("%s, %s\n", outputs.result[0].data, outputs.result[1].data);
  x[0].data = "\xff";
  if (words_run(model, NULL, &inputs, &outputs) == 0) return 3;
  puts(words_error(model));
  words_release(model);
  return 0;
}

static int print_sequence(void) {
  int64_t a[] = {1, 2}, b[] = {3}, c[] = {7, 8, 9}, position = 0, two = 2, one = 1;
  dlc_value elements[2] = {{DLC_TENSOR, 0, NULL, {0}, {0}}, {DLC_TENSOR, 0, NULL, {0}, {0}}};
  dlc_value sequence = {DLC_SEQUENCE, 2, NULL, {0}, {0}};
  insert_inputs inputs = {&sequence, c, &position};
  insert_outputs outputs = {NULL};
  insert_model* model;
  elements[0].tensor = int64_tensor(a, &two);
  elements[1].tensor = int64_tensor(b, &one);
  sequence.elements = elements;
  if (insert_init(NULL, &model) != 0) return 1;
  if (insert_run(model, NULL, &inputs, &outputs) != 0) return 2;
  for (int64_t i = 0; i < outputs.output_sequence->count; ++i) {
    const dlc_tensor* tensor = &outputs.output_sequence->elements[i].tensor;
    for (int64_t k = 0; k < tensor->shape[0]; ++k) printf("%d ", (int)((const int64_t*)tensor->data)[k]);
    printf("| ");
  }
  position = 5;
  if (insert_run(model, NULL, &inputs, &outputs) == 0) return 3;
  printf("%s\n", insert_error(model));
  insert_release(model);
  return 0;
}

int main(void) { return print_words() != 0 || print_sequence() != 0; }
