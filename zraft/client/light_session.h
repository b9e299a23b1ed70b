// SPDX-License-Identifier: Apache-2.0
//
// The light session: a client of one group that knows some hosts, finds the leader, follows it when it changes, and
// says what it knows of an outcome. Laws:
//   - a write that was sent and not answered is never sent again: its outcome is unknown, and the caller is told so;
//   - a write that was refused before anything happened, and every read, is tried again until its deadline;
//   - what the group knows again (repeat()) is tried again whatever became of it, and the caller learns which answers
//     leave it in doubt;
//   - every request is answered once, not before the call returns, and at its deadline or at most 10 ms later;
//   - a host that failed is left alone for a while, the longer the more often it fails, with jitter.
// Knows the world through Loop and Network only, so the simulator runs it. For programs with threads: client.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/net/wire.h"
#include "zraft/node/loop.h"
#include "zraft/node/network.h"

namespace zraft::client {

struct Settings {
  std::vector<std::string> hosts;  // "host:port"; one that lives is enough, the others are learned
  std::string group = "kv";
  std::string name = "client";  // for the logs of the hosts
  // How long a host may stay silent before reads are asked elsewhere and it counts as failed.
  Duration attempt_timeout = Duration::seconds(1);
  Duration pause_min = Duration::milliseconds(20);  // before a host that failed is tried again
  Duration pause_max = Duration::seconds(1);
  std::size_t requests_max = 100'000;  // under way at once; beyond: busy
  std::size_t queue_bytes_max = std::size_t{64} << 20;  // that a host has not taken in; beyond: busy
};

// `error.code` ok: done, and `data` is the state machine's answer. Else what is known:
//   timeout_unknown_outcome   a write may or may not have been applied, or may be yet
//   timeout, all_failed       it was not applied; nobody could be reached, or no leader was found, in time
//   cancelled                 it was not applied, and is not sent any more: by cancel()
//   busy, too_large, stopped, not_found, bad_request, ...   refused, with the reason; it was not applied
struct Outcome {
  Error error;
  Bytes data;
};
using Done = std::move_only_function<void(Outcome)>;

// Of a request, for as long as it is under way. 0: none.
struct RequestNumber {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(RequestNumber, RequestNumber) = default;
};

// How a request ended that may have been sent more than once.
struct Repeated {
  net::Reply reply;
  // There was another attempt, of which nothing is known: it may have been carried out, whatever the reply says.
  bool is_in_doubt = false;
  Instant sent;      // of the first attempt whose answer this may be
  std::string host;  // that answered; reply.id is the id of the request over its link
};

// Who wants to know what watches are told, and which links are gone. Called on the loop.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // False: that is no watch of this one.
  virtual bool on_event(const std::string& host, net::WatchEvent& event) = 0;
  // What was watched over the link to that host is watched no more.
  virtual void on_link_lost(const std::string& host, const Error& why) = 0;
};

class LightSession {
 public:
  // Requires: the loop and the network outlive it; hosts is not empty.
  LightSession(node::Loop& loop, node::Network& network, Settings settings, Random random);
  ~LightSession();  // what is under way is not answered any more
  LightSession(const LightSession&) = delete;
  LightSession& operator=(const LightSession&) = delete;

  RequestNumber propose(Bytes command, Instant deadline, Done done);
  RequestNumber query(Bytes query, net::ReadChoice choice, Instant deadline, Done done);
  // Does not wait for its answer any more. It is told soon, not before the call returns, what is known:
  // timeout_unknown_outcome if it is a write that was sent, and so may have been applied, or may be yet; else
  // `cancelled`. One that is over already: nothing happens.
  void cancel(RequestNumber request);

  // Asks one host, once. Error `timeout`: no answer in time; `all_failed`: it cannot be reached, or the link broke.
  void ask(const std::string& address, net::RequestBody body, Instant deadline,
           std::move_only_function<void(net::Reply)> done);

  // What changes things and may be sent again all the same, because the group knows it again (a nonce, a sequence), or
  // because it is only a Watch (each attempt has an id of its own). Asked of the leader until it answers or says no
  // for good. At the deadline: timeout_unknown_outcome if it is in doubt; else timeout, all_failed: it was not done.
  struct Repeat {
    net::RequestBody body;
    Instant deadline;
    Duration attempt_timeout{};  // 0: that of the settings
    std::move_only_function<void(net::RequestBody&)> refresh;  // called before each attempt; may be null
    std::move_only_function<void(Repeated)> done;
  };
  // The number is for cancel(); a Watch has none, because each of its attempts has another id.
  RequestNumber repeat(Repeat repeat);

  // Requires: the sink is removed before it ends.
  void add_sink(EventSink* sink) { sinks_.push_back(sink); }
  void remove_sink(EventSink* sink) { std::erase(sinks_, sink); }
  // Ends a watch at that host, if the link is up. Events that are on their way come to nobody.
  void cancel_watch(const std::string& host, std::uint64_t watch);
  // Asks whether the other end of a link that is up still answers. If it does not, the link is closed.
  void probe(const std::string& host);

  [[nodiscard]] const std::string& group() const { return settings_.group; }
  [[nodiscard]] Duration attempt_timeout() const { return settings_.attempt_timeout; }
  [[nodiscard]] const std::string& leader() const { return leader_; }  // its address; empty if not known
  [[nodiscard]] std::size_t under_way() const { return requests_.size(); }
  [[nodiscard]] const std::vector<std::string>& hosts() const { return hosts_; }  // given and learned

 private:
  class Connection;
  struct Request {
    net::RequestBody body;
    Instant deadline;
    std::move_only_function<void(Repeated)> done;
    std::move_only_function<void(net::RequestBody&)> refresh = nullptr;
    Duration attempt_timeout{};  // 0: that of the settings
    bool is_write = false;
    bool is_repeatable = false;
    bool is_in_doubt = false;    // an attempt was sent, and nobody said what became of it
    bool is_pinned = false;  // asked of one host, once
    bool is_local = false;   // whichever host is asked may answer
    bool is_out = false;     // sent to `host`, which has not answered
    std::string host;
    Instant sent;
    Instant first_sent;  // the first of those in doubt; if there are none, as `sent`
    std::size_t refusals = 0;       // in a row
    std::set<std::string> without;  // hosts that do not have the group
    Error last_failure;             // of the newest attempt
  };

  RequestNumber begin(Request request);
  void attempt(std::uint64_t id);
  void send(std::uint64_t id, Connection& to);
  void try_again(std::uint64_t id, Error why, Duration pause);
  void end(std::uint64_t id, net::Reply reply);
  void end(std::uint64_t id, Code code, std::string text);
  static void tell(Request request, net::Reply reply);
  void on_reply(const std::string& host, net::Reply reply);
  void on_event(const std::string& host, net::WatchEvent event);
  void on_refusal(std::uint64_t id, Request& request, net::Reply reply);
  void on_up(Connection& connection);
  void on_lost(Connection& connection, const Error& why);
  void follow(const std::string& host, const std::string& leader);
  [[nodiscard]] Connection& connection(const std::string& host);
  [[nodiscard]] bool is_usable(const std::string& host);
  [[nodiscard]] std::string choose(const Request& request);
  [[nodiscard]] Duration short_pause();
  [[nodiscard]] static bool may_be_done(const Request& request);
  void arm_sweep();
  void sweep();
  void on_deadline(std::uint64_t id, Request& request);
  [[nodiscard]] Duration attempt_timeout_of(const Request& request) const;
  void on_silence(std::uint64_t id, Request& request);
  void wake_waiting();

  node::Loop& loop_;
  node::Network& network_;
  const Settings settings_;
  Random random_;
  std::vector<std::string> hosts_;  // the given ones, then those that were learned
  std::size_t next_host_ = 0;
  std::string leader_;
  std::map<std::string, std::unique_ptr<Connection>> connections_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Request> requests_;
  std::multimap<Instant, std::uint64_t> waiting_;  // to be tried again, and when
  std::vector<EventSink*> sinks_;
  std::set<std::pair<std::string, std::uint64_t>> cancelled_;  // watches whose end the host has not confirmed
  node::TimerId sweep_timer_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::client
