/* Reads a model, compiles it for the machine and classifies a digit with it. */
#include <stdio.h>

#include <dlc/dlc_c.h>

/* Grey values of 8x8 pixels, from 0 to f. */
static const char kDigit[] =
    "002cf800"
    "00bb7f30"
    "01d30f40"
    "00049f60"
    "000cff80"
    "0005c100"
    "000a8000"
    "001f4000";

static float grey(char digit) { return (float)(digit <= '9' ? digit - '0' : digit - 'a' + 10) / 15; }

static int classify(dlc_session* session) {
  float pixels[64];
  for (int i = 0; i < 64; ++i) pixels[i] = grey(kDigit[i]);
  int64_t shape[] = {1, 1, 8, 8};
  dlc_tensor input = dlc_make_tensor(pixels, 1 /* float */, 4, shape);
  dlc_tensor output = {0}; /* memory and shape from the session */
  if (dlc_run(session, &input, &output) != DLC_OK) return 1;
  const float* scores = output.data;
  int best = 0;
  for (int i = 1; i < output.shape[1]; ++i) best = scores[i] > scores[best] ? i : best;
  printf("class %d, probability %.4f\n", best, scores[best]);
  return 0;
}

int main(int argc, char** argv) {
  dlc_graph* graph = NULL;
  dlc_program* program = NULL;
  dlc_session* session = NULL;
  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL.onnx\n", argv[0]);
    return 2;
  }
  int failed = dlc_read_model(argv[1], NULL, &graph) != DLC_OK ||
               dlc_compile(graph, NULL, &program) != DLC_OK ||
               dlc_session_create(program, NULL, &session) != DLC_OK || classify(session);
  if (failed) fprintf(stderr, "%s\n", dlc_last_error());
  dlc_session_release(session);
  dlc_program_release(program);
  dlc_graph_release(graph);
  return failed;
}
