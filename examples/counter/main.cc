// SPDX-License-Identifier: Apache-2.0
//
// A replicated, durable counter, all three members in this one process: adds each NUMBER and prints the sum of them
// and of what earlier runs added in the same DIRECTORY.
#include <zraft/base/codec.h>
#include <zraft/client/client.h>
#include <zraft/host/embed.h>

#include <cstdio>
#include <cstdlib>

using namespace zraft;

Bytes encoded(std::int64_t number) {
  Bytes bytes;
  Encoder(bytes).i64(number);
  return bytes;
}

class Counter final : public node::StateMachine {
 public:
  node::Applied apply(const node::Command& command) override {
    sum_ += Decoder(command.data).i64();
    return {encoded(sum_)};
  }
  Result<node::Queried> query(BytesView) const override { return node::Queried{encoded(sum_)}; }

 private:
  std::int64_t sum_ = 0;
};

template <class T>
T or_exit(Result<T> result) {
  if (result) return std::move(result).value();
  std::fprintf(stderr, "counter: %s\n", result.error().text.c_str());
  std::exit(EXIT_FAILURE);
}

int main(int argc, char** argv) {
  if (argc < 3) or_exit<void>(fail(Code::bad_request, "usage: counter DIRECTORY FIRST_OF_THREE_PORTS NUMBER..."));
  const Duration patience = Duration::seconds(10);
  const host::Backends backends{{"counter", [] { return std::make_unique<Counter>(); }}};
  client::NewGroup group{.name = "counter", .peers = {}, .backend = "counter"};
  std::vector<std::unique_ptr<host::EmbeddedHost>> hosts;
  for (int port = std::atoi(argv[2]); const std::string name : {"one", "two", "three"}) {
    host::EmbedOptions options{.host = {.name = name, .listen = "127.0.0.1:" + std::to_string(port++)}};
    options.data_dir = std::string(argv[1]) + "/" + name;
    hosts.push_back(or_exit(host::EmbeddedHost::start(options, backends, nullptr)));
    group.peers.push_back(name + "@" + options.host.listen);
  }
  auto client = or_exit(client::Client::connect({.hosts = {hosts[0]->address()}, .group = group.name}));
  const Result<> created = client->create_group(group, patience);
  if (!created && created.error().code != Code::already_present) or_exit(created);
  for (int i = 3; i < argc; ++i) or_exit(client->propose(encoded(std::atoll(argv[i])), patience));
  const Bytes sum = or_exit(client->query({}, patience));
  std::printf("%lld\n", static_cast<long long>(Decoder(sum).i64()));
}
