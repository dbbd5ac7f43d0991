// LSTM, GRU and RNN as products and a Scan: the form that is differentiated.
#pragma once

#include "ir/builder.h"

namespace dlc::ir {

bool unfold_lstm(Builder& builder, Node& node);
bool unfold_gru(Builder& builder, Node& node);
bool unfold_rnn(Builder& builder, Node& node);

}  // namespace dlc::ir
