// SPDX-License-Identifier: Apache-2.0
//
// See asio_writer.h. Where more follows what one call can take, a file above all, MSG_MORE lets the kernel wait with
// the last packet for it; TCP_NODELAY would send a chunk's header alone. The last bytes of a file go at once.
#include "zraft/net/asio_writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace zraft::net {
namespace {

constexpr std::size_t parts_per_write = 256;  // IOV_MAX is 1024
// One call reads no more of a disk than this while the loop waits.
constexpr std::size_t file_bytes_per_write = std::size_t{1} << 20;

ssize_t write_pieces(int socket, const SendQueue& queue) {
  std::array<BytesView, parts_per_write> parts;
  std::array<iovec, parts_per_write> vectors;
  const std::size_t count = queue.gather(parts);
  std::size_t size = 0;
  for (std::size_t i = 0; i < count; ++i) {
    vectors[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
    size += parts[i].size();
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  const int more = size < queue.bytes() ? MSG_MORE : 0;
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | more);
}

// sendfile(2) knows no MSG_NOSIGNAL: the signal stays with this thread, which runs a loop, and nobody takes it.
void keep_broken_pipes_quiet() {
  static thread_local bool is_done = false;
  if (std::exchange(is_done, true)) return;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  static_cast<void>(::pthread_sigmask(SIG_BLOCK, &signals, nullptr));
}

ssize_t write_file(int socket, const SendQueue::FileBytes& bytes) {
  keep_broken_pipes_quiet();
  auto offset = static_cast<off_t>(bytes.offset);
  return ::sendfile(socket, bytes.file->descriptor(), &offset, std::min(bytes.length, file_bytes_per_write));
}

}  // namespace

Result<bool> write_queue(int socket, SendQueue& queue, std::size_t size_max) {
  for (std::size_t written = 0; !queue.is_empty() && written < size_max;) {
    const auto file = queue.next_file();
    const ssize_t size = file ? write_file(socket, *file) : write_pieces(socket, queue);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (size < 0) return fail(Code::io, std::error_code(errno, std::system_category()).message());
    // Its length was announced: the stream cannot be put right.
    if (size == 0 && file) return fail(Code::io, "a file became shorter while it was sent");
    queue.consume(static_cast<std::size_t>(size));
    written += static_cast<std::size_t>(size);
  }
  return true;
}

void read_ahead(const node::FilePart& part) {
  // It is read all the same where this is not known.
  static_cast<void>(::posix_fadvise(part.file->descriptor(), static_cast<off_t>(part.offset),
                                    static_cast<off_t>(part.length), POSIX_FADV_WILLNEED));
}

}  // namespace zraft::net
