#include "kept/directory/directory.h"

#include "ground/base/test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96];

static struct directory *new_directory(void)
{
    struct directory *d = NULL;
    strcpy(folder, "/tmp/directory_test.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/users.db", folder);
    CHECK_INT(directory_open(folder, &d), 0);
    return d;
}

static void drop_folder(void)
{
    static const char *const suffix[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
        unlink(name);
    }
    CHECK_INT(rmdir(folder), 0);
}

static void check_password(struct directory *d, const char *aor, const char *user, const char *realm,
                           const char *password)
{
    struct directory_user u;
    CHECK(directory_find(d, slice_str(aor), &u));
    for (enum sip_digest i = 0; i < SIP_DIGEST_COUNT; i++) {
        char want[SIP_HA1_MAX];
        sip_digest_ha1(i, slice_str(user), slice_str(realm), slice_str(password), want);
        CHECK_STR(slice_str(u.ha1[i]), want);
        char one[SIP_HA1_MAX];
        CHECK(directory_ha1(d, slice_str(aor), i, false, one));
        CHECK_STR(slice_str(one), want);
        bool full = directory_ha1(d, slice_str(aor), i, true, one);
        CHECK(full == (u.ha1_full[i][0] != 0));
        CHECK(!full || strcmp(one, u.ha1_full[i]) == 0);
    }
}

TEST(add_find_passwd_remove)
{
    struct directory *d = new_directory();
    struct directory_user u;
    CHECK_INT(directory_add(d, SLICE("alice@Atlanta.Example"), SLICE("first")), 0);
    CHECK_INT(directory_add(d, SLICE("alice@atlanta.example"), SLICE("other")), -EEXIST);
    check_password(d, "alice@ATLANTA.example", "alice", "atlanta.example", "first");
    CHECK(!directory_find(d, SLICE("Alice@atlanta.example"), &u)); /* the user part has case */
    CHECK_INT(directory_passwd(d, SLICE("alice@atlanta.example"), SLICE("second")), 0);
    CHECK_INT(directory_passwd(d, SLICE("bob@atlanta.example"), SLICE("x")), -ENOENT);
    check_password(d, "alice@atlanta.example", "alice", "atlanta.example", "second");
    CHECK_INT(directory_count(d), 1);
    directory_close(d);
    CHECK_INT(directory_open(folder, &d), 0);
    check_password(d, "alice@atlanta.example", "alice", "atlanta.example", "second");
    CHECK_INT(directory_remove(d, SLICE("alice@atlanta.example")), 0);
    CHECK_INT(directory_remove(d, SLICE("alice@atlanta.example")), -ENOENT);
    CHECK_INT(directory_count(d), 0);
    directory_close(d);
    CHECK_INT(directory_open(folder, &d), 0);
    CHECK(!directory_find(d, SLICE("alice@atlanta.example"), &u));
    directory_close(d);
    directory_close(NULL);
    drop_folder();
}

TEST(serials_change_with_passwords)
{
    struct directory *d = new_directory();
    struct slice alice = SLICE("alice@b.example");
    uint64_t other, first, second;
    CHECK(directory_serial(d, alice) == 0);
    CHECK(directory_serial(d, SLICE("nonsense")) == 0);
    char ha1[SIP_HA1_MAX];
    CHECK(!directory_ha1(d, alice, SIP_DIGEST_MD5, false, ha1));
    CHECK(!directory_ha1(d, SLICE("nonsense"), SIP_DIGEST_MD5, false, ha1));
    CHECK_INT(directory_add(d, alice, SLICE("x")), 0);
    CHECK_INT(directory_add(d, SLICE("bob@b.example"), SLICE("x")), 0);
    first = directory_serial(d, SLICE("alice@B.example"));
    other = directory_serial(d, SLICE("bob@b.example"));
    CHECK(first != 0 && other != 0 && first != other);
    CHECK_INT(directory_passwd(d, alice, SLICE("x")), 0);
    second = directory_serial(d, alice);
    CHECK(second != 0 && second != first && second != other);
    CHECK(directory_serial(d, SLICE("bob@b.example")) == other);
    CHECK_INT(directory_remove(d, alice), 0);
    CHECK(directory_serial(d, alice) == 0);
    CHECK_INT(directory_add(d, alice, SLICE("x")), 0);
    CHECK(directory_serial(d, alice) > second);
    directory_close(d);
    drop_folder();
}

TEST(names_and_passwords)
{
    static const struct {
        const char *aor;
        int want;
    } cases[] = {
        {"a@b",                                                                0      },
        {"+1-201-555-0123@b.example",                                          0      },
        {"j.doe_(x)!~*'&=+$,;?/@b-c.example",                                  0      },
        {"",                                                                   -EINVAL},
        {"a",                                                                  -EINVAL},
        {"@b",                                                                 -EINVAL},
        {"a@",                                                                 -EINVAL},
        {"a@b@c",                                                              -EINVAL},
        {"a b@c",                                                              -EINVAL},
        {"a\"@c",                                                              -EINVAL},
        {"a:pw@c",                                                             -EINVAL},
        {"a%41@c",                                                             -EINVAL},
        {"\xc3\xa4@c",                                                         -EINVAL},
        {"a@b..c",                                                             -EINVAL},
        {"a@b.",                                                               -EINVAL},
        {"a@-b",                                                               -EINVAL},
        {"a@b-",                                                               -EINVAL},
        {"a@b_c",                                                              -EINVAL},
        {"a@b:5060",                                                           -EINVAL},
        {"a@[::1]",                                                            -EINVAL},
        {"a@1234567890123456789012345678901234567890123456789012345678901234", -EINVAL},
    };
    struct directory *d = new_directory();
    char text[DIRECTORY_MAX_PASSWORD + 2];
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int r = directory_add(d, slice_str(cases[i].aor), SLICE("pw"));
        if (r != cases[i].want)
            TEST_DIAG("'%s' gives %d", cases[i].aor, r);
    }
    CHECK_INT(directory_count(d), 3);
    CHECK_INT(directory_add(d, SLICE("a\0b@c"), SLICE("pw")), -EINVAL);
    text[DIRECTORY_MAX_NAME - 2] = '@';
    CHECK_INT(directory_add(d, slice_mem(text, DIRECTORY_MAX_NAME), SLICE("pw")), 0);
    text[DIRECTORY_MAX_NAME - 2] = 'a';
    text[DIRECTORY_MAX_NAME - 1] = '@';
    CHECK_INT(directory_add(d, slice_mem(text, DIRECTORY_MAX_NAME + 1), SLICE("pw")), -EINVAL);
    memset(text, 'a', sizeof(text));
    CHECK_INT(directory_add(d, SLICE("c@d"), SLICE("")), -EINVAL);
    CHECK_INT(directory_add(d, SLICE("c@d"), SLICE("a\tb")), -EINVAL);
    CHECK_INT(directory_add(d, SLICE("c@d"), slice_mem(text, DIRECTORY_MAX_PASSWORD + 1)), -EINVAL);
    CHECK_INT(directory_add(d, SLICE("c@d"), slice_mem(text, DIRECTORY_MAX_PASSWORD)), 0);
    CHECK_INT(directory_add(d, SLICE("d@d"), SLICE("p\xc3\xa4ss w\xc3\xb6rd")), 0);
    directory_close(d);
    drop_folder();
}

TEST(list_is_sorted)
{
    struct directory *d = new_directory();
    struct arena a = {0};
    struct slice *aors;
    size_t n = 1;
    CHECK_INT(directory_list(d, &a, &aors, &n), 0);
    CHECK_INT(n, 0);
    for (int i = 0; i < 50; i++) {
        char aor[32];
        snprintf(aor, sizeof(aor), "u%02d@x.example", i * 7 % 50);
        CHECK_INT(directory_add(d, slice_str(aor), SLICE("pw")), 0);
    }
    CHECK_INT(directory_list(d, &a, &aors, &n), 0);
    CHECK_INT(n, 50);
    CHECK_STR(aors[0], "u00@x.example");
    CHECK_STR(aors[49], "u49@x.example");
    for (size_t i = 1; i < n; i++)
        CHECK(slice_cmp(aors[i - 1], aors[i]) < 0);
    arena_fini(&a);
    directory_close(d);
    drop_folder();
}

static void limit_files(rlim_t n)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = n < l.rlim_max ? n : l.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &l), 0);
}

TEST(failing_disk)
{
    struct directory *d = new_directory();
    struct directory_user u;
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(directory_add(d, SLICE("a@b"), SLICE("first")), 0);
    limit_files(4096);
    CHECK_INT(directory_add(d, SLICE("c@b"), SLICE("pw")), -EIO);
    CHECK_INT(directory_passwd(d, SLICE("a@b"), SLICE("second")), -EIO);
    CHECK_INT(directory_remove(d, SLICE("a@b")), -EIO);
    CHECK(!directory_find(d, SLICE("c@b"), &u));
    check_password(d, "a@b", "a", "b", "first");
    limit_files(RLIM_INFINITY);
    CHECK_INT(directory_passwd(d, SLICE("a@b"), SLICE("second")), 0);
    check_password(d, "a@b", "a", "b", "second");
    directory_close(d);
    CHECK_INT(truncate(path, 4096 + 100), 0);
    CHECK_INT(directory_open(folder, &d), -EBADMSG);
    drop_folder();
}

/* A password is not kept, nor is what a removed user had. */
TEST(nothing_left_in_the_file)
{
    struct directory *d = new_directory();
    static char bytes[1 << 20];
    char ha1[SIP_HA1_MAX];
    CHECK_INT(directory_add(d, SLICE("alice@b"), SLICE("my long secret")), 0);
    CHECK_INT(directory_remove(d, SLICE("alice@b")), 0);
    directory_close(d);
    FILE *f = fopen(path, "r");
    struct slice all = slice_mem(bytes, fread(bytes, 1, sizeof(bytes), f));
    fclose(f);
    CHECK(all.n > 0);
    CHECK(slice_search(all, SLICE("my long secret")) == SIZE_MAX);
    for (enum sip_digest i = 0; i < SIP_DIGEST_COUNT; i++) {
        sip_digest_ha1(i, SLICE("alice"), SLICE("b"), SLICE("my long secret"), ha1);
        CHECK(slice_search(all, slice_str(ha1)) == SIZE_MAX);
    }
    drop_folder();
}

static atomic_bool ended;
static atomic_size_t wrong;

static void *reader(void *arg)
{
    struct directory *d = arg;
    char first[SIP_HA1_MAX], second[SIP_HA1_MAX];
    sip_digest_ha1(SIP_DIGEST_SHA_256, SLICE("a"), SLICE("b"), SLICE("first"), first);
    sip_digest_ha1(SIP_DIGEST_SHA_256, SLICE("a"), SLICE("b"), SLICE("second"), second);
    while (!atomic_load(&ended)) {
        struct directory_user u;
        struct arena a = {0};
        struct slice *aors;
        size_t n;
        const char *got = u.ha1[SIP_DIGEST_SHA_256];
        if (!directory_find(d, SLICE("a@b"), &u) || (strcmp(got, first) != 0 && strcmp(got, second) != 0))
            atomic_fetch_add(&wrong, 1);
        directory_list(d, &a, &aors, &n);
        if (n < 1 || n > 3)
            atomic_fetch_add(&wrong, 1);
        arena_fini(&a);
    }
    return NULL;
}

static void *writer(void *arg)
{
    struct directory *d = arg;
    for (int i = 0; i < 30; i++) {
        if (directory_passwd(d, SLICE("a@b"), i % 2 ? SLICE("first") : SLICE("second")) != 0)
            atomic_fetch_add(&wrong, 1);
        directory_add(d, SLICE("c@b"), SLICE("x"));
        directory_add(d, SLICE("e@b"), SLICE("x"));
        directory_remove(d, SLICE("c@b"));
    }
    return NULL;
}

TEST(threads)
{
    struct directory *d = new_directory();
    pthread_t readers[2], writers[2];
    CHECK_INT(directory_add(d, SLICE("a@b"), SLICE("first")), 0);
    for (int i = 0; i < 2; i++) {
        pthread_create(&readers[i], NULL, reader, d);
        pthread_create(&writers[i], NULL, writer, d);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&ended, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    CHECK_INT(wrong, 0);
    CHECK_INT(directory_count(d), 2);
    directory_close(d);
    drop_folder();
}

TEST_MAIN(add_find_passwd_remove, serials_change_with_passwords, names_and_passwords, list_is_sorted,
          failing_disk, nothing_left_in_the_file, threads)
