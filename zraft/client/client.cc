// SPDX-License-Identifier: Apache-2.0
//
// The session lives on the loop's thread: it is made, used and destroyed there. When the client ends, whatever has not
// been answered is answered with `stopped`, so that no thread waits for ever.
#include "zraft/client/client.h"

#include <optional>
#include <utility>

#include "zraft/client/blocking.h"
#include "zraft/client/once.h"
#include "zraft/net/address.h"
#include "zraft/net/asio_loop.h"
#include "zraft/net/asio_network.h"

namespace zraft::client {
struct Client::World {
  std::unique_ptr<net::AsioLoop> loop;
  std::unique_ptr<net::AsioNetwork> network;
  std::unique_ptr<LightSession> session;
  std::unique_ptr<Watches> watches;
  Settings settings;
  Random random{0};
  std::thread::id thread_id;
  std::optional<net::LoopThread> thread;  // last, so it ends first
};

Client::Client(std::unique_ptr<World> world) : world_(std::move(world)) {}

Client::~Client() {
  world_->thread.reset();
  // The loop has ended: nothing runs at the same time any more.
  world_->watches.reset();
  world_->session.reset();
}

Result<std::unique_ptr<Client>> Client::connect(Settings settings) {
  if (settings.hosts.empty()) return fail(Code::bad_request, "no hosts were given: name at least one \"host:port\"");
  for (const std::string& host : settings.hosts) {
    if (const auto address = net::parse_address(host); !address) return fail(address);
  }
  auto world = std::make_unique<World>();
  auto loop = net::AsioLoop::open();
  if (!loop) return fail(loop);
  world->loop = std::move(*loop);
  world->network = std::make_unique<net::AsioNetwork>(*world->loop);
  world->settings = settings;
  world->random = Random(seed_of_the_system());
  world->session =
      std::make_unique<LightSession>(*world->loop, *world->network, std::move(settings), world->random.fork());
  world->watches = std::make_unique<Watches>(*world->loop, *world->session, world->random.fork());
  auto thread = net::LoopThread::start(*world->loop);
  if (!thread) return fail(thread);
  world->thread_id = thread->id();
  world->thread.emplace(std::move(*thread));
  return std::unique_ptr<Client>(new Client(std::move(world)));
}

// --- asynchronous ---

void Client::post(std::move_only_function<void(LightSession&, node::Loop&)> task) {
  world_->loop->post([world = world_.get(), task = std::move(task)]() mutable { task(*world->session, *world->loop); });
}

void Client::run(std::move_only_function<void(LightSession&, node::Loop&)> task) {
  if (std::this_thread::get_id() == world_->thread_id) return task(*world_->session, *world_->loop);
  Awaited<bool> done;
  post([&](LightSession& session, node::Loop& loop) {
    task(session, loop);
    done.give(true);
  });
  static_cast<void>(done.wait());
}

void Client::propose(Bytes command, Duration timeout, Done done, std::stop_token stop) {
  post([command = std::move(command), timeout, done = Once(std::move(done)),
        stop = std::move(stop)](LightSession& session, node::Loop& loop) mutable {
    begin_stoppable(loop, std::move(stop), std::move(done), [&](Done told) {
      const auto number = session.propose(std::move(command), deadline_of(loop, timeout), std::move(told));
      return [&session, number] { session.cancel(number); };
    });
  });
}

void Client::query(Bytes query, net::ReadChoice choice, Duration timeout, Done done, std::stop_token stop) {
  post([query = std::move(query), choice, timeout, done = Once(std::move(done)),
        stop = std::move(stop)](LightSession& session, node::Loop& loop) mutable {
    begin_stoppable(loop, std::move(stop), std::move(done), [&](Done told) {
      const Instant deadline = deadline_of(loop, timeout);
      const auto number = session.query(std::move(query), choice, deadline, std::move(told));
      return [&session, number] { session.cancel(number); };
    });
  });
}

std::future<Result<Bytes>> Client::begin_propose(Bytes command, Duration timeout, std::stop_token stop) {
  return future_of([&](Done done) {
    propose(std::move(command), timeout, std::move(done), std::move(stop));
  });
}

std::future<Result<Bytes>> Client::begin_query(Bytes query, Duration timeout, net::ReadChoice choice,
                                               std::stop_token stop) {
  return future_of([&](Done done) {
    this->query(std::move(query), choice, timeout, std::move(done), std::move(stop));
  });
}

// --- sessions and watches ---

Result<std::unique_ptr<ClientSession>> Client::open_session(SessionOptions options, Session::OnState on_state,
                                                            std::stop_token stop) {
  const auto cancelled = [] { return fail(Code::cancelled, "it was cancelled before the session was open"); };
  if (stop.stop_requested()) return cancelled();
  Awaited<Result<>> opened;
  auto session = std::make_unique<ClientSession>(
      *this, options,
      [waiting = &opened, on_state = std::move(on_state)](SessionState state, const Error& why) mutable {
        if (on_state) on_state(state, why);
        if (waiting == nullptr) return;
        const bool is_open = state == SessionState::connected;
        std::exchange(waiting, nullptr)->give(is_open ? Result<>() : std::unexpected(why));
      });
  const std::stop_callback on_stop(std::move(stop), [&] { opened.give(cancelled()); });
  if (Result<> result = opened.wait(); !result) return std::unexpected(std::move(result.error()));
  return session;
}

WatchNumber Client::watch(WatchOptions options, Duration timeout, OnEvent on_event) {
  WatchNumber number;
  run([&](LightSession&, node::Loop& loop) {
    number = world_->watches->watch(std::move(options), deadline_of(loop, timeout), std::move(on_event));
  });
  return number;
}

void Client::cancel(WatchNumber watch) {
  run([&](LightSession&, node::Loop&) { world_->watches->cancel(watch); });
}

std::optional<WatchPosition> Client::position(WatchNumber watch) {
  std::optional<WatchPosition> position;
  run([&](LightSession&, node::Loop&) { position = world_->watches->position(watch); });
  return position;
}

// --- blocking ---

Result<Bytes> Client::propose(Bytes command, Duration timeout, std::stop_token stop) {
  return begin_propose(std::move(command), timeout, std::move(stop)).get();
}

Result<Bytes> Client::query(Bytes query, Duration timeout, net::ReadChoice choice, std::stop_token stop) {
  return begin_query(std::move(query), timeout, choice, std::move(stop)).get();
}

net::Reply Client::ask(const std::string& address, net::RequestBody body, Duration timeout) {
  Awaited<net::Reply> answer;
  post([&](LightSession& session, node::Loop& loop) {
    session.ask(address, std::move(body), deadline_of(loop, timeout),
                [&answer](net::Reply reply) { answer.give(std::move(reply)); });
  });
  return answer.wait();
}

Result<> Client::create_group(const NewGroup& group, Duration timeout) {
  Awaited<Result<>> answer;
  post([&](LightSession& session, node::Loop& loop) {
    client::create_group(loop, session, group, deadline_of(loop, timeout), world_->random.fork(),
                         [&answer](Result<> result) { answer.give(std::move(result)); });
  });
  return answer.wait();
}

std::vector<MemberStatus> Client::status(Duration timeout) {
  Awaited<std::vector<MemberStatus>> answer;
  post([&](LightSession& session, node::Loop& loop) {
    gather_status(loop, session, world_->settings.hosts, world_->settings.group,
                  deadline_of(loop, timeout),
                  [&answer](std::vector<MemberStatus> rows) { answer.give(std::move(rows)); });
  });
  return answer.wait();
}

Result<> Client::change_members(const MemberChange& change, Progress progress, Duration timeout) {
  Awaited<Result<>> answer;
  post([&](LightSession& session, node::Loop& loop) {
    client::change_members(loop, session, change, deadline_of(loop, timeout), world_->random.fork(),
                           std::move(progress), [&answer](Result<> result) { answer.give(std::move(result)); });
  });
  return answer.wait();
}

Result<std::string> Client::transfer_leadership(const std::string& group, const std::string& peer, Duration timeout) {
  Awaited<Result<std::string>> answer;
  post([&](LightSession& session, node::Loop& loop) {
    client::transfer_leadership(loop, session, group, peer, deadline_of(loop, timeout),
                                [&answer](Result<std::string> result) { answer.give(std::move(result)); });
  });
  return answer.wait();
}

Result<> Client::destroy_group(const std::string& group, const std::string& at, Duration timeout) {
  Awaited<Result<>> answer;
  post([&](LightSession& session, node::Loop& loop) {
    client::destroy_group(loop, session, group, at, deadline_of(loop, timeout),
                          [&answer](Result<> result) { answer.give(std::move(result)); });
  });
  return answer.wait();
}

}  // namespace zraft::client
