#include "tools/svg_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace dlc::tools {
namespace {

constexpr double kWidth = 860;
constexpr double kLeft = 70;
constexpr double kRight = 160;  // for the names of the curves
constexpr double kPlotHeight = 200;
constexpr double kTop = 34;  // of a panel, for its title
constexpr double kBottom = 22;
constexpr double kPlotWidth = kWidth - kLeft - kRight;

// Told apart by people who do not see all colours as well (Okabe and Ito).
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                   "#e69f00", "#56b4e9", "#000000"};
const char* color(size_t i) { return kColors[i % std::size(kColors)]; }

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

// From numbers to places along an axis.
class Axis {
 public:
  void include(double value) {
    if (!std::isfinite(value)) return;
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
  }
  bool is_empty() const { return low_ > high_; }

  // Ends at numbers that ticks fall on.
  void settle(bool may_be_logarithmic, int ticks) {
    is_logarithmic_ = may_be_logarithmic && low_ > 0 && high_ > 30 * low_;
    double low = scaled(low_);
    double high = scaled(high_);
    if (high - low < 1e-12 * std::max(std::abs(low), 1.0)) {
      const double room = low == 0 ? 1 : std::abs(low) * 0.1;
      low -= room;
      high += room;
    }
    const double rough = (high - low) / ticks;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    step_ = power;
    for (double factor : {2.0, 5.0, 10.0}) {
      if (step_ < rough) step_ = factor * power;
    }
    if (is_logarithmic_) step_ = std::max(step_, std::log10(2));
    first_ = std::floor(low / step_ + 1e-9) * step_;
    last_ = std::ceil(high / step_ - 1e-9) * step_;
  }
  // The x axis ends where its numbers do.
  void trim() {
    first_ = scaled(low_);
    last_ = std::max(scaled(high_), first_ + 1e-9);
  }

  double place(double value) const { return (scaled(value) - first_) / (last_ - first_); }  // in [0, 1]

  std::vector<double> ticks() const {
    std::vector<double> result;
    for (double at = std::ceil(first_ / step_ - 1e-9) * step_; at <= last_ + step_ * 1e-9; at += step_) {
      result.push_back(is_logarithmic_ ? std::pow(10, at) : std::abs(at) < step_ * 1e-9 ? 0 : at);
    }
    return result;
  }

 private:
  double scaled(double value) const { return is_logarithmic_ ? std::log10(value) : value; }

  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
  double first_ = 0;
  double last_ = 1;
  double step_ = 1;
  bool is_logarithmic_ = false;
};

std::string text_at(double x, double y, const char* anchor, const std::string& text, const char* style = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, style,
                     escaped(text));
}

std::string line(double x1, double y1, double x2, double y2, const char* stroke) {
  return fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2, y2, stroke);
}

// One panel whose plot begins at (kLeft, top).
class PanelPlot {
 public:
  PanelPlot(const Panel& panel, const Axis& x, double top) : panel_(panel), x_(x), top_(top) {
    for (const Curve& curve : panel.curves) {
      for (const auto& [at, value] : curve.points) y_.include(value);
    }
    y_.settle(panel.spans_magnitudes, 5);
  }

  std::string draw(bool is_last) const {
    std::string svg = text_at(kLeft, top_ - 12, "start", panel_.title, " font-weight=\"bold\"");
    for (double tick : y_.ticks()) {
      svg += line(kLeft, y_place(tick), kLeft + kPlotWidth, y_place(tick), "#e4e4e4");
      svg += text_at(kLeft - 8, y_place(tick) + 4, "end", fmt::format("{:.3g}", tick));
    }
    for (double tick : x_.ticks()) {
      svg += line(x_place(tick), top_, x_place(tick), top_ + kPlotHeight, "#e4e4e4");
      if (is_last)
        svg += text_at(x_place(tick), top_ + kPlotHeight + 18, "middle", fmt::format("{:.6g}", tick));
    }
    svg +=
        fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#808080\"/>\n",
                    kLeft, top_, kPlotWidth, kPlotHeight);
    for (size_t i = 0; i < panel_.curves.size(); ++i) svg += draw_curve(i);
    return svg;
  }

 private:
  double x_place(double x) const { return kLeft + x_.place(x) * kPlotWidth; }
  double y_place(double y) const { return top_ + (1 - y_.place(y)) * kPlotHeight; }

  std::string draw_curve(size_t i) const {
    const Curve& curve = panel_.curves[i];
    const char* opacity = curve.is_background ? " opacity=\"0.35\"" : "";
    std::string path;
    std::string marks;
    bool is_connected = false;
    for (const auto& [x, y] : curve.points) {
      if (!std::isfinite(y)) {
        is_connected = false;
        continue;
      }
      path += fmt::format("{}{:.1f} {:.1f}", is_connected ? "L" : "M", x_place(x), y_place(y));
      is_connected = true;
      if (curve.is_background || curve.points.size() > 60) continue;
      marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.2\" fill=\"{}\"/>\n", x_place(x),
                           y_place(y), color(curve.color));
    }
    const double legend = top_ + 12 + 18 * static_cast<double>(i);
    const double left = kLeft + kPlotWidth + 12;
    return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"{}/>\n{}", path,
                       color(curve.color), opacity, marks) +
           fmt::format("<path d=\"M{:.1f} {:.1f}h18\" stroke=\"{}\" stroke-width=\"3\"{}/>\n", left, legend,
                       color(curve.color), opacity) +
           text_at(left + 24, legend + 4, "start", curve.name);
  }

  const Panel& panel_;
  const Axis& x_;
  double top_;
  Axis y_;
};

bool is_empty(const Panel& panel) {
  return std::all_of(panel.curves.begin(), panel.curves.end(), [](const Curve& curve) {
    return std::none_of(curve.points.begin(), curve.points.end(),
                        [](const auto& point) { return std::isfinite(point.second); });
  });
}

}  // namespace

std::string plot_svg(const std::vector<Panel>& panels, const std::string& x_label) {
  std::vector<const Panel*> shown;
  Axis x;
  for (const Panel& panel : panels) {
    if (is_empty(panel)) continue;
    shown.push_back(&panel);
    for (const Curve& curve : panel.curves) {
      for (const auto& [at, value] : curve.points) x.include(at);
    }
  }
  if (!x.is_empty()) {
    x.settle(false, 8);
    x.trim();
  }
  constexpr double kPanel = kTop + kPlotHeight + kBottom;
  const double height = kPanel * static_cast<double>(shown.size()) + 30;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"#ffffff\"/>\n",
      kWidth, height);
  for (size_t i = 0; i < shown.size(); ++i) {
    const PanelPlot plot(*shown[i], x, kPanel * static_cast<double>(i) + kTop);
    svg += plot.draw(i + 1 == shown.size());
  }
  svg += text_at(kLeft + kPlotWidth / 2, height - 8, "middle", x_label);
  return svg + "</svg>\n";
}

}  // namespace dlc::tools
