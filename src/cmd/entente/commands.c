#include "cmd/entente/command.h"

#define ROW(id, ...) [OPTION_##id] = {__VA_ARGS__}
const struct option_row option_rows[OPTION_N] = {
    ROW(STATE, "state", "DIR", 0, COMPLETES_FOLDER, NULL,
        "state folder of this machine (otherwise $ENTENTE_STATE, then " ENTENTE_DEFAULT_STATE ")"),
    ROW(SOCKET, "socket", "PATH", 0, COMPLETES_FILE, NULL,
        "the daemon's socket, when it is not DIR/entented.sock"),
    ROW(JSON, "json", NULL, 0, COMPLETES_NOTHING, NULL, "print the API's answer"),
    ROW(HELP, "help", NULL, 'h', COMPLETES_NOTHING, NULL, "say how a command is used"),
    ROW(VERSION, "version", NULL, 0, COMPLETES_NOTHING, NULL, "print the version"),
    ROW(MACHINE, "machine", "FQDN", 0, COMPLETES_MACHINE, NULL, "name of a machine"),
    ROW(ADDRESS, "address", "ADDR", 0, COMPLETES_NOTHING, NULL, "its internal address"),
    ROW(NAME, "name", "NAME", 0, COMPLETES_NOTHING, NULL, "a name"),
    ROW(DOMAIN, "domain", "DOMAIN", 0, COMPLETES_NOTHING, NULL, "its first SIP domain"),
    ROW(TOPOLOGY, "topology", "FILE", 0, COMPLETES_FILE, NULL, "begin with this topology (YAML)"),
    ROW(OUTPUT, "output", "FILE", 'o', COMPLETES_FILE, NULL, "write to FILE"),
    ROW(FORMAT, "format", "FORM", 0, COMPLETES_NOTHING, NULL, "the form in which it is printed"),
    ROW(MESSAGE, "message", "TEXT", 'm', COMPLETES_NOTHING, NULL,
        "what changes and why, kept with the revision"),
    ROW(WAIT, "wait", "[SECONDS]", 0, COMPLETES_NOTHING, NULL, "wait until it is done, for so long (60)"),
    ROW(YES, "yes", NULL, 'y', COMPLETES_NOTHING, NULL, "do not ask: warnings are accepted"),
    ROW(KEY_FILE, "key-file", "FILE", 0, COMPLETES_FILE, NULL, "one line hmac-sha256:NAME:BASE64"),
    ROW(PASSWORD_FILE, "password-file", "FILE", 0, COMPLETES_FILE, NULL,
        "the password is its first line (otherwise it is asked for, or read from standard input)"),
    ROW(EDGE, "edge", "FQDN", 0, COMPLETES_NOTHING, NULL,
        "the partner's Access Edge, when DNS shall not be asked for it"),
    ROW(FROM, "from", "POOL|TIME|USER", 0, COMPLETES_NOTHING, NULL, "where or when it begins"),
    ROW(TO, "to", "POOL", 0, COMPLETES_POOL, NULL, "Edge pool that shall have them"),
    ROW(CLASSIC, "classic", NULL, 0, COMPLETES_NOTHING, NULL, "the nine old procedures in their own order"),
    ROW(MARKDOWN, "markdown", NULL, 0, COMPLETES_NOTHING, NULL, "all commands, as one Markdown page"),
    ROW(SIDE, "side", "external|internal", 0, COMPLETES_CHOICE, "external internal",
        "what others see, or what is seen inside (both)"),
    ROW(POOL, "pool", "POOL", 0, COMPLETES_NOTHING, NULL, "the pool that our user lives on"),
    ROW(STATIC, "static", NULL, 0, COMPLETES_NOTHING, NULL, "from the topology alone: DNS is not asked"),
    ROW(DRAFT, "draft", NULL, 0, COMPLETES_NOTHING, NULL, "of the draft, not of what is published"),
    ROW(KEEP, "keep", "mine|theirs", 0, COMPLETES_CHOICE, "mine theirs",
        "what counts where both changed the same: the draft, or what is published"),
    ROW(LIVE, "live", NULL, 0, COMPLETES_NOTHING, NULL, "ask every machine now, and wait for the answers"),
    ROW(WATCH, "watch", NULL, 0, COMPLETES_NOTHING, NULL,
        "partners in no list that met a limit, on all Edge machines"),
    ROW(METRICS, "metrics", NULL, 0, COMPLETES_NOTHING, NULL,
        "everything that is counted, as Prometheus reads it"),
    ROW(MAN, "man", NULL, 0, COMPLETES_NOTHING, NULL, "all commands, as a man page"),
    ROW(DRY_RUN, "dry-run", NULL, 0, COMPLETES_NOTHING, NULL,
        "say what would be published, and what the checks find; publish nothing"),
    ROW(USE, "use", "USE", 0, COMPLETES_WORDS,
        "access-external conferencing-external av-authentication xmpp-external internal",
        "what the certificate is for: access-external (as when it is not given), conferencing-external, "
        "av-authentication, xmpp-external, internal; a beginning or the name that Lync has will do"),
    ROW(PASSPHRASE_FILE, "passphrase-file", "FILE", 0, COMPLETES_FILE, NULL,
        "the passphrase is its first line (otherwise it is asked for where one is needed)"),
    ROW(RSA, "rsa", "2048|3072|4096", 0, COMPLETES_WORDS, "2048 3072 4096",
        "an RSA key of so many bits (otherwise ECDSA P-256)"),
    ROW(OVERLAP, "overlap", "HOURS", 0, COMPLETES_NOTHING, NULL,
        "how long what the certificate before has signed is still verified (24)"),
    ROW(OLD_WINDOWS, "old-windows", NULL, 0, COMPLETES_NOTHING, NULL,
        "3DES and SHA-1, for Windows before 2019: protect the file itself"),
    ROW(TRUST, "trust", "NAME", 0, COMPLETES_NOTHING, NULL,
        "roots of its own that the partner's certificate must lead to (cert trust add --name NAME)"),
    ROW(PIN_KEY, "pin-key", "SHA256", 0, COMPLETES_NOTHING, NULL,
        "the one key that proves the partner: SHA-256 of its SubjectPublicKeyInfo, in hex digits"),
    ROW(ROOT, "root", "FILE", 0, COMPLETES_FILE, NULL, "roots that are trusted (otherwise the system's)"),
};

#define SENSE(commands, id, ...)                                                                             \
    {                                                                                                        \
        commands, OPTION_##id,                                                                               \
        {                                                                                                    \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
#define FORMS(commands, value, words, help)                                                                  \
    SENSE(commands, FORMAT, "format", value, 0, COMPLETES_CHOICE, words, help)
#define NAMED(commands, help) SENSE(commands, NAME, "name", "NAME", 0, COMPLETES_NOTHING, NULL, help)
#define ON_MACHINE(commands, help)                                                                           \
    SENSE(commands, MACHINE, "machine", "FQDN", 0, COMPLETES_MACHINE, NULL, help)
#define WAITS(commands, help) SENSE(commands, WAIT, "wait", "[SECONDS]", 0, COMPLETES_NOTHING, NULL, help)
const struct option_sense option_senses[] = {
    SENSE("init", MACHINE, "machine", "FQDN", 0, COMPLETES_NOTHING, NULL, "this machine's name"),
    NAMED("init", "name of the deployment (otherwise the first label of its domain)"),
    ON_MACHINE("trace", "of this machine alone"),
    FORMS("topology show", "yaml|json|tree", "yaml json tree", "the form of what is printed (yaml)"),
    FORMS("topology export", "yaml|json", "yaml json", "the form of the document (yaml)"),
    FORMS("topology diff", "text|patch", "text patch", "lines to read, or a JSON Patch, RFC 6902 (text)"),
    ON_MACHINE("cert request", "the machine of the pool that makes the key (the first that answers)"),
    NAMED("cert import", "keep it under this name; cert assign puts it into use"),
    SENSE("cert", FROM, "from", "TIME", 0, COMPLETES_NOTHING, NULL,
          "when it takes effect: 2026-12-01, 2026-12-01T08:00, +12h, +3d (at once)"),
    NAMED("cert export", "the one that is kept under this name"),
    ON_MACHINE("cert sign", "the machine that the certificate is for"),
    SENSE("cert check", NAME, "name", "HOST", 0, COMPLETES_NOTHING, NULL,
          "the name that the certificate has to bear (the HOST that is asked)"),
    NAMED("cert trust add", "they prove the partners alone whose property trust is this name"),
    NAMED("cert trust remove", "the roots of this name"),
    FORMS("dns records", "table|zone|json", "table zone json",
          "a table, lines of a zone file, or JSON (table)"),
    SENSE("dns apply", YES, "yes", NULL, 'y', COMPLETES_NOTHING, NULL, "do not ask"),
    FORMS("firewall rules", "table|nft|json", "table nft json",
          "a table, a ruleset of one machine for nft -f, or JSON (table)"),
    SENSE("partner test", FROM, "from", "USER", 0, COMPLETES_NOTHING, NULL,
          "who the OPTIONS comes from: one of our users, as user@domain"),
    ON_MACHINE("partner test", "the Edge machine to test from"),
    WAITS("service drain", "wait until nothing is under way, for so long (3600)"),
    SENSE("transition", FROM, "from", "POOL", 0, COMPLETES_POOL, NULL, "Edge pool that has the routes now"),
    WAITS("transition", "wait until it has ended, for so long (without limit)"),
};
const size_t n_option_senses = sizeof(option_senses) / sizeof(option_senses[0]);

#define PUBLISHES (WITH_DAEMON | WITH(MESSAGE) | WITH(WAIT) | WITH(YES))
#define PLANS (WITH_DAEMON | WITH(FROM) | WITH(TO) | WITH(CLASSIC))

#define COMMAND(...)                                                                                         \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
const struct command commands[] = {
    COMMAND("init", "",
            WITH_FOLDER | WITH(MACHINE) | WITH(ADDRESS) | WITH(NAME) | WITH(DOMAIN) | WITH(TOPOLOGY),
            WITH(MACHINE) | WITH(ADDRESS), cmd_init, "make central management in a new state folder",
            "The folder gets an internal authority, the keys of the deployment, revision 1 and this "
            "machine's own files. A folder that holds something is refused."),
    COMMAND(
        "status", "", WITH_DAEMON | WITH(METRICS), 0, cmd_status,
        "what this machine's daemon runs, and its counters",
        "Services, load, the addresses that were dialled of late and how they are. --metrics, or the port of "
        "monitoring/metrics_port, is for Prometheus."),
    COMMAND(
        "trace", "CALL-ID", WITH_DAEMON | WITH(MACHINE), 0, cmd_trace,
        "what a Call-ID went through: at central management on all machines, elsewhere on this one",
        "One order of time, by central's clock; machines whose clocks differ, and those that do not "
        "answer, are "
        "named. The access log has the Call-ID of each request (call_id). A machine keeps the last 32,768 "
        "events of each worker. Ends with 2 when nothing is known of it."),
    COMMAND("topology show", "[PATH]", WITH_DAEMON | WITH(FORMAT), 0, cmd_topology_show,
            "the draft, or what is published when there is no draft",
            "PATH names objects by their identity, as in edge_pools/edge.contoso.example/federation."),
    COMMAND("topology edit", "", WITH_DAEMON, 0, cmd_topology_edit, "change the draft in $VISUAL or $EDITOR",
            "Findings are told with their lines. When somebody else changed the draft meanwhile, theirs is "
            "shown beside yours and nothing is overwritten. What was typed is never lost: it is kept in a "
            "file whenever it cannot become the draft. Comments and the order of things are kept, and come "
            "back in edit, show and export, until the topology is changed in another way (set, add, remove, "
            "rollback, a transition)."),
    COMMAND(
        "topology explain", "[PATH]", WITH_DAEMON, 0, cmd_topology_explain,
        "what an object or a property is, what it takes, and what the Lync world calls it",
        "The name of an object may be left out, as in edge_pools/federation_port. Without a daemon all but "
        "the present value is told."),
    COMMAND("topology schema", "", WITH(HELP) | WITH(JSON), 0, cmd_topology_schema,
            "print the JSON Schema of the document", NULL),
    COMMAND("topology set", "PATH VALUE", WITH_DAEMON, 0, cmd_topology_set, "set a property in the draft",
            "A list's items are separated by commas. Nothing runs before it is published."),
    COMMAND("topology add", "LISTPATH NAME=VALUE…", WITH_DAEMON, 0, cmd_topology_add,
            "add an object to a list of the draft", NULL),
    COMMAND("topology remove", "PATH", WITH_DAEMON, 0, cmd_topology_remove,
            "remove an object or a property from the draft", NULL),
    COMMAND("topology import", "FILE", WITH_DAEMON, 0, cmd_topology_import,
            "replace the draft by a document (YAML or JSON; - reads standard input)",
            "Another one's draft is not replaced: topology discard drops it first."),
    COMMAND("topology export", "", WITH_DAEMON | WITH(OUTPUT) | WITH(FORMAT), 0, cmd_topology_export,
            "write the draft, or what is published, as a document", NULL),
    COMMAND("topology check", "", WITH_DAEMON, 0, cmd_topology_check, "what the checks find in the draft",
            "Ends with 2 when they find errors."),
    COMMAND("topology diff", "[FROM [TO]]", WITH_DAEMON | WITH(FORMAT), 0, cmd_topology_diff,
            "what the draft changes, or what lies between two revisions",
            "Without numbers: from the published revision to the draft. With one: from that revision to the "
            "draft. --format patch prints a JSON Patch (RFC 6902)."),
    COMMAND("topology discard", "", WITH_DAEMON, 0, cmd_topology_discard, "drop the draft", NULL),
    COMMAND(
        "topology rebase", "", WITH_DAEMON | WITH(KEEP), 0, cmd_topology_rebase,
        "carry the draft over to what was published since it was begun",
        "Object by object: what only one side changed is taken from that side. Where both changed the same, "
        "the paths are listed and nothing is carried over, unless --keep says what counts."),
    COMMAND("topology history", "", WITH_DAEMON, 0, cmd_topology_history, "all revisions, the newest first",
            NULL),
    COMMAND("topology rollback", "REVISION", PUBLISHES, 0, cmd_topology_rollback,
            "publish the content of an older revision under a new number", NULL),
    COMMAND(
        "publish", "", PUBLISHES | WITH(DRY_RUN), 0, cmd_publish,
        "check, sign and store the draft as a revision, and send it to every machine",
        "On a terminal it shows the changes, the findings and the machines first, and asks. Errors of the "
        "checks refuse it; warnings do, too, unless they are accepted. With --wait it ends "
        "when all managed machines run the revision, and with 2 when the time is over before that."),
    COMMAND(
        "replication status", "", WITH_DAEMON | WITH(LIVE), 0, cmd_replication_status,
        "a line for each machine: revision, age, state, reason",
        "With --live every machine is asked first; it ends with 2 when one is behind or does not answer."),
    COMMAND("machine list", "", WITH_DAEMON, 0, cmd_machine_list, "the machines of the deployment", NULL),
    COMMAND("machine bundle", "FQDN", WITH_DAEMON | WITH(OUTPUT), WITH(OUTPUT), cmd_machine_bundle,
            "write what a new machine needs to join",
            "The file holds secrets: it is made with mode 0600, and belongs on that machine alone."),
    COMMAND("machine join", "FILE", WITH_FOLDER, 0, cmd_machine_join,
            "unpack a bundle into this machine's state folder",
            "Run on the new machine, before entented starts there."),
    COMMAND("cert required", "[POOL|MACHINE]", WITH_DAEMON | WITH(USE), 0, cmd_cert_required,
            "the names that every certificate needs, from the draft, and what is wrong with what is there",
            "With --use, those of that use alone."),
    COMMAND(
        "cert request", "POOL|MACHINE", WITH_DAEMON | WITH(OUTPUT) | WITH(USE) | WITH(RSA) | WITH(MACHINE), 0,
        cmd_cert_request, "have a machine make a key that stays there, and its request (CSR)",
        "A machine of the pool makes the key and keeps it: the one that --machine names, else the first that "
        "answers. Once the certificate is in use the pool's other machines get the key sealed, from it. The "
        "names "
        "are those of cert required. When the authority has answered: cert import POOL "
        "CERT.pem, without a key. Without --output the request is printed. With --use internal a machine "
        "makes "
        "a new key for itself, which the internal authority certifies at once, as with cert renew."),
    COMMAND("cert import", "POOL CERT [KEY]",
            WITH_DAEMON | WITH(USE) | WITH(NAME) | WITH(PASSPHRASE_FILE) | WITH(FROM) | WITH(OVERLAP), 0,
            cmd_cert_import, "check an external certificate and put it into use, or keep it by a name",
            "CERT is PEM, PKCS#7, DER or PKCS#12 (old forms, too), with its chain. Without a key, that of "
            "cert request is taken. POOL may be a machine of the pool, which then differs from the others. "
            "With --name it is kept, and cert assign puts it into use."),
    COMMAND("cert assign", "POOL NAME|FILE",
            WITH_DAEMON | WITH(USE) | WITH(PASSPHRASE_FILE) | WITH(FROM) | WITH(OVERLAP), 0, cmd_cert_assign,
            "put a certificate into use, on a pool or one machine of it",
            "It is presented to new connections at once; those that there are go on. That of "
            "av-authentication takes effect at the time of --from, on all machines by their clocks; what the "
            "one before "
            "has signed is verified for the hours of --overlap after that."),
    COMMAND("cert remove", "NAME", WITH_DAEMON, 0, cmd_cert_remove,
            "forget a certificate that is kept and not in use, with its key", NULL),
    COMMAND("cert export", "[POOL]",
            WITH_DAEMON | WITH(OUTPUT) | WITH(USE) | WITH(NAME) | WITH(PASSPHRASE_FILE) | WITH(OLD_WINDOWS),
            WITH(OUTPUT), cmd_cert_export, "write a certificate with its private key and chain as PKCS#12",
            "That of a use of a pool, or with --name one that is kept. The file is made with mode 0600."),
    COMMAND("cert sign", "REQUEST.pem", WITH_DAEMON | WITH(MACHINE) | WITH(USE) | WITH(OUTPUT), WITH(MACHINE),
            cmd_cert_sign, "sign a machine's request by the internal authority, for internal use",
            "The names are those that the topology gives the machine, whatever the request says."),
    COMMAND("cert renew", "MACHINE", WITH_DAEMON | WITH(WAIT), 0, cmd_cert_renew,
            "have a machine replace its internal key and certificate now",
            "Machines do so themselves when half of the time has passed, a name is missing, or the key is "
            "the one "
            "that their bundle brought."),
    COMMAND("cert list", "", WITH_DAEMON, 0, cmd_cert_list,
            "certificates in use, those kept, those of machines, and requests that wait", NULL),
    COMMAND("cert check", "HOST:PORT", WITH_FOLDER | WITH(NAME) | WITH(ROOT), 0, cmd_cert_check,
            "show the chain that a TLS server sends, and what is wrong with it",
            "Exit code 2 when something is. For STARTTLS there is nothing; HOST may be an address with "
            "--name HOST."),
    COMMAND("cert trust add", "FILE.pem", WITH_DAEMON | WITH(NAME), 0, cmd_cert_trust_add,
            "add roots that certificates of partners must lead to",
            "While none was added, those of the system count. With --name NAME they prove only the partners "
            "whose property trust is that name (partner allow DOMAIN --trust NAME)."),
    COMMAND("cert trust remove", "[FINGERPRINT]", WITH_DAEMON | WITH(NAME), 0, cmd_cert_trust_remove,
            "take away a root, named by the beginning of its fingerprint, or all of --name NAME",
            "Partners that were proven by it are refused from then on, on connections that are up, too. When "
            "the last one for all partners is gone, those of the system count again."),
    COMMAND("cert trust list", "", WITH_DAEMON, 0, cmd_cert_trust_list,
            "the roots that certificates of partners must lead to", NULL),
    COMMAND(
        "cert crl add", "FILE", WITH_DAEMON, 0, cmd_cert_crl_add,
        "give the Edge machines a revocation list of an authority, DER or PEM",
        "For authorities whose lists they cannot fetch. It answers for all certificates of that authority, "
        "whether they name a list or not, until a newer one comes, fetched or given. A later one takes its "
        "place. No lists of changes (delta), none of several issuers (indirect)."),
    COMMAND("cert crl list", "", WITH_DAEMON, 0, cmd_cert_crl_list,
            "revocation lists: those given, and what each Edge machine has and misses",
            "On an Edge machine, what that one has."),
    COMMAND("cert crl remove", "FINGERPRINT", WITH_DAEMON, 0, cmd_cert_crl_remove,
            "take away a list that was given, named by the beginning of its fingerprint",
            "Whom it alone names is good again; what was fetched counts as before."),
    COMMAND("dns server", "ADDR:PORT ZONE…", WITH_DAEMON | WITH(KEY_FILE), WITH(KEY_FILE), cmd_dns_server,
            "say where DNS updates of a transition go", NULL),
    COMMAND("dns records", "", WITH_DAEMON | WITH(SIDE) | WITH(FORMAT) | WITH(DRAFT), 0, cmd_dns_records,
            "all DNS records that the topology implies", NULL),
    COMMAND(
        "dns check", "", WITH_DAEMON | WITH(SIDE) | WITH(DRAFT), 0, cmd_dns_check,
        "how they differ from what the name servers say, TTLs included",
        "Asked are the resolvers of the topology and the authoritative servers of each zone, found by its NS "
        "records. Where inside_dns_servers and outside_dns_servers of the deployment are both set, the two "
        "are two views: each side's records in its own, and a name of the inside that is seen outside is "
        "told as exposed. Ends with 2 when something differs or a server does not answer."),
    COMMAND(
        "dns apply", "", WITH_DAEMON | WITH(SIDE) | WITH(YES), 0, cmd_dns_apply,
        "set what differs, at the server that takes updates",
        "What will be set is shown first, and asked about. Where inside and outside are two views, --side "
        "says which of them that server holds."),
    COMMAND(
        "firewall rules", "[MACHINE]", WITH_DAEMON | WITH(FORMAT) | WITH(OUTPUT) | WITH(DRAFT), 0,
        cmd_firewall_rules, "the ports that machines need open",
        "Of all machines, or of one. Whatever a machine listens on is there, and what it connects to; what "
        "this version does not serve yet says so. --format nft drops all else: rules of your own (ssh, time) "
        "stand in files that it includes, and names itself."),
    COMMAND(
        "path", "FROM TO", WITH_DAEMON | WITH(POOL) | WITH(STATIC) | WITH(DRAFT), 0, cmd_path,
        "every hop of a message, a call and its media between two users, and what would fail",
        "FROM and TO are user@domain; one of them is ours. Ends with 2 when messages or calls would fail."),
    COMMAND("user add", "AOR", WITH_DAEMON | WITH(PASSWORD_FILE), 0, cmd_user_add,
            "make a user, as alice@contoso.example", "On a Front End machine, with its own daemon."),
    COMMAND("user passwd", "AOR", WITH_DAEMON | WITH(PASSWORD_FILE), 0, cmd_user_passwd,
            "give a user a new password", NULL),
    COMMAND("user remove", "AOR", WITH_DAEMON, 0, cmd_user_remove, "remove a user", NULL),
    COMMAND("user list", "", WITH_DAEMON, 0, cmd_user_list, "the users of this machine", NULL),
    COMMAND(
        "partner list", "", WITH_DAEMON | WITH(WATCH), 0, cmd_partner_list, "partners in the draft",
        "With --watch: the discovered partners that met one of the limits of access_edge/discovered_…, as "
        "every Edge machine tells now; where central management does not run, as this machine does."),
    COMMAND("partner allow", "DOMAIN", WITH_DAEMON | WITH(EDGE) | WITH(TRUST) | WITH(PIN_KEY), 0,
            cmd_partner_allow, "allow a partner (in the draft)", NULL),
    COMMAND("partner block", "DOMAIN", WITH_DAEMON, 0, cmd_partner_block, "block a partner (in the draft)",
            NULL),
    COMMAND("partner remove", "DOMAIN", WITH_DAEMON, 0, cmd_partner_remove, "forget a partner (in the draft)",
            NULL),
    COMMAND(
        "partner test", "DOMAIN", WITH_DAEMON | WITH(FROM) | WITH(MACHINE), 0, cmd_partner_test,
        "try federation with a domain from an Edge machine, stage by stage, in both directions",
        "SRV, addresses, TCP, TLS with the certificate shown, the identity rule that holds, OPTIONS, "
        "policy; would they be believed as senders, do they find us, can they prove us. The domain need not "
        "be in the list, and nothing is changed. A stage behind one that failed is not reached (-). Ends "
        "with 2 when a stage fails."),
    COMMAND(
        "service list", "", WITH_DAEMON, 0, cmd_service_list,
        "Access Edge services: as published, and as they run",
        "PENDING are requests without a final response. Numbers are those that a machine last told central "
        "management; service drain asks anew."),
    COMMAND(
        "service stop", "POOL|MACHINE", PUBLISHES, 0, cmd_service_stop,
        "stop and disable the Access Edge of a pool or of one machine, and publish that",
        "What is pending is answered, then connections end. Calls that no other machine of the pool serves "
        "cannot be changed or ended in order after that: service drain first, and it says when."),
    COMMAND("service start", "POOL|MACHINE", PUBLISHES, 0, cmd_service_start,
            "enable the Access Edge of a pool or of one machine, and publish that", NULL),
    COMMAND("service drain", "POOL|MACHINE", PUBLISHES, 0, cmd_service_drain,
            "let the Access Edge of a pool or of one machine end what it has, and publish that",
            "New dialogs go elsewhere, as the pool's drain_new says. It shows what is under way; with --wait "
            "until "
            "nothing is, or with 2 when the time (an hour) is over. The Edge keeps no dialogs: their number "
            "is an "
            "estimate, INVITEs that were answered less BYEs since the machine started. The last line says "
            "whether it may be stopped now, and why: a machine as soon as nothing is pending and another one "
            "of its pool serves."),
    COMMAND("transition plan", "", PLANS, WITH(FROM) | WITH(TO), cmd_transition_plan,
            "the steps that move the routes from one Edge pool to another", NULL),
    COMMAND("transition apply", "", PLANS | WITH(WAIT), 0, cmd_transition_apply,
            "begin or go on with what is planned",
            "With --from and --to it is planned anew first, unless that very transition is under way. With "
            "--wait each step is printed when it ends."),
    COMMAND("transition status", "", WITH_DAEMON, 0, cmd_transition_status, "where the transition stands",
            NULL),
    COMMAND("transition continue", "", WITH_DAEMON, 0, cmd_transition_continue,
            "say that the step by hand is done", NULL),
    COMMAND("transition rollback", "", WITH_DAEMON | WITH(WAIT), 0, cmd_transition_rollback,
            "undo what was done, the last step first", NULL),
    COMMAND("help", "[COMMAND…]", WITH(HELP) | WITH(MARKDOWN) | WITH(MAN), 0, cmd_help,
            "list the commands, or say how one is used", NULL),
    COMMAND("completion", "SHELL", WITH(HELP), 0, cmd_completion, "print the completion of a shell (bash)",
            "source <(entente completion bash)"),
    COMMAND("complete", "[WORD…]", WITH_DAEMON, 0, cmd_complete, NULL, NULL),
    COMMAND("version", "", WITH(HELP) | WITH(JSON), 0, cmd_version, "print the version", NULL),
};
const size_t n_commands = sizeof(commands) / sizeof(commands[0]);
