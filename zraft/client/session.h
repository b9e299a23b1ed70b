// SPDX-License-Identifier: Apache-2.0
//
// A session: writes that are applied exactly once, ephemeral data and watches that end with it (thesis 6.3). It opens
// itself, keeps itself alive, and goes on through changes of the leader, broken links and hosts that hang. Laws:
//   - however often the opening is sent, one session is opened (P80, W-16): all attempts carry one nonce;
//   - a write has one sequence for all its attempts (P85), and is applied once or not at all, however often it is sent;
//   - when a write was told, whatever it was told, it is not sent again; once a request that was made after that has
//     been answered, and all writes before it were told, it is not applied any more either: the group refuses it;
//   - a session that is over is not opened again silently (P78): what is asked of it is told session_expired;
//   - every call is answered once, not before it returns, and at its deadline or at most 10 ms later.
// Writes under way at the same time may take effect in any order; who needs one waits for the answer.
// Not thread-safe: everything happens on the loop, in virtual time too. For programs with threads: client.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "zraft/client/light_session.h"
#include "zraft/client/watch.h"

namespace zraft::client {

constexpr std::uint64_t session_window = 1'000;  // writes from the oldest that was not told to the newest

struct SessionOptions {
  // After so long without a sign of life the group may end the session. 200 ms to 24 h; a keep-alive goes out every
  // third of it, unless a write was answered meanwhile.
  Duration timeout = Duration::seconds(10);
  Duration open_timeout = Duration::seconds(30);  // then it is closed, if it was not opened

  // A session that was opened before, perhaps by another process: it goes on under its id (W-19). Whatever was
  // written in it up to `last_sequence` is not asked for again, and not applied any more if it was not yet.
  // Requires: nobody else uses it; `timeout` is that with which it was opened; no sequence above the last was used.
  struct Known {
    node::SessionId id;
    std::uint64_t last_sequence = 0;
  };
  std::optional<Known> resume = std::nullopt;
};

enum class SessionState : std::uint8_t {
  opening,
  connected,
  suspended,  // nobody has confirmed it for 4/9 of its timeout: it may be lost
  expired,    // the group says that it is over; final
  closed,     // by close(), or it could not be opened; final
};
[[nodiscard]] std::string_view name_of(SessionState state);

class Session {
 public:
  using OnState = std::move_only_function<void(SessionState, const Error&)>;

  // Requires: the loop and the light session outlive it. `on_state` (may be null) is told of each change, with the
  // reason; it must not destroy the session. `random` is seeded otherwise in every client, or two would open one
  // session.
  Session(node::Loop& loop, LightSession& light, SessionOptions options, Random random, OnState on_state = nullptr);
  // What is under way is not answered any more. The session itself stays, until its timeout or for another to resume.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Gives the sequence of the write; 0: refused, `done` is told why. Before the session is opened it waits. Outcomes,
  // besides those of LightSession::propose:
  //   busy                      session_window writes are under way; told at once, nothing was done
  //   session_expired           it was not applied, and the session is over
  //   timeout_unknown_outcome   its deadline has passed, or the session was over, when one of its attempts was in doubt
  //   stopped                   the session is closed; it was not applied
  //   cancelled                 by cancel_write(); it was not applied, and is not sent any more
  std::uint64_t write(Bytes command, bool is_ephemeral, Instant deadline, Done done);
  // As of the light session, which may cancel it: it does not keep the session alive.
  RequestNumber query(Bytes query, net::ReadChoice choice, Instant deadline, Done done);
  // See LightSession::cancel. A write whose outcome is unknown is applied once or not at all, as after its deadline.
  void cancel_write(std::uint64_t sequence);

  // See watch.h. The watches end with the session.
  WatchNumber watch(WatchOptions options, Instant deadline, OnEvent on_event);
  void cancel(WatchNumber watch) { watches_.cancel(watch); }
  [[nodiscard]] const Watches& watches() const { return watches_; }

  // Ends the session and what belongs to it. Writes that are under way may be applied before. ok: it is over. Another
  // error than session_expired: nobody has confirmed it, and the group ends it after its timeout.
  void close(Instant deadline, std::move_only_function<void(Result<>)> done);

  [[nodiscard]] SessionState state() const { return state_; }
  // By this process's clock: the group has not ended the session before that instant, counted from when the last
  // request was sent that was answered; whoever holds a lock by it lets go by then (W-19). Clocks run alike, as for
  // lease reads; whoever does not trust them keeps a margin. The past, if it is not open.
  [[nodiscard]] Instant safe_until() const;
  [[nodiscard]] node::SessionId id() const { return id_; }  // 0: not opened yet
  [[nodiscard]] std::uint64_t last_sequence() const { return last_sequence_; }
  [[nodiscard]] std::size_t under_way() const { return writes_.size(); }

 private:
  struct Write {
    Bytes command;  // until it is sent
    bool is_ephemeral = false;
    bool is_sent = false;
    Instant deadline;
    Done done;
    node::TimerId timer;    // its deadline, until it is sent
    RequestNumber request;  // once it is sent
  };
  struct Closing {
    Instant deadline;
    std::move_only_function<void(Result<>)> done;
    node::TimerId timer;  // while it is opening
  };

  [[nodiscard]] bool is_over() const { return state_ == SessionState::expired || state_ == SessionState::closed; }
  [[nodiscard]] Duration interval() const { return options_.timeout / 3; }
  [[nodiscard]] std::uint64_t acknowledged() const;
  [[nodiscard]] Error why_over() const;
  void open();
  void on_opened(Repeated answer);
  void send(std::uint64_t sequence);
  void on_written(std::uint64_t sequence, Repeated answer);
  void tell(std::uint64_t sequence, Outcome outcome);
  void refuse(Error error, Done done);
  void keep_alive();
  void on_kept_alive(const Repeated& answer);
  void on_renewed(Instant sent);
  void send_close();
  void on_closed(const Repeated& answer);
  void on_expired(const Error& why);
  void end(SessionState state, Error why);
  void tell_closed(Result<> result);
  void arm();
  void on_timer();

  node::Loop& loop_;
  LightSession& light_;
  SessionOptions options_;
  Random random_;
  OnState on_state_;
  SessionState state_ = SessionState::opening;
  Error why_over_;
  node::SessionId id_;
  std::uint64_t last_sequence_ = 0;
  std::map<std::uint64_t, Write> writes_;  // that were not told
  Instant renewed_;          // when the last request was sent of which it is known that it renewed the session
  Instant next_keep_alive_;
  bool is_keeping_alive_ = false;  // a keep-alive is under way
  std::optional<Closing> closing_;
  bool was_closed_ = false;  // by close(), whether that is done or not
  Watches watches_;
  node::TimerId timer_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::client
