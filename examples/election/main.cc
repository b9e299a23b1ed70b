// SPDX-License-Identifier: Apache-2.0
//
// An election with a fencing token: one of all who run for the office NAME has it; who that is, everybody reads at the
// key NAME. The office is that key, put by whoever finds it absent, as ephemeral data of a session: it goes when the
// session ends, and the others, who watch it, try again. The token is the version of the key, so each leader's is
// larger than the one's before. The leader appends each line of its input to FILE, which refuses a smaller token than
// it has seen: a leader that was paused may not know yet that it is none.
//
//   election NAME OWN_NAME FILE HOST:PORT...
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
  std::fprintf(stderr, "election: %s\n", result.error().text.c_str());
  std::exit(EXIT_FAILURE);
}

// Waits until the key is not there; or until the watch ends, then one has to try again.
void wait_for_the_end_of(client::ClientSession& session, const Bytes& key) {
  std::promise<void> told;
  auto on_event = [&, was_told = false](const client::Event& event) mutable {
    if (event.what == client::Event::What::set) {
      const auto answer = decode_answer(event.data);
      if (answer && std::holds_alternative<Found>(*answer)) return;
    }
    if (!std::exchange(was_told, true)) told.set_value();
  };
  const auto watch = session.watch({.query = encode(KvQuery(Get{key}))}, patience, std::move(on_event));
  told.get_future().wait();
  session.cancel(watch);  // no event comes after that
}

// Gives the token once this session has the office.
Result<std::uint64_t> run_for(client::ClientSession& session, const Bytes& office, const Bytes& own_name) {
  for (Bytes follows;;) {
    const KvCommand command = CompareAndPut{.key = office, .expected = std::nullopt, .value = own_name};
    const auto written = session.write(encode(command), /*is_ephemeral=*/true, patience);
    if (!written) return fail(written);  // session_expired among others: this one does not run any more
    const auto outcome = decode_outcome(*written);
    const auto* done = outcome ? std::get_if<Done>(&*outcome) : nullptr;
    if (done != nullptr) return done->version;
    const auto* conflict = outcome ? std::get_if<Conflict>(&*outcome) : nullptr;
    if (conflict == nullptr) return fail(Code::unsupported, "the group is no key-value store");
    if (const Bytes leader = conflict->actual.value_or(""); leader != std::exchange(follows, leader)) {
      std::cout << "follows " << leader << "\n" << std::flush;
    }
    wait_for_the_end_of(session, office);
  }
}

// What only the leader may do. The file keeps the largest token that it has seen, with each line, and refuses a
// smaller one.
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
  if (argc < 5) or_exit<void>(fail(Code::bad_request, "usage: election NAME OWN_NAME FILE HOST:PORT..."));
  const auto client = or_exit(client::Client::connect({.hosts = {argv + 4, argv + argc}}));
  const auto session = or_exit(client->open_session({.timeout = Duration::seconds(4)}));
  const std::uint64_t token = or_exit(run_for(*session, argv[1], argv[2]));
  std::cout << "leads with token " << token << "\n" << std::flush;
  for (std::string line; std::getline(std::cin, line);) {
    if (session->safe_for() == Duration{}) or_exit<void>(fail(Code::session_expired, "the office may be lost"));
    if (!append(argv[3], token, line)) or_exit<void>(fail(Code::conflict, "another has the office"));
    std::cout << "wrote: " << line << "\n" << std::flush;
  }
  or_exit(session->close(patience));  // the next one leads at once
}
