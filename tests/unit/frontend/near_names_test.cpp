#include "frontend/near_names.h"

#include <gtest/gtest.h>

namespace dlc::frontend {

TEST(NearNames, PutsTheClosestFirst) {
  const std::vector<std::string> candidates{"Relu", "Selu", "Elu", "Conv", "PRelu"};
  EXPECT_EQ(near_names("Reluu", candidates), (std::vector<std::string>{"Relu"}));
  EXPECT_EQ(did_you_mean("relu", candidates), "; did you mean 'Relu', 'Elu' or 'PRelu'?");
}

TEST(NearNames, SaysNothingWhereNothingIsNear) {
  EXPECT_TRUE(near_names("Softmax", {"Conv", "Relu"}).empty());
  EXPECT_EQ(did_you_mean("Softmax", {}), "");
  EXPECT_EQ(did_you_mean(std::string(100000, 'x'), {"xx"}), "");
}

}  // namespace dlc::frontend
