#include "runtime/mpi/lifeline.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <sstream>
#include <utility>

namespace dlc::mpi {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{30};  // until everybody is connected
constexpr const char* kPeace = "bye";
constexpr const char* kFault = "fault ";

// A machine that does not answer any more closes its connections within half a minute.
void keep_alive(int socket) {
  const std::pair<int, int> options[] = {
      {TCP_KEEPIDLE, 10}, {TCP_KEEPINTVL, 5}, {TCP_KEEPCNT, 3}, {TCP_NODELAY, 1}};
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  for (const auto& [option, value] : options) setsockopt(socket, IPPROTO_TCP, option, &value, sizeof value);
}

void send_text(int socket, const std::string& text) {
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // who does not listen any more is gone, which the watch sees
    sent += static_cast<size_t>(count);
  }
}

int milliseconds_until(Clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
  return left < 0 ? 0 : static_cast<int>(left);
}

bool wait_for(int socket, short events, Clock::time_point end) {
  pollfd entry{socket, events, 0};
  while (true) {
    const int ready = poll(&entry, 1, milliseconds_until(end));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// Up to the end of a line, which is left out; empty: there was none in time.
std::string read_line(int socket, Clock::time_point end) {
  std::string line;
  char byte = 0;
  constexpr size_t kLongest = 200;
  while (line.size() < kLongest && wait_for(socket, POLLIN, end)) {
    if (recv(socket, &byte, 1, 0) != 1) return "";
    if (byte == '\n') return line;
    line += byte;
  }
  return "";
}

// Of this machine, those that only it can reach last.
std::vector<std::string> own_addresses() {
  ifaddrs* list = nullptr;
  std::vector<std::string> result, loops;
  if (getifaddrs(&list) != 0) return {"127.0.0.1"};
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN] = "";
    const auto* address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
    if (inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) == nullptr) continue;
    ((at->ifa_flags & IFF_LOOPBACK) != 0 ? loops : result).emplace_back(text);
  }
  freeifaddrs(list);
  result.insert(result.end(), loops.begin(), loops.end());
  return result;
}

// -1: nobody is there.
int connect_to(const std::string& address, int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  const int status = ::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  int fault = status == 0 ? 0 : errno;
  if (fault == EINPROGRESS && wait_for(socket, POLLOUT, Clock::now() + std::chrono::seconds(3))) {
    socklen_t size = sizeof fault;
    getsockopt(socket, SOL_SOCKET, SO_ERROR, &fault, &size);
  }
  if (fault != 0) {
    close(socket);
    return -1;
  }
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  return socket;
}

std::string greeting(const std::string& key) { return "dlc " + key; }

std::string process(int rank) { return "process " + std::to_string(rank); }

}  // namespace

Lifeline::Lifeline() {
  if (pipe2(wake_, O_CLOEXEC) != 0) wake_[0] = wake_[1] = -1;
}

Lifeline::~Lifeline() {
  leave(nullptr);
  for (const Peer& peer : peers_) close(peer.socket);
  for (const int end : {listener_, wake_[0], wake_[1]}) {
    if (end >= 0) close(end);
  }
}

std::string Lifeline::listen() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof any;
  auto* place = reinterpret_cast<sockaddr*>(&any);
  constexpr int kWaiting = 1024;
  if (listener_ < 0 || bind(listener_, place, size) != 0 || ::listen(listener_, kWaiting) != 0 ||
      getsockname(listener_, place, &size) != 0) {
    return "";
  }
  std::random_device random;
  key_ = std::to_string(random()) + std::to_string(random());
  std::string text = key_ + " " + std::to_string(ntohs(any.sin_port));
  for (const std::string& address : own_addresses()) text += " " + address;
  return text;
}

bool Lifeline::accept(int others) {
  const Clock::time_point end = Clock::now() + kPatience;
  while (static_cast<int>(peers_.size()) < others && wait_for(listener_, POLLIN, end)) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    std::istringstream line(read_line(socket, Clock::now() + std::chrono::seconds(3)));
    std::string word, key;
    int rank = -1;
    line >> word >> key >> rank;
    if (word + " " + key != greeting(key_) || rank <= 0) {
      close(socket);  // a stranger
      continue;
    }
    keep_alive(socket);
    send_text(socket, greeting(key_) + "\n");
    peers_.push_back({socket, rank});
  }
  close(std::exchange(listener_, -1));
  return static_cast<int>(peers_.size()) == others;
}

bool Lifeline::connect(const std::string& address, int rank) {
  is_first_ = false;
  std::istringstream text(address);
  std::string key, host;
  int port = 0;
  text >> key >> port;
  while (text >> host) {
    const int socket = connect_to(host, port);
    if (socket < 0) continue;
    send_text(socket, greeting(key) + " " + std::to_string(rank) + "\n");
    if (read_line(socket, Clock::now() + kPatience) == greeting(key)) {
      keep_alive(socket);
      peers_.push_back({socket, 0});
      return true;
    }
    close(socket);
  }
  return false;
}

void Lifeline::watch() {
  thread_ = std::thread([this] { run(); });
}

std::string Lifeline::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

// The first report counts: others follow from it.
void Lifeline::report(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    if (broken_) return;
    fault_ = text;
  }
  if (is_first_) {
    for (const Peer& peer : peers_) send_text(peer.socket, kFault + text + "\n");
  }
  broken_ = true;
}

void Lifeline::take_line(Peer& peer, const std::string& line) {
  if (line == kPeace) {
    peer.left = true;
  } else if (line.starts_with(kFault)) {
    const std::string text = line.substr(strlen(kFault));
    report(is_first_ ? process(peer.rank) + " has failed: " + text : text);
  }
}

void Lifeline::read(Peer& peer) {
  char bytes[1024];
  const ssize_t count = recv(peer.socket, bytes, sizeof bytes, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    if (!peer.left) report(process(peer.rank) + " has ended");
    peer.left = true;
    return;
  }
  peer.received.append(bytes, static_cast<size_t>(count));
  for (size_t end = peer.received.find('\n'); end != std::string::npos; end = peer.received.find('\n')) {
    take_line(peer, peer.received.substr(0, end));
    peer.received.erase(0, end + 1);
  }
}

void Lifeline::run() {
  while (!leaving_) {
    std::vector<pollfd> entries = {{wake_[0], POLLIN, 0}};
    std::vector<Peer*> of_entry = {nullptr};
    for (Peer& peer : peers_) {
      if (peer.left) continue;
      entries.push_back({peer.socket, POLLIN, 0});
      of_entry.push_back(&peer);
    }
    if (poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) return;
    for (size_t i = 1; i < entries.size(); ++i) {
      if (entries[i].revents != 0) read(*of_entry[i]);
    }
  }
}

void Lifeline::leave(const char* fault) {
  if (leaving_.exchange(true)) return;
  if (wake_[1] >= 0 && write(wake_[1], "", 1) != 1) return;
  if (thread_.joinable()) thread_.join();
  std::string text = std::string(kPeace) + "\n";
  if (fault != nullptr) {
    std::string line = fault;
    for (char& c : line) c = c == '\n' ? ' ' : c;
    text = kFault + (is_first_ ? process(0) + " has failed: " + line : line) + "\n";
  }
  for (const Peer& peer : peers_) send_text(peer.socket, text);
}

}  // namespace dlc::mpi
