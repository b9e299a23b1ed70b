// SPDX-License-Identifier: Apache-2.0
//
// A stream of frames, cut in different places: whole, byte by byte, and at random. The frames and the error do not
// depend on the cuts; the frames encode to the bytes they came from; what the reader holds grows with the bytes that
// came, whatever length was announced.
#include <algorithm>
#include <optional>

#include "fuzz/fuzzer.h"
#include "fuzz/mend.h"
#include "zraft/base/random.h"
#include "zraft/net/frame.h"

namespace zraft::fuzz {
namespace {

constexpr std::size_t reserve_max = (std::size_t{1} << 20) + 64;  // what a reader takes for an announcement alone

struct Heard {
  Bytes frames;  // encoded again
  std::optional<Error> failed;
  friend bool operator==(const Heard&, const Heard&) = default;
};

void append(Bytes& out, const net::Frame& frame) {
  const net::FrameHeader header = net::frame_header(frame.kind, {{frame.body, *frame.body}});
  out.append(header.data(), header.size());
  out += *frame.body;
}

template <class NextSize>
Heard hear(BytesView input, std::size_t body_max, NextSize next_size) {
  net::FrameReader reader(body_max);
  Heard heard;
  while (!input.empty()) {
    BytesView piece = input.substr(0, next_size());
    input.remove_prefix(piece.size());
    while (!piece.empty()) {
      const std::size_t before = piece.size();
      auto frame = reader.take(piece);
      CHECK(reader.memory() <= std::min(body_max, 2 * heard.frames.size() + 2 * before + reserve_max) + 15,
            "what is held is bounded");
      if (!frame) {
        expect_refusal(frame.error());
        heard.failed = frame.error();
        BytesView more = "more";
        CHECK(reader.take(more).error() == frame.error(), "a broken stream stays broken");
        return heard;
      }
      CHECK(piece.size() < before, "each call takes something");
      if (*frame) {
        CHECK((*frame)->body->size() <= body_max, "a body keeps to its limit");
        append(heard.frames, **frame);
      } else {
        CHECK(piece.empty(), "it waits only when everything is taken");
      }
    }
  }
  return heard;
}

void run(BytesView input) {
  Random random(crc32c(input));
  for (const std::size_t body_max : {std::size_t{256}, net::frame_body_max}) {
    const Heard whole = hear(input, body_max, [&] { return input.size(); });
    CHECK(input.starts_with(whole.frames), "frames encode to the bytes they came from");
    CHECK(hear(input, body_max, [] { return 1; }) == whole, "byte by byte it is the same stream");
    CHECK(hear(input, body_max, [&] { return 1 + random.below(40); }) == whole, "it is the same, however it is cut");
  }
}

}  // namespace
}  // namespace zraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zraft::fuzz::run(zraft::fuzz::view(data, size));
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return zraft::fuzz::mutate_and_mend(data, size, size_max, seed, zraft::fuzz::mend_frames);
}
