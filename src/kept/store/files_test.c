#include "kept/store/files.h"

#include "ground/base/mem.h"
#include "ground/base/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void folder_new(void)
{
    snprintf(folder, sizeof(folder), "/tmp/files_test.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static unsigned mode_of(const char *name)
{
    struct stat st = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    CHECK_INT(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void check_content(const char *name, const char *want)
{
    struct buf b = {0};
    CHECK_INT(files_read(folder, name, &b), 0);
    CHECK_STR(buf_slice(&b), want);
    buf_fini(&b);
}

TEST(replaces_whole_files)
{
    struct buf b = {0};
    folder_new();
    CHECK_INT(files_read(folder, "a", &b), -ENOENT);
    CHECK_INT(files_write(folder, "a", SLICE("one")), 0);
    CHECK_INT(mode_of("a"), 0600);
    CHECK_INT(files_stage(folder, "a", SLICE("two")), 0);
    check_content("a", "one"); /* a crash here leaves the old one */
    CHECK_INT(files_commit(folder, "a"), 0);
    check_content("a", "two");
    CHECK(!files_exists(folder, "a.new"));
    CHECK_INT(files_rename(folder, "a", "b"), 0);
    CHECK_INT(files_remove(folder, "a"), 0);
    CHECK_INT(files_remove(folder, "b"), 0);
    CHECK_INT(rmdir(folder), 0);
    buf_fini(&b);
}

TEST(says_why_it_cannot)
{
    CHECK(files_write("/nonexistent/folder", "a", SLICE("x")) == -ENOENT);
    CHECK(files_folder_make("/nonexistent/folder") == -ENOENT);
    folder_new();
    CHECK_INT(files_commit(folder, "never-staged"), -ENOENT);
    CHECK_INT(rmdir(folder), 0);
}

TEST(unpacks_a_bundle)
{
    static const char *names[] = {FILE_KEY, FILE_CERT, FILE_MATERIAL, FILE_REVISION, FILE_MACHINE};
    struct bundle b = {.fqdn = SLICE("a.example"),
                       .central_fqdn = SLICE("c.example"),
                       .address = SLICE("127.0.0.1"),
                       .port = 4443,
                       .ca_pem = SLICE("CA"),
                       .signer_pem = SLICE("SIGNER"),
                       .cert_pem = SLICE("CERT"),
                       .key_pem = SLICE("KEY"),
                       .revision = SLICE("{}"),
                       .material = SLICE("M")};
    folder_new();
    CHECK_INT(files_folder_make(folder), 0);
    CHECK_INT(files_unpack_bundle(folder, &b), 0);
    check_content(FILE_KEY, "KEY");
    check_content(FILE_REVISION, "{}");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK_INT(mode_of(names[i]), 0600);
        CHECK_INT(files_remove(folder, names[i]), 0);
    }
    CHECK_INT(rmdir(folder), 0);
}

TEST_MAIN(replaces_whole_files, says_why_it_cannot, unpacks_a_bundle)
