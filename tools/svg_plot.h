// Curves as a picture.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace dlc::tools {

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // in the order of x; those that are not finite leave a gap
  size_t color = 0;                               // curves of one number have one colour
  bool is_background = false;                     // pale and without marks: many points, with noise
};

struct Panel {
  std::string title;
  std::vector<Curve> curves;
  bool spans_magnitudes =
      false;  // logarithmic, where all numbers are positive and the largest is far from the smallest
};

// Panels below each other, over one x axis, as SVG. Empty ones are left out.
std::string plot_svg(const std::vector<Panel>& panels, const std::string& x_label);

}  // namespace dlc::tools
