// SPDX-License-Identifier: Apache-2.0
//
// See embed.h. The order of the end is the contract of what ends: 1. the host, on the loop, so that no callback runs
// into it  2. the loop's thread  3. the worker, whose jobs use the files  4. the files, which wait for the kernel
// 5. the loop, with the tasks that nobody runs any more.
#include "zraft/host/embed.h"

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "zraft/net/asio_network.h"
#include "zraft/net/asio_worker.h"
#include "zraft/storage/real_files.h"

namespace zraft::host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds busy_pause{20};

// Gives its answer once, at the latest when it goes: nobody waits for what nobody will say.
class Waiter {
 public:
  Waiter() = default;
  ~Waiter() {
    if (!has_answered_) give({.id = 0, .error = {Code::stopped, "the host has stopped"}, .leader = {}, .body = {}});
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  void give(net::Reply reply) {
    has_answered_ = true;
    promise_.set_value(std::move(reply));
  }
  [[nodiscard]] std::future<net::Reply> future() { return promise_.get_future(); }

 private:
  std::promise<net::Reply> promise_;
  bool has_answered_ = false;
};

std::uint64_t seed_of_the_system() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

// What the host says of a directory it says without knowing where that is.
Error naming(const std::string& directory, Error error) {
  const bool is_of_directory =
      error.code == Code::wrong_owner || error.code == Code::corrupt || error.code == Code::unsupported;
  if (is_of_directory) error.text = directory + ": " + error.text;
  return error;
}

Result<> make_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail(Code::io, path + " cannot be made: " + error.message());
  return {};
}

}  // namespace

struct EmbeddedHost::World {
  ~World() { stop(); }
  [[nodiscard]] Result<> start(const EmbedOptions& options, const Backends& backends, const LogSink& log_sink);
  void post(node::Task task);
  void end(Result<> how);
  void stop();

  std::string address;

  std::mutex mutex;  // guards the three that follow: the loop's pointer and how it came to the end
  std::condition_variable has_ended;
  std::unique_ptr<net::AsioLoop> loop;
  std::optional<Result<>> ending;

  std::unique_ptr<storage::RealFiles> files;
  std::unique_ptr<storage::RealFiles> log_files;  // null: they are the same
  std::unique_ptr<net::AsioWorker> worker;
  std::unique_ptr<net::AsioNetwork> network;
  std::unique_ptr<Host> host;
  std::optional<net::LoopThread> thread;
};

Result<> EmbeddedHost::World::start(const EmbedOptions& options, const Backends& backends, const LogSink& log_sink) {
  auto opened = net::AsioLoop::open();
  if (!opened) return fail(opened);
  loop = std::move(*opened);
  if (options.catch_signals) {
    if (Result<> caught = loop->on_signal([this](int) { end({}); }); !caught) return caught;
  }

  auto made = storage::RealFiles::make(*loop, options.data_dir);
  if (!made) return fail(made);
  files = std::move(*made);
  if (!options.log_dir.empty() && options.log_dir != options.data_dir) {
    made = storage::RealFiles::make(*loop, options.log_dir);
    if (!made) return fail(made);
    log_files = std::move(*made);
  }
  if (!options.snapshot_dir.empty()) {
    if (Result<> snapshots = make_directory(options.snapshot_dir); !snapshots) return snapshots;
  }
  storage::RealFiles& writing = log_files ? *log_files : *files;

  auto pool = net::AsioWorker::start(*loop, options.worker_threads);
  if (!pool) return fail(pool);
  worker = std::move(*pool);
  network = std::make_unique<net::AsioNetwork>(*loop);

  Options wanted = options.host;
  wanted.seed = seed_of_the_system();
  wanted.on_failed = [this, also = options.host.on_failed](const Error& why) {
    if (also) also(why);
    end(std::unexpected(why));
  };
  const Host::Seams seams{
      .loop = *loop, .network = *network, .worker = *worker, .files = *files, .log_files = writing};
  auto running = Host::open(seams, std::move(wanted), backends, log_sink);
  if (!running) return std::unexpected(naming(log_files ? options.log_dir : options.data_dir, running.error()));
  host = std::move(*running);
  address = host->address();
  if (log_sink) {
    log_sink(LogLevel::info, "the log in " + (log_files ? options.log_dir : options.data_dir) + " is written by " +
                                 std::string(writing.method()));
  }
  auto begun = net::LoopThread::start(*loop);
  if (!begun) return fail(begun);
  thread.emplace(std::move(*begun));
  return {};
}

void EmbeddedHost::World::post(node::Task task) {
  const std::lock_guard lock(mutex);
  if (loop) loop->post(std::move(task));
}

void EmbeddedHost::World::end(Result<> how) {
  const std::lock_guard lock(mutex);
  if (!ending) ending = std::move(how);
  has_ended.notify_all();
}

void EmbeddedHost::World::stop() {
  if (thread) {
    std::promise<void> gone;
    post([this, &gone] {
      host.reset();
      network.reset();
      gone.set_value();
    });
    gone.get_future().wait();
    thread.reset();
  }
  host.reset();  // of a start that failed
  network.reset();
  worker.reset();
  log_files.reset();
  files.reset();
  std::unique_ptr<net::AsioLoop> last;
  {
    const std::lock_guard lock(mutex);
    last = std::move(loop);
  }
  last.reset();
  end({});
}

EmbeddedHost::EmbeddedHost(std::unique_ptr<World> world) : world_(std::move(world)) {}
EmbeddedHost::~EmbeddedHost() = default;

Result<std::unique_ptr<EmbeddedHost>> EmbeddedHost::start(EmbedOptions options, Backends backends, LogSink log_sink) {
  if (options.data_dir.empty()) return fail(Code::bad_request, "data_dir is empty: name a directory for this host");
  if (options.worker_threads == 0) return fail(Code::bad_request, "worker_threads is 0: at least one is needed");
  const auto until = Clock::now() + std::chrono::nanoseconds(options.busy_patience.ns);
  for (;;) {
    auto world = std::make_unique<World>();
    Result<> started = world->start(options, backends, log_sink);
    if (started) return std::unique_ptr<EmbeddedHost>(new EmbeddedHost(std::move(world)));
    if (started.error().code != Code::busy || Clock::now() >= until) return fail(started);
    world.reset();
    std::this_thread::sleep_for(busy_pause);
  }
}

const std::string& EmbeddedHost::address() const { return world_->address; }

void EmbeddedHost::post(std::move_only_function<void(Host&)> task) {
  world_->post([world = world_.get(), task = std::move(task)]() mutable {
    if (world->host) task(*world->host);
  });
}

net::Reply EmbeddedHost::call(net::RequestBody body, Duration timeout) {
  auto waiter = std::make_unique<Waiter>();
  std::future<net::Reply> answer = waiter->future();
  net::Request request{
      .id = 0, .timeout_ms = static_cast<std::uint32_t>(timeout.to_milliseconds()), .body = std::move(body)};
  post([request = std::move(request), waiter = std::move(waiter)](Host& host) mutable {
    host.serve(std::move(request), [waiter = std::move(waiter)](net::Reply reply) { waiter->give(std::move(reply)); });
  });
  return answer.get();
}

Result<> EmbeddedHost::wait() {
  std::unique_lock lock(world_->mutex);
  world_->has_ended.wait(lock, [this] { return world_->ending.has_value(); });
  return *world_->ending;
}

void EmbeddedHost::stop() { world_->stop(); }

}  // namespace zraft::host
