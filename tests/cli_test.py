#!/usr/bin/env python3
"""The command line as administrators use it: editors, terminals, two at once, completion, wrong words."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from tap import check, check_equal, run
from terminal import Terminal

from lab.machine import Machine, program
from lab.net import Net
from lab.org import contoso_topology, yaml
from lab.pki import Authority

FOLDER = Path(tempfile.mkdtemp(prefix="entente-cli-test-"))
NET = Net()
EDGE = "edge_pools/edge-new.contoso.example"


class NameServer:
    server = NET.address("dns") + ":53"


class Central(Machine):
    """Central management alone: its machines never come."""

    def __init__(self, name):
        super().__init__("cms.contoso.example", FOLDER / name, FOLDER / f"{name}.log")
        document = FOLDER / f"{name}.yaml"
        topology = contoso_topology(NET, NameServer)
        topology["central"]["internal_address"] = NET.address(name)
        document.write_text(yaml(topology))
        done = subprocess.run([program("entente"), "init", "--state", self.folder, "--machine", self.fqdn, "--address",
                               NET.address(name), "--topology", document], capture_output=True, text=True)
        check_equal(done.returncode, 0, done.stderr)
        self.start()
        pair = Authority(FOLDER / f"{name}-ca").issue("sip", ["sip.contoso.example"])
        self.good("cert", "import", "edge-old.contoso.example", pair.cert, pair.key)

    def run(self, *words, user="alice", **options):
        """The command's exit code, standard output and standard error."""
        env = dict(os.environ, USER=user, TMPDIR=str(FOLDER), **options.pop("env", {}))
        env.pop("SUDO_USER", None)
        done = subprocess.run([program("entente"), "--state", self.folder, *words], capture_output=True, text=True,
                              env=env, stdin=subprocess.DEVNULL, timeout=60, **options)
        return done.returncode, done.stdout, done.stderr

    def good(self, *words, **options):
        code, out, err = self.run(*words, **options)
        check_equal(code, 0, f"{words}: {err}")
        return out

    def terminal(self, *words, user="alice", editor="true", size=(0, 0), **env):
        env = dict(os.environ, USER=user, TMPDIR=str(FOLDER), TERM="dumb", VISUAL=editor, **env)
        env.pop("SUDO_USER", None)
        return Terminal([program("entente"), "--state", self.folder, *words], env, size)

    def draft(self, path):
        code, out, _ = self.run("topology", "show", path, "--format", "tree")
        return out.strip() if code == 0 else None


def central():
    if not hasattr(central, "made"):
        central.made = Central("cms")
    central.made.run("topology", "discard")
    return central.made


def kept_file(text):
    """What a message says was kept, as text."""
    found = re.search(r"kept in (\S+?);", text)
    check(found, f"no file is named: {text}")
    return Path(found.group(1))


def left_files():
    return sorted(FOLDER.glob("entente-draft-*"))


def sed(script):
    return f"sed -i '{script}'"


# --- wrong names ---
def test_wrong_names_are_answered_with_right_ones():
    "half-typed and mistyped names: what is wrong, and what was perhaps meant"
    cms = central()
    cms.good("topology", "add", "partners", "domain=fabrikam.example")
    answers = (
        (("topology", "show", "edge_pools/edge"), "did you mean edge-old.contoso.example, edge-new.contoso.example?"),
        (("topology", "set", "deployment/timer", "5"), "did you mean timer_c_s?"),
        (("partner", "remove", "fabrikan.example"), "did you mean fabrikam.example?"),
        (("partner", "remove", "x.example"), "there is no partner 'x.example'; there are fabrikam.example (no-such-object)"),
        (("topology", "rollback", "99"), "entente topology history lists them"),
        (("path", "alice", "bob@fabrikam.example"), "name users as user@domain, one of them of contoso.example"),
        (("firewall", "rules", "edge-old.contoso.example"), "is a pool: name one of its machines, edge-old1.contoso.example"),
        (("topology", "rebase", "--keep", "ours"), "it takes: mine theirs"),
    )
    for words, wanted in answers:
        code, _, err = cms.run(*words)
        check(code in (1, 2) and wanted in err, f"{words}: {err}")
    cms.good("topology", "discard")


def test_certificate_is_not_there():
    "a pool that federates without an external certificate is warned of before it is published"
    cms = central()
    code, _, err = cms.run("topology", "set", f"{EDGE}/federation", "true")
    check("warning certificate-not-there edge_pools/edge-new.contoso.example:" in err and code == 0, err)
    check("certificate-not-there edge_pools/edge-old" not in err, err)
    cms.good("topology", "discard")


# --- narrow terminals ---
def test_tables_fit_the_terminal():
    "tables on a terminal of 80 columns: no line is longer, nothing is lost; elsewhere as wide as they need to be"
    cms = central()
    wide = cms.good("dns", "records")
    check(max(map(len, wide.splitlines())) > 80, "the table is wide")
    for words in (("dns", "records"), ("replication", "status"), ("firewall", "rules"), ("machine", "list")):
        with cms.terminal(*words, size=(24, 80)) as t:
            check_equal(t.end(), 0, words)
        lines = t.seen.replace("\r", "").splitlines()
        check(max(map(len, lines)) <= 80, max(lines, key=len))
        missing = [w for w in cms.good(*words).split() if len(w) > 8 and w not in " ".join(lines)]
        check_equal(missing, [], f"{words}: lost")


# --- editing ---
def test_edit_without_a_terminal():
    "edit: a script as editor; what is fine becomes the draft"
    cms = central()
    out = cms.good("topology", "edit", env={"EDITOR": sed("s/name: contoso/name: other/")})
    check("the draft is changed" in out, out)
    check_equal(cms.draft("deployment/name"), "other", "draft")
    check_equal(left_files(), [], "files left behind")
    code, _, err = cms.run("topology", "edit", env={"EDITOR": "true"})
    check_equal((code, err), (0, "nothing was changed\n"), "unchanged")


def test_edit_keeps_comments():
    "edit: comments come back, also from what was published, until something else changes the topology"
    cms = central()
    note = 's|^schema: 1$|schema: 1 # with a note|'
    cms.good("topology", "edit", env={"EDITOR": sed(note)})
    for words in (("show",), ("export",)):
        text = cms.good("topology", *words)
        check("# with a note" in text and "#:" not in text, text)
    cms.good("topology", "edit", env={"EDITOR": sed("s/name: contoso/name: other/")})
    check("# with a note" in cms.good("topology", "show"), "a second time")
    cms.good("topology", "set", "deployment/timer_c_s", "222")
    check("# with a note" not in cms.good("topology", "show"), "what it says would not be true any more")
    cms.good("topology", "discard")


def test_edit_needs_an_editor():
    "edit: no terminal and no editor, an editor that is not there, one that fails"
    cms = central()
    code, _, err = cms.run("topology", "edit", env={"EDITOR": "", "VISUAL": ""})
    check(code == 2 and "edit.no-terminal" in err and "topology import" in err, err)
    code, _, err = cms.run("topology", "edit", env={"VISUAL": "no-such-editor"})
    check(code == 2 and "set $VISUAL or $EDITOR" in err, err)
    code, _, err = cms.run("topology", "edit", env={"VISUAL": "false"})
    check(code == 2 and "edit.editor" in err and "kept" not in err, err)
    check_equal(left_files(), [], "nothing was typed, nothing is kept")
    code, _, err = cms.run("topology", "edit", env={"VISUAL": "echo '# mine' > \"$1\"; false"})
    check(code == 2 and "edit.editor" in err, err)
    kept = kept_file(err)
    check_equal(kept.stat().st_mode & 0o777, 0o600, "mode")
    kept.unlink()


def test_edit_keeps_what_is_no_topology():
    "edit: findings with their lines; what cannot become the draft is kept in a file"
    cms = central()
    code, _, err = cms.run("topology", "edit", env={"EDITOR": sed("s/federation: true/federaton: true/")})
    found = re.search(r"line (\d+): error unknown-property \S+/federaton: .*did you mean federation", err)
    check(code == 2 and found, err)
    kept = kept_file(err)
    check_equal(kept.read_text().splitlines()[int(found.group(1)) - 1].strip(), "federaton: true", "that line")
    check(re.search(rf"{found.group(1)} \|\s+federaton: true", err), err)
    check_equal(cms.json("topology", "check")["draft"], False, "no draft")
    kept.write_text(kept.read_text().replace("federaton", "federation").replace("name: contoso", "name: again"))
    cms.good("topology", "import", kept)
    check_equal(cms.draft("deployment/name"), "again", "draft")
    kept.unlink()


def test_edit_on_a_terminal():
    "edit: on a terminal findings bring the question; edit again, keep, discard"
    cms = central()
    script = FOLDER / "editor"
    script.write_text("#!/bin/sh\nif grep -q federaton \"$1\"; then sed -i s/federaton/federation/ \"$1\"\n"
                      "sed -i 's/name: contoso/name: third/' \"$1\"\nelse sed -i s/federation:/federaton:/ \"$1\"\nfi\n")
    script.chmod(0o755)
    with cms.terminal("topology", "edit", editor=script) as t:
        t.expect(r"line \d+: error unknown-property")
        t.expect(r"\[k\]eep the file")
        t.type("x\n")
        t.expect(r"\[e\]dit again")
        t.type("e\n")
        t.expect("the draft is changed")
        check_equal(t.end(), 0, "exit")
    check_equal(cms.draft("deployment/name"), "third", "draft")
    central()
    with cms.terminal("topology", "edit", editor=sed("s/federation: true/federation: false/")) as t:
        t.expect(r"line \d+: error \S+ sites/hq/federation_route")
        t.expect(r"keep it in the draft all the same|\[k\]eep it in the draft")
        t.type("d\n")
        t.expect("discarded")
        check_equal(t.end(), 0, "exit")
    check_equal(cms.json("topology", "check")["draft"], False, "no draft")
    with cms.terminal("topology", "edit", editor=sed("s/federation: true/federation: false/")) as t:
        t.expect(r"\[k\]eep it in the draft")
        t.type("k\n")
        check_equal(t.end(), 0, "exit")
    check_equal(cms.draft("edge_pools/edge-old.contoso.example/federation"), "false", "draft")
    check_equal(left_files(), [], "files left behind")


def test_two_at_once():
    "edit: another one came first: told who and when, both differences, nothing overwritten, on top of theirs"
    cms = central()
    other = f"env USER=bob {program('entente')} --state {cms.folder} topology set deployment/timer_c_s 200"
    with cms.terminal("topology", "edit",
                      editor=f"f() {{ {other}; sed -i 's/name: contoso/name: mine/' \"$1\"; }}; f") as t:
        t.expect(r"bob changed the draft on \d{4}-\d\d-\d\d \d\d:\d\d")
        t.expect(r"\(draft.changed\)")
        t.expect("theirs:\n~ deployment/timer_c_s: 185 -> 200")
        t.expect("yours:\n~ deployment/name: contoso -> mine")
        check_equal(cms.draft("deployment/name"), "contoso", "not overwritten")
        t.expect("on top of theirs")
        t.type("k\n")
        t.expect(r"kept in \S+;")
        check_equal(t.end(), 2, "exit")
    kept, = left_files()
    check("name: mine" in kept.read_text(), "what was typed")
    kept.unlink()
    central()
    count = FOLDER / "count"
    script = FOLDER / "editor2"
    script.write_text(f"#!/bin/sh\nif [ ! -e {count} ]; then touch {count}; {other} 2>&1\n"
                      f"sed -i 's/timer_c_s: .*/timer_c_s: 190/; s/name: contoso/name: mine/' \"$1\"\n"
                      f"sed -i 's/^  name: mine/  timer_c_s: 190\\n&/' \"$1\"\n"
                      f"else cp \"$1\" {FOLDER}/merged; fi\n")
    script.chmod(0o755)
    with cms.terminal("topology", "edit", editor=script) as t:
        t.expect("on top of theirs")
        t.type("e\n")
        t.expect("the draft is changed")
        check_equal(t.end(), 0, "exit")
    merged = (FOLDER / "merged").read_text()
    check("#: both-changed deployment/timer_c_s" in merged and "last changed by bob" in merged, merged)
    check_equal([cms.draft("deployment/name"), cms.draft("deployment/timer_c_s")], ["mine", "190"], "merged")
    check_equal(left_files(), [], "files left behind")


def test_two_with_commands():
    "set, add, remove, partner: another one's draft is told; import does not replace it"
    cms = central()
    document = cms.good("topology", "export")
    cms.good("topology", "set", "sites/hq/city", "Paris", user="bob")
    for words in (("topology", "set", "sites/hq/city", "Rome"), ("partner", "allow", "wingtip.example")):
        code, _, err = cms.run(*words)
        check_equal(code, 0, err)
        check(bool(re.match(r"bob changed the draft on \d{4}-", err)) == (words[0] == "topology"), f"{words}: {err}")
    (FOLDER / "whole.yaml").write_text(document)
    code, out, err = cms.run("topology", "import", FOLDER / "whole.yaml", "--json", user="carol")
    check_equal((code, json.loads(out)["id"]), (2, "draft.of-another"), err)
    check("alice changed the draft on" in err and "discard" in err, err)
    check("city: Rome" in cms.good("topology", "show", "sites/hq"), "the draft stands")
    cms.good("topology", "import", FOLDER / "whole.yaml")
    cms.good("topology", "discard")


def test_central_ends_meanwhile():
    "edit: central management is gone when the editor ends: the file is kept, and named"
    cms = Central("short")
    pid = cms.process.pid
    code, _, err = cms.run("topology", "edit",
                           env={"EDITOR": f"f() {{ sed -i s/contoso/c2/ \"$1\"; kill -9 {pid}; }}; f"})
    check_equal(code, 3, err)
    kept_file(err).unlink()


# --- looking ---
def test_show_as_tree():
    "show: YAML, JSON, a tree; a wrong path names what comes near"
    cms = central()
    out = cms.good("topology", "show", "--format", "tree")
    check("├─ sites (1)\n│  └─ hq  federation_route: edge-old.contoso.example\n" in out, out)
    check("edge-old.contoso.example  site: hq, federation: true" in out, out)
    check("└─ edge-new1.contoso.example  internal_address:" in out, out)
    check_equal(cms.good("topology", "show", "sites/hq", "--format", "tree"),
                "sites/hq  federation_route: edge-old.contoso.example\n", "an object")
    check_equal(json.loads(cms.good("topology", "show", "sites/hq", "--format", "json"))["name"], "hq", "JSON")
    code, _, err = cms.run("topology", "show", "--format", "xml")
    check(code == 1 and "yaml json tree" in err, err)
    schema = json.loads(subprocess.run([program("entente"), "topology", "schema"], capture_output=True, text=True,
                                       check=True).stdout)
    check("edge_pools" in schema["properties"], "schema")


def test_differences():
    "diff: for people, and as JSON Patch by object; history says who, when, why"
    cms = central()
    cms.good("topology", "set", f"{EDGE}/federation_port", "5071")
    check_equal(cms.good("topology", "diff"), f"~ {EDGE}/federation_port: 5061 -> 5071\n", "text")
    check_equal(json.loads(cms.good("topology", "diff", "--format", "patch")),
                [{"op": "test", "path": "/edge_pools/1/fqdn", "value": "edge-new.contoso.example"},
                 {"op": "add", "path": "/edge_pools/1/federation_port", "value": 5071}], "patch")
    cms.good("publish", "-m", "another port", "--yes", user="carol")
    history = cms.good("topology", "history")
    check(re.search(r"\n +\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +carol +another port", history), history)
    newest = cms.json("topology", "history")["revisions"][0]["number"]
    cms.good("topology", "rollback", str(newest - 1), "--yes")
    check_equal(cms.good("topology", "diff", str(newest), str(newest + 1)),
                f"~ {EDGE}/federation_port: 5071 -> 5061\n", "between revisions")
    code, _, err = cms.run("topology", "diff", "99999")
    check(code == 2 and "topology.no-revision" in err, err)


# --- publishing ---
def test_publish_is_a_wizard():
    "publish: on a terminal changes, findings, machines, a reason and a question"
    cms = central()
    with cms.terminal("publish") as t:
        t.expect("there is no draft")
        check_equal(t.end(), 2, "exit")
    cms.good("topology", "set", "deployment/timer_c_s", "210", user="bob")
    with cms.terminal("publish") as t:
        t.expect(r"Changes to revision \d+, last by bob on \d{4}")
        t.expect("~ deployment/timer_c_s: 185 -> 210")
        t.expect("Findings: 0 errors, 0 warnings")
        t.expect("Machines that get it: 4")
        t.expect(r"edge-old1.contoso.example +0 +\S+ +route: ")
        t.expect("Why")
        t.type("longer ringing\n")
        t.expect(r"Publish this as revision \d+\? \[y/N\]")
        t.type("n\n")
        t.expect("publish.declined")
        check_equal(t.end(), 2, "exit")
    with cms.terminal("publish") as t:
        t.expect("Why")
        t.type("longer ringing\n")
        t.expect("y/N")
        t.type("y\n")
        number = t.expect(r"revision (\d+) is published").group(1)
        check_equal(t.end(), 0, "exit")
    newest = cms.json("topology", "history")["revisions"][0]
    check_equal([newest["comment"], newest["author"], str(newest["number"])], ["longer ringing", "alice", number], "it")
    with cms.terminal("topology", "rollback", str(newest["number"] - 1), "-m", "no") as t:
        t.expect("~ deployment/timer_c_s: 210 -> 185")
        t.expect("y/N")
        t.type("y\n")
        t.expect("is published")
        check_equal(t.end(), 0, "exit")


def test_publish_what_was_shown():
    "publish: somebody changes the draft while the question stands: nothing is published"
    cms = central()
    cms.good("topology", "set", "deployment/timer_c_s", "220")
    with cms.terminal("publish", "-m", "x") as t:
        t.expect("y/N")
        cms.good("topology", "set", "deployment/timer_c_s", "230", user="mallory")
        t.type("y\n")
        t.expect("mallory changed the draft on")
        t.expect("draft.changed")
        check_equal(t.end(), 2, "exit")


def test_dry_run():
    "publish --dry-run: shows all that, publishes nothing, ends with 2 when errors stand against it"
    cms = central()
    before = cms.json("topology", "history")["revisions"][0]["number"]
    cms.good("topology", "set", "deployment/timer_c_s", "220")
    out = cms.good("publish", "--dry-run")
    check("185 -> 220" in out and "Machines that get it: 4" in out and "Nothing was published" in out, out)
    check_equal(cms.json("publish", "--dry-run")["check"]["errors"], 0, "as JSON")
    cms.good("topology", "set", "edge_pools/edge-old.contoso.example/federation", "false")
    code, out, err = cms.run("publish", "--dry-run")
    check(code == 2 and "sites/hq/federation_route" in out and "publish.errors" in err, out + err)
    check_equal(cms.json("topology", "history")["revisions"][0]["number"], before, "nothing published")


def test_waiting_says_who_is_behind():
    "publish --wait: ends with who did not acknowledge, and why"
    cms = central()
    cms.good("topology", "set", "deployment/timer_c_s", "240")
    code, out, err = cms.run("publish", "--yes", "-m", "x", "--wait", "1.5")
    check(code == 2 and re.search(r"cms.contoso.example runs revision \d+", out), out)
    check(re.search(r"edge-old1.contoso.example is at revision 0: route: ", err), err)
    check("does not run on 3 of 4 machines" in err, err)
    cms.good("topology", "rollback", "1", "--yes")


# --- completion, manual ---
def complete(cms, line):
    """What bash offers for this line, whose end is being typed."""
    words = ["entente", "--state", str(cms.folder), *line.split(" ")]
    script = f"eval \"$({program('entente')} completion bash)\"; entente() {{ {program('entente')} \"$@\"; }}; " \
             f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; _entente; " \
             "printf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    check_equal(done.stderr, "", line)
    return done.stdout.split()


def test_completion():
    "completion: words, paths from the table and the draft, values, pools, revisions; half-typed"
    cms = central()
    cms.good("topology", "add", "partners", "domain=fabrikam.example")
    rows = [("topology sh", ["show"]), ("topology set edge_p", ["edge_pools/"]),
            ("topology set edge_pools/", ["edge_pools/edge-old.contoso.example/", "edge_pools/edge-new.contoso.example/"]),
            ("topology set edge_pools/edge-n", [f"{EDGE}/"]),
            (f"topology set {EDGE}/federation_p", [f"{EDGE}/federation_port"]),
            ("topology show sites/", ["sites/hq", "sites/hq/"]), ("topology remove partners/fab",
                                                                 ["partners/fabrikam.example", "partners/fabrikam.example/"]),
            (f"topology set {EDGE}/federation ", ["true", "false"]), (f"topology set {EDGE}/next_hop ", ["fe.contoso.example"]),
            ("topology set sites/hq/federation_route edge-o", ["edge-old.contoso.example"]),
            ("topology add partn", ["partners", "partners/"]), ("topology add partners dom", ["domain="]),
            ("service stop edge-", ["edge-old.contoso.example", "edge-new.contoso.example",
                                    "edge-old1.contoso.example", "edge-new1.contoso.example"]),
            ("transition plan --from edge-o", ["edge-old.contoso.example"]),
            ("machine bundle fe", ["fe1.contoso.example"]), ("partner remove f", ["fabrikam.example"]),
            ("topology set nothing/", []), ("topology set edge_pools/none/fed", ["edge_pools/none/federation",
                                                                               "edge_pools/none/federation_port"]),
            ("firewall rules edge-o", ["edge-old1.contoso.example"]), ("trace --machine edge-n", ["edge-new1.contoso.example"]),
            ("cert import edge-o", ["edge-old.contoso.example"]), ("cert import x /etc/hostn", ["/etc/hostname"]),
            ("help topology sc", ["schema"]), ("help cert tr", ["trust"]), ("completion ", ["bash"]),
            ("topology show --format ", ["yaml", "json", "tree"]), ("complet", ["completion"])]
    for line, want in rows:
        check_equal(sorted(complete(cms, line)), sorted(want), line)
    newest = cms.json("topology", "history")["revisions"][0]["number"]
    check(str(newest) in complete(cms, "topology rollback "), "revisions")
    code, out, err = cms.run("--state", "/nowhere", "complete", "--", "topology", "set", "edge_")
    check_equal((code, out, err), (0, "edge_pools/\n", ""), "without a daemon")


def test_explain():
    "explain: what a property is, with and without a daemon; a wrong path names what comes near"
    cms = central()
    out = cms.good("topology", "explain", f"{EDGE}/federation")
    check("federation" in out and "Lync" in out, out)
    check_equal(cms.run("--state", "/nowhere", "topology", "explain", "edge_pools/federation_port")[0], 0, "no daemon")
    code, _, err = cms.run("topology", "explain", "edge_pools/federaton_port")
    check(code == 2 and "federation_port" in err, err)


def test_manual():
    "man pages: installed, entented.8 has every option and exit code of its --help"
    page = (Path(__file__).resolve().parent.parent / "packaging/entented.8").read_text().replace("\\-", "-")
    usage = subprocess.run([program("entented"), "--help"], capture_output=True, text=True, check=True).stdout
    for option in re.findall(r"--[a-z-]+", usage):
        check(f"\\fB{option}\\fR" in page, option)
    for code in re.findall(r"(?:status:|,) (\d+) ", usage):
        check(f".TP\n{code}\n" in page, code)


# --- as a newcomer types ---
def test_wrong_words():
    "wrong names, half-typed paths, no central, no rights: each says what is wrong and what to do"
    cms = central()
    rows = [(("topolgy", "show"), 1, "did you mean"), (("topology",), 1, "a word is missing"),
            (("topology", "set", "edge_pools/edge-nwe.contoso.example/federation", "true"), 2,
             "did you mean edge-new.contoso.example"),
            (("topology", "set", f"{EDGE}/federaton", "true"), 2, "did you mean federation"),
            (("topology", "set", f"{EDGE}", "true"), 2, "only a property can be set"),
            (("topology", "show", f"{EDGE}/next_hp"), 2, "did you mean next_hop? (topology"),
            (("topology", "show", "edge_pools/edge-nw.contoso.example"), 2, "did you mean edge-new.contoso.example"),
            (("topology", "show", f"{EDGE}/next_hop"), 2, "is not set"),
            (("topology", "remove", "sites/qh"), 2, "did you mean hq"),
            (("topology", "rollback", "one"), 1, "not the number of a revision"),
            (("publish", "--wiat"), 1, "did you mean --wait"), (("publish", "--wait=soon"), 1, "not a number of seconds"),
            (("topology", "import", "/nowhere.yaml"), 2, "cannot read /nowhere.yaml")]
    for words, want, text in rows:
        code, out, err = cms.run(*words)
        check(code == want and text in err, f"{words}: {code}: {err}{out}")
    code, _, err = cms.run("--state", "/nowhere", "topology", "edit", env={"EDITOR": "true"})
    check(code == 3 and "daemon.no-state" in err, err)


if __name__ == "__main__":
    try:
        run(globals())
    finally:
        if hasattr(central, "made"):
            central.made.kill9()
        NET.close()
        shutil.rmtree(FOLDER, ignore_errors=True)
