/* Training without dlc and without a compiler: teaches the digit classifier to tell even from odd digits, with a step
 * that dlc-train compile has written as a library. Needs libc and libm only. */
#include <stdio.h>
#include <string.h>

#include "parity.h" /* written by dlc-train compile for this step */

#define PIXELS (PARITY_IMAGE_SIZE / PARITY_BATCH)

/* Grey values of 8x8 pixels, from 0 to f, of the digits 0 to 9. */
static const char* const kDigits[PARITY_BATCH] = {
    "008e500003eef40009d08d0008b00b500880098005d00b8000f7bf40008fe700",
    "00790000008f0000006f5000008f80000006d1000002f4000014db41007ffff5",
    "01ee200007dc80000886c0000108b0000008b000000a6000007fff7000febb30",
    "006dff2005fcaf000072eb000007fc1000006e9000000e80003a8f60007ff800",
    "0001d500000aa000008b100005e102400d700c900effff500388e9000003e200",
    "02ffff3001fc640008f3000008fc700003acf80000007f1002a5bd0003fff500",
    "004d6000009e200000fa000000ca000003fb830002fd8b8000fc4bb0006efb10",
    "002cf80000bb7f3001d30f4000049f60000cff800005c100000a8000001f4000",
    "0039d30008fa9c0007d01e2002f8ff1000bfee2000b90880008b47b0002aff80",
    "003b500001edf60006f06f6005fadf400089bf0000117e1000899f20002cd700"};

static float images[PARITY_IMAGE_SIZE];
static int64_t classes[PARITY_TARGET_SIZE];

static float grey(char digit) { return (float)(digit <= '9' ? digit - '0' : digit - 'a' + 10) / 15; }

static int count_right(parity_trainer* trainer, const parity_batch* batch, float* loss) {
  parity_result result;
  parity_outputs outputs = {0};
  int right = 0;
  if (parity_evaluate(trainer, batch, &result, &outputs) != 0) return -1;
  *loss = result.loss;
  for (int i = 0; i < PARITY_BATCH; ++i) {
    const float* scores = outputs.probabilities + 2 * i;
    right += (scores[1] > scores[0]) == (classes[i] == 1);
  }
  return right;
}

/* The sum of squares of a parameter. */
static double square_sum(parity_trainer* trainer, const char* name) {
  double sum = 0;
  for (int32_t i = 0; i < PARITY_STATES; ++i) {
    const parity_state_description* state = parity_state_info(i);
    const float* values = parity_state(trainer, i);
    if (strcmp(state->name, name) != 0) continue;
    for (int64_t k = 0; k < state->bytes / (int64_t)sizeof(float); ++k) sum += (double)values[k] * values[k];
  }
  return sum;
}

int main(void) {
  parity_trainer* trainer = NULL;
  parity_batch batch = {.image = images, .target = classes};
  parity_result result = {0};
  float loss = 0;
  int32_t status = parity_init(NULL, &trainer);
  if (status != 0) {
    fprintf(stderr, "%s\n", parity_status_text(status));
    return 1;
  }
  for (int i = 0; i < PARITY_BATCH; ++i) {
    for (int k = 0; k < PIXELS; ++k) images[i * PIXELS + k] = grey(kDigits[i][k]);
    classes[i] = i % 2;
  }
  int right = count_right(trainer, &batch, &loss);
  printf("before: loss %.4f, %d of %d right\n", loss, right, PARITY_BATCH);
  const double before = square_sum(trainer, "output_weight");
  for (int step = 0; step < 200; ++step) {
    if (parity_train(trainer, &batch, 1e-2f, &result) != 0) {
      fprintf(stderr, "%s\n", parity_error(trainer));
      return 1;
    }
  }
  right = count_right(trainer, &batch, &loss);
  printf("after %d steps: loss %.4f, %d of %d right; output_weight went from %.3f to %.3f\n",
         (int)parity_batches(trainer), loss, right, PARITY_BATCH, before, square_sum(trainer, "output_weight"));
  parity_release(trainer);
  return right == PARITY_BATCH ? 0 : 1;
}
