/* Classifies a digit with a model that was compiled before: no dlc, no compiler, only libc and libm. */
#include <stdio.h>

#include "digits.h" /* written by dlc-compile for this model */

/* Grey values of 8x8 pixels, from 0 to f. */
static const char kDigit[DIGITS_IMAGE_DIM1 * DIGITS_IMAGE_DIM2 * DIGITS_IMAGE_DIM3 + 1] =
    "006dff20"
    "05fcaf00"
    "0072eb00"
    "0007fc10"
    "00006e90"
    "00000e80"
    "003a8f60"
    "007ff800";

static float grey(char digit) { return (float)(digit <= '9' ? digit - '0' : digit - 'a' + 10) / 15; }

int main(void) {
  float pixels[sizeof kDigit - 1];
  float scores[DIGITS_PROBABILITIES_DIM1];
  for (size_t i = 0; i < sizeof kDigit - 1; ++i) pixels[i] = grey(kDigit[i]);

  digits_model* model = NULL;
  int32_t status = digits_init(NULL, &model);
  if (status != 0) {
    fprintf(stderr, "%s\n", digits_status_text(status));
    return 1;
  }
  digits_dims dims = {.batch = 1};
  digits_inputs inputs = {.image = pixels};
  digits_outputs outputs = {.probabilities = scores};
  if (digits_run(model, &dims, &inputs, &outputs) != 0) {
    fprintf(stderr, "%s\n", digits_error(model));
    return 1;
  }
  int best = 0;
  for (int i = 1; i < DIGITS_PROBABILITIES_DIM1; ++i) best = scores[i] > scores[best] ? i : best;
  printf("class %d, probability %.4f\n", best, scores[best]);
  digits_release(model);
  return 0;
}
