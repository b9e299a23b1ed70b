// SPDX-License-Identifier: Apache-2.0
//
// Writes a link's queue to its socket without waiting for the other side: bytes from memory many pieces at a time, and
// those of files by sendfile(2), from the page cache to the socket, so that they never pass through this process. What
// of a file is not in the page cache is waited for, so it is asked for when it is queued.
#pragma once

#include <cstddef>

#include "zraft/base/result.h"
#include "zraft/net/send_queue.h"

namespace zraft::net {

// Writes until the queue is empty, or about `size_max` bytes are written (true), or the socket takes no more (false).
// Errors: io, with the system's words; after one the stream must not go on.
[[nodiscard]] Result<bool> write_queue(int socket, SendQueue& queue, std::size_t size_max);

// The part will be sent soon. Requires: the file has a descriptor.
void read_ahead(const node::FilePart& part);

}  // namespace zraft::net
