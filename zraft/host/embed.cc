// SPDX-License-Identifier: Apache-2.0
//
// See embed.h. The order of the end is the contract of what ends: 1. the threads of all loops but the first, so that
// their shards rest  2. the host, on the first loop, so that no callback runs into it  3. that loop's thread  4. the
// workers, whose jobs use the files  5. the files, which wait for the kernel  6. the loops, with the tasks that nobody
// runs any more.
#include "zraft/host/embed.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <random>
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

}  // namespace

// The seams of one shard. Destroyed from below: see above.
struct ShardWorld {
  [[nodiscard]] Result<> open(const EmbedOptions& options, std::size_t number);
  [[nodiscard]] storage::RealFiles& writing() const { return log_files ? *log_files : *files; }
  [[nodiscard]] storage::RealFiles& snapshots() const { return snapshot_files ? *snapshot_files : *files; }

  std::unique_ptr<net::AsioLoop> loop;
  std::unique_ptr<storage::RealFiles> files;
  std::unique_ptr<storage::RealFiles> log_files;       // null: they are the same
  std::unique_ptr<storage::RealFiles> snapshot_files;  // null: they are the same
  std::unique_ptr<net::AsioWorker> worker;
  std::unique_ptr<net::AsioWorker> snapshot_worker;
  std::unique_ptr<net::AsioNetwork> network;
  std::optional<net::LoopThread> thread;
};

Result<> ShardWorld::open(const EmbedOptions& options, std::size_t number) {
  auto opened = net::AsioLoop::open();
  if (!opened) return fail(opened);
  loop = std::move(*opened);
  const auto here = [number](const std::string& directory) {
    return number == 0 ? directory : directory + "/" + directory_of_shard(number);
  };
  auto made = storage::RealFiles::make(*loop, here(options.data_dir));
  if (!made) return fail(made);
  files = std::move(*made);
  if (!options.log_dir.empty() && options.log_dir != options.data_dir) {
    made = storage::RealFiles::make(*loop, here(options.log_dir));
    if (!made) return fail(made);
    log_files = std::move(*made);
  }
  if (!options.snapshot_dir.empty() && options.snapshot_dir != options.data_dir) {
    made = storage::RealFiles::make(*loop, here(options.snapshot_dir));
    if (!made) return fail(made);
    snapshot_files = std::move(*made);
  }
  for (auto* one : {&worker, &snapshot_worker}) {
    auto pool = net::AsioWorker::start(*loop, options.worker_threads);
    if (!pool) return fail(pool);
    *one = std::move(*pool);
  }
  network = std::make_unique<net::AsioNetwork>(*loop);
  return {};
}

struct EmbeddedHost::World {
  ~World() { stop(); }
  [[nodiscard]] Result<> start(const EmbedOptions& options, const Backends& backends, const LogSink& log_sink);
  [[nodiscard]] Result<> run_loops();
  void post(node::Task task);
  void end(Result<> how);
  void stop();

  std::string address;

  std::mutex mutex;  // guards the three that follow: whether the first loop is there, and how it came to the end
  std::condition_variable has_ended;
  bool has_loop = false;
  std::optional<Result<>> ending;

  std::mutex speaking;  // one line at a time
  std::vector<ShardWorld> shards;
  std::unique_ptr<Host> host;
};

Result<> EmbeddedHost::World::start(const EmbedOptions& options, const Backends& backends, const LogSink& log_sink) {
  shards.resize(options.shards);
  for (std::size_t number = 0; number < shards.size(); ++number) {
    if (Result<> opened = shards[number].open(options, number); !opened) return opened;
  }
  {
    const std::lock_guard lock(mutex);
    has_loop = true;
  }
  if (options.catch_signals) {
    if (Result<> caught = shards.front().loop->on_signal([this](int) { end({}); }); !caught) return caught;
  }
  LogSink one_at_a_time;
  if (log_sink) {
    one_at_a_time = [this, log_sink](LogLevel level, std::string_view text) {
      const std::lock_guard lock(speaking);
      log_sink(level, text);
    };
  }
  Options wanted = options.host;
  wanted.seed = seed_of_the_system();
  wanted.on_failed = [this, also = options.host.on_failed](const Error& why) {
    if (also) also(why);
    end(std::unexpected(why));
  };
  const auto loaded = std::make_shared<std::promise<Result<>>>();
  wanted.on_loaded = [loaded, also = options.host.on_loaded](const Result<>& how) {
    if (also) also(how);
    loaded->set_value(how);
  };
  std::vector<Host::Seams> seams;
  for (const ShardWorld& shard : shards) {
    seams.push_back({.loop = *shard.loop,
                     .network = *shard.network,
                     .worker = *shard.worker,
                     .snapshot_worker = *shard.snapshot_worker,
                     .files = *shard.files,
                     .log_files = shard.writing(),
                     .snapshot_files = shard.snapshots()});
  }
  const std::string log_dir = shards.front().log_files ? options.log_dir : options.data_dir;
  auto running = Host::open(std::move(seams), std::move(wanted), backends, one_at_a_time);
  if (!running) return std::unexpected(naming(options.data_dir, running.error()));
  host = std::move(*running);
  address = host->address();
  if (one_at_a_time) {
    one_at_a_time(LogLevel::info,
                  "the log in " + log_dir + " is written by " + std::string(shards.front().writing().method()));
  }
  if (Result<> run = run_loops(); !run) return run;
  Result<> how = loaded->get_future().get();
  if (!how) return std::unexpected(naming(log_dir, how.error()));
  return {};
}

Result<> EmbeddedHost::World::run_loops() {
  for (ShardWorld& shard : shards) {
    auto begun = net::LoopThread::start(*shard.loop);
    if (!begun) return fail(begun);
    shard.thread.emplace(std::move(*begun));
  }
  return {};
}

void EmbeddedHost::World::post(node::Task task) {
  const std::lock_guard lock(mutex);
  if (has_loop) shards.front().loop->post(std::move(task));
}

void EmbeddedHost::World::end(Result<> how) {
  const std::lock_guard lock(mutex);
  if (!ending) ending = std::move(how);
  has_ended.notify_all();
}

void EmbeddedHost::World::stop() {
  for (std::size_t number = 1; number < shards.size(); ++number) shards[number].thread.reset();
  const auto close = [this] {
    host.reset();
    for (ShardWorld& shard : shards) shard.network.reset();
  };
  if (!shards.empty() && shards.front().thread) {
    std::promise<void> gone;
    post([&close, &gone] {
      close();
      gone.set_value();
    });
    gone.get_future().wait();
    shards.front().thread.reset();
  }
  close();  // of a start that failed
  std::vector<ShardWorld> last;
  {
    const std::lock_guard lock(mutex);
    has_loop = false;
    last = std::move(shards);
    shards.clear();
  }
  for (ShardWorld& shard : last) {
    shard.worker.reset();
    shard.snapshot_worker.reset();
    shard.snapshot_files.reset();
    shard.log_files.reset();
    shard.files.reset();
  }
  last.clear();
  end({});
}

EmbeddedHost::EmbeddedHost(std::unique_ptr<World> world) : world_(std::move(world)) {}
EmbeddedHost::~EmbeddedHost() = default;

Result<std::unique_ptr<EmbeddedHost>> EmbeddedHost::start(EmbedOptions options, Backends backends, LogSink log_sink) {
  if (options.data_dir.empty()) return fail(Code::bad_request, "data_dir is empty: name a directory for this host");
  if (options.shards == 0 || options.shards > shards_max) {
    return fail(Code::bad_request, "shards is " + std::to_string(options.shards) + ": give 1 to " +
                                       std::to_string(shards_max));
  }
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
