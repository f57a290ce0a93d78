#!/usr/bin/env python3
"""Who is believed, and who may speak with whom: rows of trust at the border, verification levels, providers, the default
route, split domains, and the policies of users. Each is a setting that changes while everything runs."""

import contextlib
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from partner import Partner, World, check_refused, contoso, refusal_id, run_with
from tap import check, check_equal

from lab.sip import CallFailed, FrontEnd, UserAgent
from lab.sipmsg import new_tag

TRUST, LEVEL = "ms-edge-proxy-message-trust", "ms-asserted-verification-level"
PARTNER = Partner("partner.example")
PINNED = Partner("pinned.example", names=["edge.hoster.example"], pinned="edge.hoster.example", srv=False)
CLOUD = Partner("cloud.example", host="edge.cloud.example", allow=False)
HOSTED = Partner("hosted.example", host="edge.cloud.example", allow=False)  # found behind the provider by DNS alone
STRANGER = Partner("stranger.example", names=["stranger.example"], allow=False)
HUB = Partner("hub.example", host="sip.hub.example", allow=False)
SPLIT = Partner("split.example", host="edge.split.example", allow=False)
BLOCKED = Partner("blocked.example", allow=False)
PARTNERS = (PARTNER, PINNED, CLOUD, HOSTED, STRANGER, HUB, SPLIT, BLOCKED)


def adjust(topology):
    topology["providers"] = [
        {"name": "cloud", "edge_fqdn": "edge.cloud.example", "enabled": True, "public_cloud": True},
        {"name": "split", "edge_fqdn": "edge.split.example", "shared_address_space": True}]
    topology["external_access_policies"] = [
        {"name": "global", "public_cloud": True, "public_cloud_av": True},
        {"name": "none", "federation": False, "users": ["u02@contoso.example"]}]


@contextlib.contextmanager
def lab_with_partners():
    with contoso(PARTNERS, adjust=adjust) as (lab, ca):
        lab.contoso.central.entente("partner", "block", BLOCKED.domain)
        lab.contoso.publish("one is blocked")
        yield lab, ca


WORLD = World(lab_with_partners)


@contextlib.asynccontextmanager
async def talking(*partners, users=1):
    lab = WORLD.up()
    agents = []
    for i in range(users):
        got = []
        agent = lab.contoso.user_agent(i, on_message=lambda ua, r: ua.got.append(r), on_call=lambda call: call.accept(),
                                       on_other=lambda ua, r: 200)
        agent.got = got
        await agent.start()
        agents.append(agent)
    for partner in partners:
        partner.got.clear()
        await partner.open(lab, WORLD.ca, on_call=lambda call: call.accept())
    try:
        yield (agents[0] if users == 1 else agents), WORLD.edge(), WORLD.edge().log_end()
    finally:
        for agent in agents + [p.agent for p in partners]:
            await agent.stop()


async def front_end():
    """alice, as if the Front End itself spoke: on a connection to the Edge with its certificate."""
    org, folder = WORLD.lab.contoso, WORLD.lab.contoso.central.folder
    ca = WORLD.lab.folder / "internal-ca.crt"
    ca.write_text(json.loads((folder / "machine.json").read_text())["internal_ca"])
    agent = UserAgent(f"{org.users[0][0]}@contoso.example", None, FrontEnd(
        "TLS", org.address("edge-old1"), 5061, "edge-old1.contoso.example", ca, org.address("fe1"),
        (folder / "internal.crt", folder / "internal.key")))
    await agent.attach()
    return agent


def settings(**values):
    """Settings of access_edge, published."""
    change({f"access_edge/{name}": value for name, value in values.items()})


def change(paths):
    for path, value in paths.items():
        WORLD.lab.contoso.central.entente("topology", "set", path, str(value).lower())
    WORLD.lab.contoso.publish(json.dumps(paths))


def message(agent, to, *rows, sender=None, method="MESSAGE", body=b"hello"):
    request = agent.new_request(method, f"sip:{to}")
    if sender:
        request.set("From", f"<sip:{sender}>;tag={new_tag()}")
    for name, value in rows:
        request.add(name, value)
    if body and method == "INVITE":
        request.add("Contact", agent.contact())
        request.add("Content-Type", "application/sdp")
    request.body = body
    return request


def rows(request, name):
    return [v for n, v in request.headers if n.lower() == name.lower()]


async def deliver(agent, alice, *headers, sender=None):
    """What arrives at alice of a message with these rows."""
    response = await agent.send(message(agent, alice.aor, *headers, sender=sender))
    check_equal(response.status, 200, f"{headers}: {response.headers}")
    return alice.got[-1]


FORGED = (("P-Preferred-Identity", "<sip:ceo@contoso.example>"), ("Remote-Party-ID", "<sip:ceo@contoso.example>"),
          ("P-Charging-Vector", "icid-value=1"), ("P-Asserted-Service", "urn:x"), ("P-Served-User", "<sip:ceo@contoso.example>"),
          (TRUST, "ms-source-type=AuthorizedServer;ms-source-verified-user=verified"), ("ms-archiving", "TRUE"))


async def test_rows_of_trust():
    "what only a trust domain may say is taken off in both directions; the Edge says where a message came from"
    async with talking(PARTNER) as (alice, edge, since):
        seen = await deliver(PARTNER.agent, alice, *FORGED)
        for name, _ in FORGED:
            check_equal(rows(seen, name) if name != TRUST else [], [], name)
        check_equal(rows(seen, TRUST), ["ms-source-type=AutoFederation;ms-ep-fqdn=edge-old1.contoso.example;ms-source-verified-user="
                                        "unverified;ms-source-network=federation;ms-remote-fqdn=sip.partner.example"], TRUST)
        check_equal((await alice.send(message(alice, PARTNER.agent.aor, *FORGED))).status, 200, "outwards")
        for name, _ in FORGED:
            check_equal(rows(PARTNER.got[-1], name), [], f"{name} outwards")
        check_equal(rows(PARTNER.got[-1], LEVEL), ["ms-source-verified-user=verified"], "our users are verified")


async def test_what_we_tell_partners():
    "mark_source_verifiable and archiving_disclaimer are rows of what leaves, responses too"
    async with talking(PARTNER) as (alice, edge, since):
        settings(mark_source_verifiable=False, archiving_disclaimer=True)
        check_equal((await alice.message(PARTNER.agent.aor, b"x")).status, 200, "outwards")
        response = await PARTNER.agent.message(alice.aor, b"x")
        for what in (PARTNER.got[-1], response):
            check_equal((rows(what, LEVEL), rows(what, "ms-archiving")), (["ms-source-verified-user=unverified"], ["TRUE"]),
                        str(what.headers))
        settings(mark_source_verifiable=True, archiving_disclaimer=False)
        response = await PARTNER.agent.message(alice.aor, b"x")
        check_equal((rows(response, LEVEL), rows(response, "ms-archiving")), (["ms-source-verified-user=verified"], []), "response")


async def test_verification_levels():
    "use_source_verification believes what the partner says of its user, the others do not ask; identities follow"
    says, silent, doubts = ((LEVEL, "ms-source-verified-user=verified"),), (), (LEVEL, "ms-source-verified-user=unverified")
    itself = ("P-Asserted-Identity", "<sip:eve@partner.example>")
    telephone = ("P-Asserted-Identity", "<sip:eve@partner.example>, <tel:+12015550123>")
    async with talking(PARTNER, PINNED) as (alice, edge, since):
        for level, verified in (("use_source_verification", (True, False)), ("always_verifiable", (True, True)),
                                ("always_unverifiable", (False, False))):
            change({"partners/partner.example/verification": level})
            for headers, is_verified in zip((says, silent), verified):
                seen = await deliver(PARTNER.agent, alice, *headers)
                check(f"ms-source-verified-user={'' if is_verified else 'un'}verified;" in rows(seen, TRUST)[0],
                      f"{level}, {headers}: {rows(seen, TRUST)}")
                check_equal(rows(seen, "P-Asserted-Identity"), ["<sip:eve@partner.example>"] if is_verified else [], level)
                check_equal(rows(seen, LEVEL), [], "the partner's word stays outside")
            seen = await deliver(PARTNER.agent, alice, telephone)
            check_equal("tel:" in str(rows(seen, "P-Asserted-Identity")), level == "always_verifiable", f"a number, {level}")
            check_equal("eve" in str(rows(seen, "P-Asserted-Identity")), level != "always_unverifiable", f"asserted, {level}")
            seen = await deliver(PARTNER.agent, alice, doubts, itself)
            check_equal(rows(seen, "P-Asserted-Identity"), [itself[1]] if level == "always_verifiable" else [],
                        f"asserted of one who is not verified, {level}")
        change({"partners/partner.example/verification": "use_source_verification"})
        seen = await deliver(PINNED.agent, alice)
        check("ms-source-type=DirectPartner;" in rows(seen, TRUST)[0], str(rows(seen, TRUST)))


async def test_who_names_others():
    "Diversion, History-Info and Referred-By that name others are marked, kept or stripped, and never a reason to refuse"
    claims = (("Diversion", "<sip:ceo@bank.example>;reason=no-answer"), ("Referred-By", "<sip:boss@contoso.example>"),
              ("History-Info", "<sip:eve@partner.example>;index=1, <sip:ceo@bank.example>;index=1.1"))
    own = "<sip:eve@partner.example>;index=1"
    wanted = {"mark": (claims[0][1] + ";unverified", claims[1][1] + ";unverified", claims[2][1] + ";unverified"),
              "keep": tuple(value for _, value in claims), "strip": (None, None, own)}
    async with talking(PARTNER) as (alice, edge, since):
        for how in ("keep", "strip", "mark"):
            settings(outside_claims=how)
            seen = await deliver(PARTNER.agent, alice, *claims)
            got = tuple((rows(seen, name) or [None])[0] for name, _ in claims)
            check_equal(got, wanted[how], how)


async def test_identities():
    "several identities: the first SIP one of an anonymous sender decides, those that are not proven go"
    nobody = "anonymous@anonymous.invalid"
    async with talking(PARTNER) as (alice, edge, since):
        seen = await deliver(PARTNER.agent, alice, ("P-Asserted-Identity", "<tel:+1201>, <sip:eve@partner.example>"),
                             ("P-Asserted-Identity", "<sip:ceo@bank.example>"), sender=nobody)
        check_equal(rows(seen, "P-Asserted-Identity"), ["<sip:eve@partner.example>"], "kept")
        first = message(PARTNER.agent, alice.aor, ("P-Asserted-Identity", "<sip:x@pinned.example>, <sip:eve@partner.example>"),
                        sender=nobody)
        check_refused(await PARTNER.agent.send(first), 403, "edge.sender-not-proven", edge, since)
        number = message(PARTNER.agent, alice.aor, ("P-Asserted-Identity", "tel:+1201"), sender=nobody)
        check_refused(await PARTNER.agent.send(number), 433, "edge.sender-anonymous", edge, since)
        inside = await front_end()
        private = message(inside, PARTNER.agent.aor, ("Privacy", "id"), ("P-Asserted-Identity", f"<sip:{alice.aor}>, <tel:+1201>"))
        check_equal((await inside.send(private)).status, 200, "outwards")
        check_equal(rows(PARTNER.got[-1], "P-Asserted-Identity"), ["<sip:anonymous@contoso.example>"], "Privacy: id outwards")
        open_one = message(inside, PARTNER.agent.aor, ("P-Asserted-Identity", f"<sip:{alice.aor}>, <tel:+1201>, <sip:x@bank.example>"))
        check_equal((await inside.send(open_one)).status, 200, "outwards")
        check_equal(rows(PARTNER.got[-1], "P-Asserted-Identity"), [f"<sip:{alice.aor}>, <tel:+1201>"], "without Privacy")
        await inside.stop()


async def test_behind_a_provider():
    "a domain in no list whose SRV record leads to an enabled provider: both directions; nobody else's word counts"
    async with talking(CLOUD, PARTNER) as (alice, edge, since):
        seen = await deliver(CLOUD.agent, alice, sender="eve@hosted.example")
        check("ms-source-type=AuthorizedServer;" in rows(seen, TRUST)[0] and "verified-user=verified" in rows(seen, TRUST)[0] and
              "ms-source-network=publiccloud" in rows(seen, TRUST)[0], str(rows(seen, TRUST)))
        await deliver(CLOUD.agent, alice, sender="eve@hosted.example")  # what the connection proved is known now
        check_equal((await alice.message("eve@hosted.example", b"out")).status, 200, "outwards")
        check_equal([r.body for r in CLOUD.got], [b"out"], "at the provider")
        change({"providers/cloud/verification": "use_source_verification"})
        silent = message(CLOUD.agent, alice.aor, sender="eve@hosted.example")
        check_refused(await CLOUD.agent.send(silent), 403, "edge.sender-not-vouched", edge, since)
        for word in ("verified", "unverified"):
            seen = await deliver(CLOUD.agent, alice, (LEVEL, f"ms-source-verified-user={word}"), sender="eve@hosted.example")
            check(f"ms-source-verified-user={word};" in rows(seen, TRUST)[0], str(rows(seen, TRUST)))
        change({"providers/cloud/verification": "always_verifiable"})
        for agent, sender, name in ((PARTNER.agent, "eve@hosted.example", "edge.sender-not-proven"),
                                    (CLOUD.agent, "x@stranger.example", "edge.partner-unknown")):
            check_refused(await agent.send(message(agent, alice.aor, sender=sender)), 403, name, edge, since)
        check_refused(await alice.message("x@stranger.example", b"x"), 403, "edge.partner-unknown", edge, since)
        change({"providers/cloud/enabled": False})
        check_refused(await CLOUD.agent.send(message(CLOUD.agent, alice.aor, sender="eve@hosted.example")), 403,
                      "edge.partner-unknown", edge, since)
        WORLD.lab.contoso.central.entente("topology", "add", "partners", "domain=hosted.example", "provider=cloud")
        WORLD.lab.contoso.publish("listed")
        check_refused(await CLOUD.agent.send(message(CLOUD.agent, alice.aor, sender="eve@hosted.example")), 403,
                      "edge.provider-disabled", edge, since)
        change({"providers/cloud/enabled": True})
        await deliver(CLOUD.agent, alice, sender="eve@hosted.example")
        WORLD.lab.contoso.central.entente("partner", "remove", "hosted.example")
        WORLD.lab.contoso.publish("as before")


SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=%s 4000 RTP/AVP 0\r\n"


async def test_policies_of_users():
    "who may not federate neither sends nor receives; public providers, and calls with them, are rights of their own"
    async with talking(PARTNER, CLOUD, users=2) as ((alice, bob), edge, since):
        check_equal((await PARTNER.agent.message(alice.aor, b"x")).status, 200, "alice may")
        check_refused(await PARTNER.agent.message(bob.aor, b"x"), 403, "edge.user-not-federated", edge, since)
        check_refused(await bob.message(PARTNER.agent.aor, b"x"), 403, "edge.user-not-federated", edge, since)
        change({"external_access_policies/none/federation": True})
        check_equal((await bob.message(PARTNER.agent.aor, b"x")).status, 200, "bob may now")
        check_refused(await bob.message("eve@hosted.example", b"x"), 403, "edge.user-no-public-cloud", edge, since)
        check_refused(await CLOUD.agent.send(message(CLOUD.agent, bob.aor, sender="eve@hosted.example")), 403,
                      "edge.user-no-public-cloud", edge, since)
        change({"external_access_policies/none/public_cloud": True})
        check_equal((await bob.message("eve@hosted.example", b"x")).status, 200, "a message to the public")
        call = message(CLOUD.agent, bob.aor, sender="eve@hosted.example", method="INVITE", body=SDP % b"audio")
        check_refused(await CLOUD.agent.send(call), 403, "edge.user-no-public-media", edge, since)
        change({"external_access_policies/none/federation": False, "external_access_policies/none/public_cloud": False})


async def test_policy_narrowed_in_a_call():
    "a policy that is narrowed while calls are up: they go on until they end, in both directions; nothing new begins"
    async with talking(PARTNER) as (alice, edge, since):
        outwards, inwards = await alice.invite(PARTNER.agent.aor), await PARTNER.agent.invite(alice.aor)
        change({"external_access_policies/global/federation": False})
        check_refused(await alice.message(PARTNER.agent.aor, b"x"), 403, "edge.user-not-federated", edge, since)
        check_refused(await PARTNER.agent.message(alice.aor, b"x"), 403, "edge.user-not-federated", edge, since)
        for call in (outwards, inwards):
            check_equal((await call.info(b"still here")).status, 200, "INFO")
            check_equal((await call.reinvite()).status, 200, "re-INVITE")
            check_equal((await call.bye()).status, 200, "BYE")
        change({"external_access_policies/global/federation": True})


async def test_policy_of_a_site():
    "a site's policy holds for who sends from it, and for whoever is called where the next hop is there"
    async with talking(PARTNER) as (alice, edge, since):
        central = WORLD.lab.contoso.central
        site = json.loads(central.entente("topology", "export", "--format", "json"))["sites"][0]["name"]
        central.entente("topology", "add", "external_access_policies", "name=here", "federation=false", f"sites={site}")
        WORLD.lab.contoso.publish("site")
        check_refused(await alice.message(PARTNER.agent.aor, b"x"), 403, "edge.user-not-federated", edge, since)
        check_refused(await PARTNER.agent.message(alice.aor, b"x"), 403, "edge.user-not-federated", edge, since)
        change({"external_access_policies/here/federation": True})
        check_equal((await PARTNER.agent.message(alice.aor, b"x")).status, 200, "it is the site's that holds")
        central.entente("topology", "remove", "external_access_policies/here")
        WORLD.lab.contoso.publish("no site")


async def test_federation_off():
    "federated_users off: nobody"
    async with talking(PARTNER) as (alice, edge, since):
        settings(federated_users=False)
        check_refused(await PARTNER.agent.message(alice.aor, b"x"), 403, "edge.federation-off", edge, since)
        check_refused(await alice.message(PARTNER.agent.aor, b"x"), 403, "edge.federation-off", edge, since)
        settings(federated_users=True)
        check_equal((await PARTNER.agent.message(alice.aor, b"x")).status, 200, "on again")


async def test_default_route():
    "everything goes to one Edge and comes from it; what is blocked stays so, and a partner's own certificate proves nothing"
    async with talking(HUB, PARTNER) as (alice, edge, since):
        change({"providers/cloud/enabled": False, "access_edge/default_route": "sip.hub.example",
                "access_edge/routing": "default_route"})
        for domain in ("partner.example", "anybody.example"):
            await deliver(HUB.agent, alice, sender=f"x@{domain}")
            HUB.got.clear()
            check_equal((await alice.message(f"x@{domain}", b"out")).status, 200, f"out to {domain}")
            check_equal((len(HUB.got), len(PARTNER.got)), (1, 0), "all goes to the hub")
        check_refused(await PARTNER.agent.message(alice.aor, b"x"), 403, "edge.sender-not-proven", edge, since)
        blocked = message(HUB.agent, alice.aor, sender="x@blocked.example")
        check_refused(await HUB.agent.send(blocked), 403, "edge.partner-blocked", edge, since)
        check_refused(await alice.message("x@blocked.example", b"x"), 403, "edge.partner-blocked", edge, since)
        change({"access_edge/default_route_verification": "always_verifiable", "access_edge/default_route_public": True})
        seen = await deliver(HUB.agent, alice, sender="x@anybody.example")
        check("verified-user=verified;ms-source-network=publiccloud" in rows(seen, TRUST)[0], str(rows(seen, TRUST)))
        change({"external_access_policies/global/public_cloud": False})
        check_refused(await alice.message("x@anybody.example", b"x"), 403, "edge.user-no-public-cloud", edge, since)
        check_refused(await HUB.agent.send(message(HUB.agent, alice.aor, sender="x@anybody.example")), 403,
                      "edge.user-no-public-cloud", edge, since)
        change({"external_access_policies/global/public_cloud": True, "access_edge/default_route_public": False})
        # a clearing house is one of partners that reach us directly: by the default route nothing is passed on
        settings(clearinghouse=True)
        HUB.got.clear()
        for sender, called in (("x@partner.example", "y@pinned.example"), ("x@anybody.example", PARTNER.agent.aor)):
            across = message(HUB.agent, called, sender=sender)
            check_refused(await HUB.agent.send(across), 403, "edge.not-our-domain", edge, since)
        check_equal((HUB.got, PARTNER.got), ([], []), "nothing was relayed")
        settings(clearinghouse=False)
        change({"access_edge/routing": "srv", "access_edge/default_route": "", "providers/cloud/enabled": True})
        check_equal((await PARTNER.agent.message(alice.aor, b"x")).status, 200, "by SRV again")


async def test_split_domain():
    "users of our own domain at a provider: they reach us from there, and what is not inside goes there, calls too"
    async with talking(SPLIT, PARTNER) as (alice, edge, since):
        own = message(SPLIT.agent, alice.aor, sender="cloudy@contoso.example")
        check_refused(await SPLIT.agent.send(own), 403, "edge.sender-not-proven", edge, since)
        change({"providers/split/enabled": True})
        await deliver(SPLIT.agent, alice, sender="cloudy@contoso.example")
        false = message(PARTNER.agent, alice.aor, sender="cloudy@contoso.example")
        check_refused(await PARTNER.agent.send(false), 403, "edge.sender-not-proven", edge, since)
        inside = await front_end()
        check_equal((await inside.message("cloudy@contoso.example", b"over")).status, 200, "to the provider")
        check_equal([r.body for r in SPLIT.got], [b"over"], "at the provider")
        call = await inside.invite("cloudy@contoso.example")
        check_equal(((await call.info(b"x")).status, (await call.bye()).status), (200, 200), "a call")
        change({"providers/split/enabled": False})
        check_refused(await inside.message("cloudy@contoso.example", b"x"), 404, "edge.not-a-partner-domain", edge, since)
        await inside.stop()


def test_the_end():
    "every daemon of the lab ends with 0"
    WORLD.up()
    WORLD.end()


if __name__ == "__main__":
    run_with(WORLD, globals())
