"""A guardian sees and stops for a child, by his own name: the record says that a guardian pressed, and no agency who."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from base import csrf
from base.people import Child, LoggedIn
from base.render import Renderer
from base.web import frame
from consent import forgetting, records
from consent.interface import PersonalDataUse
from consent.ledger.inspect import inspect
from consent.lodging import Wanted
from consent.store import tables
from regie.house import TEMPLATES
from tests.consent.test_pages import SESSION, Someone
from tests.fixtures.registry import CALLBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from tests.fixtures.registry import World

ONE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
BANNER = "You are acting for Noor"


@dataclass
class Register:
    """The population register, as a test decides on it: by guardian his children."""

    custody: dict[str, list[Child]] = field(default_factory=dict)
    asked: int = 0

    async def children(self, guardian: str) -> list[Child]:
        self.asked += 1
        return self.custody.get(guardian, [])


class Whoever(Someone):
    """Who is too young to decide is told so by the provider."""

    minors: tuple[str, ...] = ()

    async def current(self, request: Request) -> LoggedIn | None:
        person = await super().current(request)
        return replace(person, is_of_age=person.citizen not in self.minors) if person is not None else None


@dataclass
class Family:
    world: World
    browser: httpx2.AsyncClient
    someone: Whoever
    register: Register
    parent: str
    child: str

    @property
    async def path(self) -> str:
        """Where the pages of the child are, as its guardian's own overview has it."""
        return re.findall(r"/my/children/[\w-]{22}", (await self.get("/my")).text)[0]

    async def get(self, path: str) -> httpx2.Response:
        return await self.browser.get(path)

    async def press(self, path: str, **more: Any) -> httpx2.Response:
        return await self.browser.post(
            path, data={"csrf_token": csrf.token(SESSION, self.world.ring.pseudonyms.mac)}, **more
        )

    def events(self) -> list[tuple[str, str, str]]:
        table = tables.consent_event
        rows = self.world.database.read_now(lambda c: c.execute(select(table).order_by(table.c.seq)).all())
        return [(row.type, row.acting, row.guardian) for row in rows]


@pytest.fixture
async def family(world: World, anna: str) -> AsyncIterator[Family]:
    noor, someone = world.citizen("noor"), Whoever(world, anna)
    someone.minors = (noor,)
    register = Register({anna: [Child(noor, "Noor")]})
    renderer = Renderer(TEMPLATES, world.settings, mac=world.ring.pseudonyms.mac)
    app = frame(world.consent.routes(renderer, someone, guardians=register), world.settings, renderer=renderer)
    headers = {"accept-language": "en", "origin": world.settings.issuer, "sec-fetch-site": "same-origin"}
    transport = httpx2.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url=world.settings.issuer, headers=headers) as browser:
        yield Family(world, browser, someone, register, anna, noor)


async def withdrawn(world: World, family: Family) -> list[dict[str, Any]]:
    """The child gave (it is another country's age), its guardian stopped one kind of data."""
    given = await world.give(family.child)
    await world.registry.withdraw(given.consents[0], family.child, guardian=family.parent)
    await world.registry.ledger.round()
    return await world.registry.events(given.consents[0])


@ONE
async def test_rule_21_the_childs_name_is_on_every_page_and_in_its_title(world: World, family: Family) -> None:
    given = await world.give(family.child)
    path, one = await family.path, given.consents[0]
    pages = ("", "/consents", f"/consents/{one}", f"/consents/{one}/withdraw", "/agencies/municipality/withdraw")

    await world.registry.release(
        citizen=family.child, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
    )
    (use,) = (await world.registry.history(family.child)).uses
    pages += ("/history", f"/history/{use.leaf}/complaint", "/complaints")

    for page in (*pages, "/withdraw-everything", f"/receipts/{one}/check"):
        shown = (await family.get(path + page)).text
        assert BANNER in shown, page
        assert "for Noor – Regie</title>" in shown, page
        assert "Logged in as Anna" in shown, page
        # Whoever follows a link stays where he acts, or goes to pages of his own.
        for link in re.findall(
            r'(?:href|action)="(/my/(?:consents|agencies|receipts|withdraw|history|complaints)[^"]*)"', shown
        ):
            assert link in ("/my/consents", "/my/history"), (page, link)
    assert (await family.get(f"{path}/receipts/{one}")).headers["content-type"] == "application/json"
    own = (await family.get("/my/consents")).text
    assert BANNER not in own
    assert one not in own


@ONE
@pytest.mark.parametrize(
    "what", ["/consents/{one}/withdraw", "/agencies/municipality/withdraw", "/withdraw-everything"]
)
async def test_rule_21_the_record_shows_who_pressed(world: World, family: Family, what: str) -> None:
    given = await world.give(family.child)
    path, one = await family.path, given.consents[0]

    done = await family.press(path + what.format(one=one))

    assert done.status_code == 303
    assert done.headers["location"].startswith(path)
    assert BANNER in (await family.get(done.headers["location"])).text
    stopped = [("withdrawn", "guardian", family.parent)]
    assert family.events() == [("given", "self", "")] * 2 + stopped * (1 if "{one}" in what else 2)
    shown = (await family.get(f"{path}/consents/{one}")).text
    assert "A guardian stopped this (this was you)" in shown
    assert "Noor gave permission" in shown
    # Grown, the child reads it on its own pages.
    family.someone.citizen = family.child
    shown = (await family.get(f"/my/consents/{one}")).text
    assert "A guardian stopped this" in shown
    assert "this was you" not in shown
    assert family.parent not in shown


@ONE
@pytest.mark.parametrize("who", ["another", "another guardian", "the child", "custody ended", "a made up address"])
async def test_whoever_has_no_custody_now_gets_the_same_answer_and_changes_nothing(
    world: World, family: Family, who: str
) -> None:
    given = await world.give(family.child)
    path = await family.path
    bert = world.citizen("bert")
    if who == "custody ended":
        family.register.custody.clear()
    elif who == "a made up address":
        path = f"/my/children/{'A' * 22}"
    else:
        family.someone.citizen = family.child if who == "the child" else bert
        # Another guardian of the same child has an address of his own.
        family.register.custody[bert] = [Child(family.child, "Noor")] if who == "another guardian" else []
    before = family.events()

    shown = [await family.get(path + one) for one in ("", "/consents", "/history", f"/consents/{given.consents[0]}")]
    done = [
        await family.press(f"{path}/consents/{given.consents[0]}/withdraw"),
        await family.press(f"{path}/withdraw-everything"),
    ]

    for one in (*shown, *done):
        assert one.status_code == 404
        assert "You act for nobody" in one.text.replace("At this moment you", "You")
        assert "Noor" not in one.text
    assert family.events() == before


@ONE
async def test_the_register_is_asked_when_the_form_has_arrived_whole(world: World, family: Family) -> None:
    given = await world.give(family.child)
    path = f"{await family.path}/consents/{given.consents[0]}/withdraw"
    token = csrf.token(SESSION, world.ring.pseudonyms.mac)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"csrf_token="
        family.register.custody.clear()
        yield token.encode()

    kind = {"content-type": "application/x-www-form-urlencoded"}
    done = await family.browser.post(path, content=slowly(), headers=kind)

    assert done.status_code == 404
    assert "Nothing was changed" in done.text
    assert [kind for kind, _, _ in family.events()] == ["given", "given"]


@ONE
async def test_somebody_without_children_is_offered_none(family: Family) -> None:
    assert "Children you act for" in (await family.get("/my")).text
    family.register.custody.clear()
    assert "Children you act for" not in (await family.get("/my")).text
    family.someone.citizen = None
    assert (await family.get("/my/children/x/consents")).headers["location"] == "/login?to=/my/children/x/consents"


@ONE
async def test_an_agency_learns_that_a_guardian_did_it_and_not_who(world: World, family: Family) -> None:
    """Neither by a receipt, nor by two of them, nor by the record in terms of the vocabulary."""
    await withdrawn(world, family)
    again = await world.give(family.child)
    await world.registry.withdraw(again.consents[0], family.child, guardian=family.parent)
    await world.registry.ledger.round()
    table = tables.consent_event
    ids = world.database.read_now(
        lambda c: c.execute(select(table.c.consent, table.c.seq).where(table.c.acting == "guardian")).all()
    )

    files = [(await world.registry.receipt_file(records.receipt_id(*one), family.child)).decode() for one in ids]
    async with world.client("municipality") as agency:
        files.append((await agency.get(f"/consent/v1/records/{ids[0].consent}")).text)

    for one in files:
        assert family.parent not in one
        assert not any(world.sub(family.parent, name) in one for name in ("municipality", "tax-authority"))
    assert "dpv:GuardianOfDataSubject" in files[-1]
    said = [json.loads(json.loads(one)["entry"]) for one in files[:2]]
    assert [one["acting"] for one in said] == ["guardian"] * 2
    assert said[0]["who"] != said[1]["who"]


async def test_the_audit_proves_who_pressed(world: World, family: Family) -> None:
    await withdrawn(world, family)
    table, pseudonyms = tables.consent_event, world.ring.pseudonyms

    def audit() -> list[str]:
        return [one.what for one in world.database.read_now(lambda c: inspect(c, world.registry.ledger, pseudonyms))]

    assert audit() == []
    with pytest.raises(DBAPIError, match="append-only"):
        world.database.write_now(lambda c: c.execute(update(table).values(guardian=world.citizen("bert"))))
    # What the database must allow, since guardians are forgotten, the audit finds where none was.
    world.database.write_now(lambda c: c.execute(update(table).where(table.c.guardian != "").values(guardian="")))
    assert audit() == ["does not say who pressed, and no act says that he was forgotten"]
    _without_triggers(world)
    for wrong in (world.citizen("bert"), family.child):
        world.database.write_now(
            lambda c, wrong=wrong: c.execute(update(table).where(table.c.acting == "guardian").values(guardian=wrong))
        )
        assert audit() == ["does not say who pressed, and no act says that he was forgotten"]


@pytest.mark.parametrize("first", ["the guardian", "the child"])
async def test_who_is_forgotten_stands_in_nobodys_line_any_more(world: World, family: Family, first: str) -> None:
    """The child's line of what its guardian did stays the child's, and still opens its leaf."""
    events = await withdrawn(world, family)
    pseudonyms, now = world.ring.pseudonyms, world.clock.now()
    who = family.parent if first == "the guardian" else family.child

    world.database.write_now(lambda c: forgetting.forget(c, who, pseudonyms=pseudonyms, now=now))
    await world.registry.ledger.round()

    (row,) = [one for one in await world.registry.events(events[0]["consent"]) if one["type"] == "withdrawn"]
    assert (row["guardian"], row["acting"], row["who"]) == ("", "guardian", events[1]["who"])
    assert (row["citizen"] == "") is (first == "the child")
    receipt = await world.registry.receipt_file(records.receipt_id(row["consent"], row["seq"]), family.child)
    assert (receipt is None) is (first == "the child")
    assert world.database.read_now(lambda c: inspect(c, world.registry.ledger, pseudonyms)) == []


class TestComplaints:
    """A guardian complains, or asks to delete, for a child."""

    @pytest.fixture
    async def form(self, world: World, family: Family) -> str:
        """Of a use of the child's address."""
        await world.give(family.child)
        await world.registry.release(
            citizen=family.child, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
        )
        (shown,) = set(re.findall(r'href="([^"]*/complaint)"', (await family.get(f"{await family.path}/history")).text))
        return str(shown)

    async def send(self, family: Family, form: str, **said: str) -> str:
        token = csrf.token(SESSION, family.world.ring.pseudonyms.mac)
        done = await family.browser.post(form, data={"csrf_token": token, **said})
        assert done.status_code == 303, done.text
        return done.headers["location"].partition("?")[0]

    async def test_rule_20_each_reads_what_is_his_and_the_agency_that_a_guardian_wrote(
        self, world: World, family: Family, form: str
    ) -> None:
        path, complaints = await family.path, world.consent.complaints
        page = (await family.get(form)).text
        assert "about this use of the data of Noor" in page
        assert "Noor can read it too" in page
        assert (await family.get(form.replace(path, "/my"))).status_code == 404

        written = await self.send(family, form, kind="erasure", text="Wij zijn verhuisd.")
        assert written.startswith(f"{path}/complaints/")
        assert await self.send(family, form, kind="erasure", text="Wij zijn verhuisd.") == written
        assert BANNER in (await family.get(written)).text

        world.clock.advance(1)
        family.someone.citizen = family.child
        childs = await self.send(family, form.replace(path, "/my"), kind="complaint", text="Van mijzelf.")
        shown = (await family.get(written.replace(path, "/my"))).text
        assert "What a guardian asked for you" in shown
        assert "Wij zijn verhuisd." in shown
        assert (await family.get("/my/complaints")).text.count("Written by a guardian") == 1

        async with world.client("municipality", scope="consent:complaint") as agency:
            waiting = (await agency.get("/consent/v1/complaints")).json()["complaints"]
            assert [one["acting"] for one in waiting] == ["guardian", "self"]
            fetched = await agency.get(f"/consent/v1/complaints/{waiting[0]['id']}")
            assert fetched.json()["sub"] == world.sub(family.child)
            assert family.parent not in fetched.text
            answered = {"outcome": "done", "text": "Gewist."}
            for one in waiting:
                await agency.post(f"/consent/v1/complaints/{one['id']}/answers", json=answered)

        # The child may look first: the answer waits for who wrote.
        await family.get(written.replace(path, "/my"))
        family.someone.citizen = family.parent
        assert (await family.get(childs.replace("/my", path))).status_code == 404
        assert "Van mijzelf" not in (await family.get(f"{path}/complaints")).text
        assert "An organisation answered you" in (await family.get(path)).text
        assert "Gewist." in (await family.get(written)).text
        assert "An organisation answered you" not in (await family.get(path)).text
        assert [one.text for one in await complaints.for_children(family.parent)] == ["Wij zijn verhuisd."]

    @ONE
    async def test_another_guardian_reads_his_own_only_and_who_lost_custody_nothing(
        self, world: World, family: Family, form: str
    ) -> None:
        path = await family.path
        written = await self.send(family, form, kind="complaint", text="Onder ons.")
        bert = world.citizen("bert")
        family.register.custody[bert] = [Child(family.child, "Noor")]
        family.someone.citizen = bert
        others = await family.path
        assert (await family.get(written.replace(path, others))).status_code == 404
        assert "Onder ons" not in (await family.get(f"{others}/complaints")).text
        assert await self.send(family, form.replace(path, others), kind="complaint", text="Onder ons.") != written

        family.someone.citizen = family.parent
        family.register.custody.clear()
        for one in (written, f"{path}/complaints", form):
            assert (await family.get(one)).status_code == 404
        token = csrf.token(SESSION, world.ring.pseudonyms.mac)
        refused = await family.browser.post(form, data={"csrf_token": token, "kind": "erasure"})
        assert refused.status_code == 404
        assert len(await world.consent.complaints.of_citizen(family.child)) == 2

    @ONE
    async def test_who_stops_something_for_a_child_may_ask_to_delete_with_it(
        self, world: World, family: Family
    ) -> None:
        given, path = await world.give(family.child), await family.path
        await world.registry.release(
            citizen=family.child, agency="municipality", purpose="housing-benefit", categories=frozenset({"address"})
        )
        for one in given.consents:
            token = csrf.token(SESSION, world.ring.pseudonyms.mac)
            await family.browser.post(f"{path}/consents/{one}/withdraw", data={"csrf_token": token, "delete": "yes"})
        (one,) = await world.consent.complaints.for_children(family.parent)
        assert (one.stored.kind, one.stored.acting, one.stored.citizen) == ("erasure", "guardian", family.child)

    @ONE
    async def test_what_a_forgotten_guardian_wrote_stays_the_childs_and_leads_to_nobody(
        self, world: World, family: Family, form: str
    ) -> None:
        await self.send(family, form, kind="complaint", text="Van een ouder.")
        pseudonyms, now = world.ring.pseudonyms, world.clock.now()
        world.database.write_now(lambda c: forgetting.forget(c, family.parent, pseudonyms=pseudonyms, now=now))

        (one,) = await world.consent.complaints.of_citizen(family.child)
        assert (one.stored.acting, one.text) == ("guardian", "Van een ouder.")
        for table in tables.metadata.tables.values():
            rows = world.database.read_now(lambda c, table=table: c.execute(select(table)).all())
            assert not any(family.parent in row for row in rows), table.name
        world.database.write_now(lambda c: forgetting.forget(c, family.child, pseudonyms=pseudonyms, now=now))
        assert await world.consent.complaints.of_citizen(family.child) == []


def _without_triggers(world: World) -> None:
    names = ("no_update", "no_update_but_to_forget")
    on = "" if world.backend.name == "sqlite" else " ON consent_event"
    for name in names:
        world.database.write_now(lambda c, name=name: c.execute(text(f"DROP TRIGGER consent_event_{name}{on}")))


@pytest.fixture
async def link(world: World, family: Family) -> str:
    """Of a request about the child, as its agency has it."""
    await world.registry.meet(citizen=family.child, agency="municipality")
    return await lodged(world, family)


async def lodged(world: World, family: Family, *, renew: bool = False) -> str:
    uses, sub = (PersonalDataUse("housing-benefit"),), world.sub(family.child)
    wanted = Wanted("municipality", "client-municipality", sub, uses, CALLBACK, renew, 3600)
    receipt = await world.database.write(lambda c: world.consent.lodging.lodge(c, wanted))
    return f"/my/requests/links/{receipt.link}"


def _form(world: World, page: str, **answers: str) -> dict[str, str]:
    (notice,) = re.findall(r'name="notice" value="([^"]+)"', page)
    return {"csrf_token": csrf.token(SESSION, world.ring.pseudonyms.mac), "notice": notice, **answers}


class TestWhatAnAgencyAsks:
    async def test_rule_28_its_guardian_answers_and_the_record_says_so(
        self, world: World, family: Family, link: str
    ) -> None:
        """By the agency's link, or from his own overview."""
        path = await family.path
        where = (await family.get(link)).headers["location"]
        assert where.startswith(f"{path}/requests/")
        assert "an organisation asks something" in (await family.get("/my")).text
        assert f'href="{where}"' in (await family.get(path)).text

        page = (await family.get(where)).text
        assert BANNER in page
        assert "asks for data of Noor" in page
        assert "It is told that a guardian answered, and not who you are." in page
        done = await family.browser.post(where, data=_form(world, page, address="allow", income="deny"))
        back = await family.get(done.headers["location"])

        assert back.headers["location"].startswith(CALLBACK)
        assert family.events() == [("given", "guardian", family.parent), ("refused", "guardian", family.parent)]
        found = await world.registry.check(
            agency="municipality", sub=world.sub(family.child), purpose="housing-benefit", data=["address", "income"]
        )
        assert {one.category: one.reason for one in found.decision.items} == {"address": "consent", "income": "refused"}
        assert await world.registry.consents(family.parent) == []
        assert (await family.get(link)).status_code == 404
        await world.registry.ledger.round()
        audited = world.database.read_now(lambda c: inspect(c, world.registry.ledger, world.ring.pseudonyms))
        assert audited == []

    @ONE
    async def test_rule_28_the_child_itself_reaches_no_allow_and_reads_who_can_answer(
        self, world: World, family: Family, link: str
    ) -> None:
        family.someone.citizen = family.child
        where = (await family.get(link)).headers["location"]

        page = await family.get(where)
        done = await family.press(where)

        for one in (page, done):
            assert one.status_code == 403
            assert 'type="radio"' not in one.text
            assert "Your parent or guardian can answer this" in one.text
        assert family.events() == []

    @ONE
    @pytest.mark.parametrize("how", ["custody ended", "the child came of age", "while the form was on its way"])
    async def test_rule_28_a_guardian_is_verified_when_he_decides(
        self, world: World, family: Family, link: str, how: str
    ) -> None:
        """What the register no longer says is recorded nowhere, and the request waits on."""
        where = (await family.get(link)).headers["location"]
        form = _form(world, (await family.get(where)).text, address="allow", income="allow")
        sent = str(httpx2.QueryParams(form)).encode()

        async def slowly() -> AsyncIterator[bytes]:
            yield sent[:9]
            family.register.custody.clear()
            yield sent[9:]

        if how != "while the form was on its way":
            family.register.custody.clear()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        done = await family.browser.post(where, content=slowly(), headers=kind)

        assert done.status_code == 404
        assert "Nothing was changed" in done.text
        assert (await family.get(link)).status_code == 404
        assert family.events() == []
        family.someone.citizen, family.someone.minors = family.child, ()
        page = (await family.get((await family.get(link)).headers["location"])).text
        assert "asks for your data" in page

    @ONE
    async def test_rule_28_and_again_at_every_renewal(self, world: World, family: Family, link: str) -> None:
        where = (await family.get(link)).headers["location"]
        form = _form(world, (await family.get(where)).text, address="allow", income="allow")
        await family.browser.post(where, data=form)
        asked = family.register.asked

        again = await lodged(world, family, renew=True)
        where = (await family.get(again)).headers["location"]
        page = (await family.get(where)).text
        assert "You allow this now" in page
        family.register.custody.clear()
        done = await family.browser.post(where, data=_form(world, page, address="allow", income="allow"))

        assert family.register.asked > asked
        assert done.status_code == 404
        assert len(family.events()) == 2

    @ONE
    async def test_nobody_else_can_open_it(self, world: World, family: Family, link: str) -> None:
        """Neither by the link nor by any address that it leads to; nor does its guardian as himself."""
        where = (await family.get(link)).headers["location"]
        own = f"/my/requests/{where.rpartition('/')[2]}"
        form = _form(world, (await family.get(where)).text, address="allow", income="allow")
        assert (await family.get(own)).status_code == 404
        bert = world.citizen("bert")
        family.register.custody[bert] = [Child(world.citizen("kind"), "Kind")]
        family.someone.citizen = bert
        other = await family.path
        request = where.rpartition("/")[2]

        for address in (link, where, own, f"{other}/requests/{request}"):
            assert (await family.get(address)).status_code == 404, address
        for address in (where, own, f"{other}/requests/{request}"):
            assert (await family.browser.post(address, data=form)).status_code == 404, address

        assert family.events() == []
