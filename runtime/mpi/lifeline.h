// Connections by which processes notice that another one has ended. MPI itself waits for ever then, or ends
// all of them without a word.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace dlc::mpi {

// The first process keeps a connection to every other one, and tells all of an end that it sees. The system
// closes connections of a process that dies; a machine that is gone is noticed within half a minute.
class Lifeline {
 public:
  Lifeline();
  ~Lifeline();
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;

  // The first process: where the others find it. Empty: it has no network.
  std::string listen();
  // Then waits for them. False: not all of them have come.
  bool accept(int others);
  // Another process.
  bool connect(const std::string& address, int rank);

  // Begins to watch.
  void watch();
  // Whether a process has ended too early, and which one.
  bool is_broken() const { return broken_; }
  std::string fault() const;
  // Tells the others; null: in peace. Ends the watch.
  void leave(const char* fault);

 private:
  struct Peer {
    int socket;
    int rank;
    bool left = false;  // there is nothing more to come
    std::string received = {};
  };
  void run();
  void read(Peer& peer);
  void take_line(Peer& peer, const std::string& line);
  void report(const std::string& text);

  std::string key_;  // by which processes of this run know one another
  int listener_ = -1;
  int wake_[2];
  bool is_first_ = true;
  std::vector<Peer> peers_;
  std::thread thread_;
  std::atomic<bool> broken_ = false;
  std::atomic<bool> leaving_ = false;
  mutable std::mutex mutex_;
  std::string fault_;
};

}  // namespace dlc::mpi
