#include "passes/training/minimal_cut.h"

#include <algorithm>

namespace dlc::passes {

void Network::add_edge(size_t from, size_t to, int64_t capacity) {
  edges_of_[from].push_back(edges_.size());
  edges_.push_back({to, capacity});
  edges_of_[to].push_back(edges_.size());
  edges_.push_back({from, 0});
}

// Dinic's algorithm: shortest paths with room, until there are none.
std::vector<bool> Network::source_side(size_t source, size_t sink) {
  while (measure_levels(source, sink)) {
    next_.assign(edges_of_.size(), 0);
    while (push(source, sink) > 0) {
    }
  }
  // Nodes from which the sink can be reached are on its side.
  std::vector<bool> is_source_side(edges_of_.size(), true);
  std::vector<size_t> waiting = {sink};
  is_source_side[sink] = false;
  while (!waiting.empty()) {
    const size_t node = waiting.back();
    waiting.pop_back();
    for (size_t edge : edges_of_[node]) {
      const size_t from = edges_[edge].to;
      if (!is_source_side[from] || edges_[edge ^ 1].capacity == 0) continue;
      is_source_side[from] = false;
      waiting.push_back(from);
    }
  }
  return is_source_side;
}

bool Network::measure_levels(size_t source, size_t sink) {
  level_.assign(edges_of_.size(), -1);
  level_[source] = 0;
  std::vector<size_t> queue = {source};
  for (size_t i = 0; i < queue.size(); ++i) {
    for (size_t edge : edges_of_[queue[i]]) {
      const size_t to = edges_[edge].to;
      if (edges_[edge].capacity == 0 || level_[to] >= 0) continue;
      level_[to] = level_[queue[i]] + 1;
      queue.push_back(to);
    }
  }
  return level_[sink] >= 0;
}

// Along one path; 0: there is none left. Without recursion: paths are as long as networks are deep.
int64_t Network::push(size_t source, size_t sink) {
  std::vector<size_t> path;  // of edges
  size_t node = source;
  while (node != sink) {
    bool advanced = false;
    for (size_t& i = next_[node]; i < edges_of_[node].size(); ++i) {
      const size_t edge = edges_of_[node][i];
      const size_t to = edges_[edge].to;
      if (edges_[edge].capacity == 0 || level_[to] != level_[node] + 1) continue;
      path.push_back(edge);
      node = to;
      advanced = true;
      break;
    }
    if (advanced) continue;
    if (node == source) return 0;
    node = edges_[path.back() ^ 1].to;
    path.pop_back();
    ++next_[node];
  }
  int64_t amount = kUnlimited;
  for (size_t edge : path) amount = std::min(amount, edges_[edge].capacity);
  for (size_t edge : path) {
    edges_[edge].capacity -= amount;
    edges_[edge ^ 1].capacity += amount;
  }
  return amount;
}

}  // namespace dlc::passes
