// SPDX-License-Identifier: Apache-2.0
//
// What is said of a backup, and of a group that is, or would be, made of one.
#include "cli/backup_report.h"

#include <gtest/gtest.h>

#include "test/storage/snapshots.h"

namespace zraft::cli {
namespace {

Restoration restoration_of(std::size_t peers) {
  Restoration restoration{
      .file = "kv.bak",
      .bytes = 330,
      .header = {.group = "kv", .manifest = zraft::test::manifest_of(zraft::test::meta_at(3, 7), {{"keys", "abc"}})},
      .group = "copy",
      .group_id = {},
      .peers = {}};
  for (std::size_t n = 1; n <= peers; ++n) {
    restoration.peers.push_back({.name = "n" + std::to_string(n) + "@h:1", .problem = {}});
  }
  return restoration;
}

const std::string backup_part =
    R"({"group":"kv","group_id":"10","backend":"memory","term":3,"index":7,"time_ns":1000,"files":1,"state_bytes":3,)"
    R"("bytes":330,"members":["one@10.0.0.1:7000","two@10.0.0.2:7000"],"file":"kv.bak"})";

TEST(BackupReport, SaysWhatARestorationWouldDo) {
  Restoration restoration = restoration_of(2);
  restoration.peers[1].problem = {Code::already_present, "it is there"};
  EXPECT_EQ(restoration_json(restoration),
            R"({"group":"copy","applied":false,"group_id":null,"peers":[{"peer":"n1@h:1","problem":null},)"
            R"({"peer":"n2@h:1","problem":"it is there"}],"backup":)" +
                backup_part + "}\n");
  const std::string text = restoration_text(restoration);
  for (const char* part : {"3^7", "group copy", "n1@h:1  with-the-state  could-be-started", "it is there",
                           "Nothing was changed."}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
}

TEST(BackupReport, SaysWhatARestorationDid) {
  Restoration restoration = restoration_of(1);
  restoration.group_id = {78};
  EXPECT_EQ(restoration_text(restoration),
            "group copy is restored from kv.bak, up to 3^7: n1@h:1 has its state\n");
  EXPECT_EQ(restoration_json(restoration),
            R"({"group":"copy","applied":true,"group_id":"78","peers":[{"peer":"n1@h:1","problem":null}],"backup":)" +
                backup_part + "}\n");
  restoration = restoration_of(2);
  restoration.group_id = {78};
  EXPECT_NE(restoration_text(restoration).find("has its state, and the other member fetches it\n"), std::string::npos);
  restoration = restoration_of(3);
  restoration.group_id = {78};
  EXPECT_NE(restoration_text(restoration).find("and the other 2 members fetch it\n"), std::string::npos);
}

TEST(BackupReport, SaysOfABackupWhatIsInIt) {
  EXPECT_EQ(backup_json(restoration_of(1).header, "kv.bak", "", 330), backup_part + "\n");
  EXPECT_NE(backup_json(restoration_of(1).header, "kv.bak", "n1@h:1", 330).find(R"("peer":"n1@h:1")"),
            std::string::npos);
  const std::string table = backup_table(restoration_of(1).header, 330);
  EXPECT_NE(table.find("kv     10        memory   3^7   0.000s  1      3            330"), std::string::npos) << table;
}

}  // namespace
}  // namespace zraft::cli
