// Values that several processes have a share in: the context's owner carries them.
#include "runtime/kernels/call_tensor.h"
#include "runtime/kernels/kernels.h"
#include "runtime/model/context.h"

namespace {

int32_t finish(dlc_frame* frame, int32_t status) {
  const dlc_exchange& exchange = frame->context->exchange;
  return status == DLC_OK ? DLC_OK
                          : dlc::model::fault(frame->context, status, "%s", exchange.fault(exchange.user));
}

int32_t refuse(dlc_frame* frame) {
  return dlc_fail(frame, DLC_UNSUPPORTED, "the program needs other processes, and the context has none", 0,
                  0);
}

}  // namespace

extern "C" int32_t dlc_exchange_give(dlc_frame* frame, dlc_call_tensor* inputs, dlc_call_tensor* outputs,
                                     const int64_t* params) {
  const dlc_exchange& exchange = frame->context->exchange;
  if (exchange.give == nullptr) return refuse(frame);
  *static_cast<int32_t*>(outputs[0].data) = 0;
  return finish(frame, exchange.give(exchange.user, params[0], inputs[0].data,
                                     dlc::kernels::count_elements(inputs[0]), inputs[0].dtype));
}

extern "C" int32_t dlc_exchange_take(dlc_frame* frame, dlc_call_tensor*, dlc_call_tensor* outputs,
                                     const int64_t* params) {
  const dlc_exchange& exchange = frame->context->exchange;
  if (exchange.take == nullptr) return refuse(frame);
  return finish(frame, exchange.take(exchange.user, params[0], outputs[0].data,
                                     dlc::kernels::count_elements(outputs[0]), outputs[0].dtype));
}
