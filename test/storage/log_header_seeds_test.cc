// SPDX-License-Identifier: Apache-2.0
//
// The seeds of log_header_fuzz: one of each thing that stands at the head of a file of the log, and a name of each
// kind.
#include <gtest/gtest.h>

#include "test/seeds.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/segment.h"
#include "zraft/storage/wal_format.h"

namespace zraft::storage {
namespace {

TEST(LogHeaders, TheCorpusOfTheFuzzerHoldsOneOfEach) {
  const Bytes segment = encode_segment_header({.directory = 77, .segment = 3, .size = segment_size_min});
  BatchHeader batch{.directory = 77, .segment = 3, .sequence = 12, .synced_upto = 11, .chain = 5, .block = 1};
  test::expect_seeds("log_header", {{"segment", segment.substr(0, 44)},
                                    {"batch", encode_batch_header(batch)},
                                    {"identity", encode_identity({.id = 77, .owner = "one"})},
                                    {"segment_name", segment_name(0xa3)},
                                    {"spare_name", spare_name(0xa3)}});
}

}  // namespace
}  // namespace zraft::storage
