// SPDX-License-Identifier: Apache-2.0
//
// A distributed lock with a fencing token: takes the lock NAME, appends each line of its input to FILE, and gives it
// back. Who waits stands in a queue of ephemeral keys, NAME/<session>, and watches the one before it alone. The token
// is the version of the own key, so it only rises. The file refuses a smaller one: by time alone no lock is safe.
//
//   lock NAME FILE HOST:PORT...
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <zraft/client/client.h>
#include <zraft/machines/kv_wire.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

using namespace zraft;
using namespace zraft::machines;

constexpr Duration patience = Duration::seconds(60);

template <class T>
T or_exit(Result<T> result) {
  if (result) return std::move(result).value();
  std::fprintf(stderr, "lock: %s\n", result.error().text.c_str());
  std::exit(EXIT_FAILURE);
}

// Waits until the key is not what was put at `version` any more; or until the watch ends, then one has to look again.
void wait_for_the_end_of(client::ClientSession& session, const Bytes& key, std::uint64_t version) {
  std::promise<void> told;
  auto on_event = [&, was_told = false](const client::Event& event) mutable {
    if (event.what == client::Event::What::set) {
      const auto answer = decode_answer(event.data);
      const auto* found = answer ? std::get_if<Found>(&*answer) : nullptr;
      if (found != nullptr && found->version == version) return;
    }
    if (!std::exchange(was_told, true)) told.set_value();
  };
  const auto watch = session.watch({.query = encode(KvQuery(Get{key}))}, patience, std::move(on_event));
  told.get_future().wait();
  session.cancel(watch);  // no event comes after that
}

// Gives the token once it is this session's turn.
Result<std::uint64_t> take(client::ClientSession& session, const std::string& name) {
  const Bytes key = name + "/" + std::to_string(session.known().id.value);
  const auto written = session.write(encode(KvCommand(Put{key, "waits"})), /*is_ephemeral=*/true, patience);
  if (!written) return fail(written);
  const auto outcome = decode_outcome(*written);
  if (!outcome || !std::holds_alternative<Done>(*outcome)) return fail(Code::unsupported, "no key-value store");
  const std::uint64_t token = std::get<Done>(*outcome).version;
  for (;;) {
    bool is_there = false;
    KeyValue ahead;  // the last of those before this one
    for (Page page{.more = true, .items = {}}; page.more;) {
      const Bytes after = page.items.empty() ? Bytes() : page.items.back().key;
      const auto read = session.query(encode(KvQuery(Scan{name + "/", after, 0})), patience);
      if (!read) return fail(read);
      page = std::get<Page>(decode_answer(*read).value());
      for (const KeyValue& item : page.items) {
        is_there |= item.version == token;
        if (item.owner != 0 && item.version < token && item.version > ahead.version) ahead = item;
      }
    }
    if (!is_there) return fail(Code::session_expired, "the session is over, and with it the place in the queue");
    if (ahead.version == 0) return token;
    wait_for_the_end_of(session, ahead.key, ahead.version);
  }
}

// What the lock protects. It keeps the largest token that it has seen, with each line, and refuses a smaller one.
bool append(const char* path, std::uint64_t token, const std::string& text) {
  const int file = ::open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (file < 0 || ::flock(file, LOCK_EX) != 0) return false;
  std::ifstream lines(path);
  std::uint64_t seen = 0;
  for (std::string line; std::getline(lines, line);) seen = std::stoull(line);
  const std::string line = std::to_string(token) + " " + text + "\n";
  const bool is_done = token >= seen && ::write(file, line.data(), line.size()) == std::ssize(line);
  ::close(file);
  return is_done;
}

int main(int argc, char** argv) {
  if (argc < 4) or_exit<void>(fail(Code::bad_request, "usage: lock NAME FILE HOST:PORT..."));
  const auto client = or_exit(client::Client::connect({.hosts = {argv + 3, argv + argc}}));
  const auto session = or_exit(client->open_session({.timeout = Duration::seconds(4)}));
  const std::uint64_t token = or_exit(take(*session, argv[1]));
  std::cout << "holds it with token " << token << "\n" << std::flush;
  for (std::string line; std::getline(std::cin, line);) {
    // The file would refuse it all the same, once another has written there.
    if (session->safe_for() == Duration{}) or_exit<void>(fail(Code::session_expired, "the lock may be lost"));
    if (!append(argv[2], token, line)) or_exit<void>(fail(Code::conflict, "another has the lock"));
    std::cout << "wrote: " << line << "\n" << std::flush;
  }
  or_exit(session->close(patience));
}
