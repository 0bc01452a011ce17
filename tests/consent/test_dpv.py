"""Records in ISO/IEC TS 27560 and DPV terms, judged by shapes that were written from the guide's mandatory fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyshacl
import pytest
import rdflib

from consent.dpv import record as dpv
from consent.forgetting import forget
from tests.fixtures.registry import HOUSING_BENEFIT

if TYPE_CHECKING:
    from tests.fixtures.registry import World

SHAPES = rdflib.Graph().parse(Path(__file__).parent / "shapes" / "dpv-27560.ttl")
DPV = rdflib.Namespace("https://w3id.org/dpv#")
DCT = rdflib.DCTERMS
pytestmark = [
    pytest.mark.parametrize("backend", ["sqlite"], indirect=True),  # documents are the same on both
    pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib"),  # of its own older names
]


def graph_of(document: dict[str, Any]) -> rdflib.Graph:
    return rdflib.Graph().parse(data=json.dumps(document), format="json-ld")


def faults_of(document: dict[str, Any]) -> str:
    conforms, _, text = pyshacl.validate(graph_of(document), shacl_graph=SHAPES)
    return "" if conforms else text


def status_of(document: dict[str, Any]) -> str:
    return str(document["dpv:hasConsentStatus"]["@id"])


async def fetched(world: World, consent: str, agency: str = "municipality") -> tuple[int, dict[str, Any]]:
    async with world.client(agency) as client:
        answer = await client.get(f"/consent/v1/records/{consent}")
    body = answer.json()
    return answer.status_code, body.get("record", body)


class TestAnAgencysRecord:
    async def test_it_has_every_mandatory_field_in_each_state(self, world: World, anna: str) -> None:
        given = await world.give(anna, income=False)
        states = []
        for consent in await world.registry.consents(anna):
            status, document = await fetched(world, consent.id)
            assert (status, faults_of(document)) == (200, "")
            states.append(status_of(document))
        await world.registry.withdraw(given.consents[0], anna)
        _, withdrawn = await fetched(world, given.consents[0])

        assert sorted(states) == ["dpv:ConsentGiven", "dpv:ConsentRefused"]
        assert faults_of(withdrawn) == ""
        assert status_of(withdrawn) == "dpv:ConsentWithdrawn"
        assert [one["dpv:hasConsentStatus"]["@id"] for one in withdrawn["dct:hasPart"]] == [
            "dpv:ConsentGiven",
            "dpv:ConsentWithdrawn",
        ]

    async def test_the_notice_is_named_by_the_hash_of_what_was_shown(self, world: World, anna: str) -> None:
        consent = (await world.give(anna)).consents[0]
        record = await world.registry.consent(consent, anna)
        graph = graph_of((await fetched(world, consent))[1])
        (subject,) = graph.objects(None, DPV.hasDataSubject)
        (notice,) = graph.objects(None, DPV.hasNotice)

        assert record is not None
        assert str(notice) == f"ni:///sha-256;{record.notice_hash}"
        assert str(graph.value(subject, DCT.identifier)) == world.sub(anna)

    async def test_at_its_end_it_is_expired(self, world: World, anna: str) -> None:
        consent = (await world.give(anna)).consents[0]
        world.clock.advance(366 * 86_400)

        assert status_of((await fetched(world, consent))[1]) == "dpv:ConsentExpired"

    async def test_a_newer_answer_replaces_it(self, world: World, anna: str) -> None:
        first = (await world.give(anna)).consents[0]
        again = await world.ask(anna, anew=True)
        assert again is not None
        answers = {one.category: True for one in again.items}
        await world.registry.answer(citizen=anna, question=again, answers=answers, language="en")

        assert status_of((await fetched(world, first))[1]) == "dpv:ConsentExpired"

    async def test_retention_is_the_catalogues_where_it_says_so(self, world: World, anna: str) -> None:
        world.publish({**HOUSING_BENEFIT, "retentionDays": 90})
        _, document = await fetched(world, (await world.give(anna)).consents[0])

        assert document["dpv:hasProcess"]["dpv:hasStorageCondition"]["dpv:hasDuration"]["dct:description"] == {
            "@value": "P90D",
            "@type": "xsd:duration",
        }
        assert faults_of(document) == ""

    async def test_another_agencys_an_unknown_one_and_a_forgotten_citizens_look_alike(
        self, world: World, anna: str
    ) -> None:
        consent = (await world.give(anna)).consents[0]
        others = await fetched(world, consent, "health-insurer")
        unknown = await fetched(world, "A" * 22)
        world.database.write_now(lambda c: forget(c, anna, pseudonyms=world.ring.pseudonyms, now=world.clock.now()))
        forgotten = await fetched(world, consent)

        assert others[0] == 404
        assert {json.dumps({**one[1], "instance": ""}) for one in (others, unknown, forgotten)} == {
            json.dumps({**others[1], "instance": ""})
        }

    async def test_without_the_scope_there_is_none(self, world: World, anna: str) -> None:
        consent = (await world.give(anna)).consents[0]
        token = world.token(scope="consent:check")
        async with world.client(None, authorization=f"Bearer {token}") as client:
            assert (await client.get(f"/consent/v1/records/{consent}")).status_code == 403


async def test_a_citizens_file_has_all_his_records_and_uses_on_other_bases_without_allow_or_deny(
    world: World, anna: str
) -> None:
    await world.give(anna)
    await world.registry.release(
        citizen=anna, agency="tax-authority", purpose="tax-return", categories=frozenset({"name", "address"})
    )
    document = await world.consent.records.of_citizen(anna)
    graph = graph_of(document)
    (use,) = [one for one in document["@graph"] if one["@type"] == "dpv:Process"]
    nobodys = await world.consent.records.of_citizen(world.citizen("bram"))

    assert faults_of(document) == ""
    assert len(list(graph.subjects(rdflib.RDF.type, DPV.ConsentRecord))) == 2
    assert {"@id": "eu-gdpr:A6-1-e"} in use["dpv:hasLegalBasis"]
    assert not any("Consent" in name for name in use)
    assert nobodys["@graph"] == []
    assert anna not in json.dumps(document)


async def test_the_shapes_find_each_field_that_is_missing(world: World, anna: str) -> None:
    consent = (await world.give(anna)).consents[0]
    whole = await world.consent.records.of_agency(consent, "municipality")
    assert whole is not None
    kept = {"@context", "@id", "@type"}
    missed = [
        name
        for name in whole
        if name not in kept and not faults_of({key: value for key, value in whole.items() if key != name})
    ]
    process = whole["dpv:hasProcess"]
    missed += [
        name
        for name in process
        if name not in {*kept, "dct:source"}
        and not faults_of({**whole, "dpv:hasProcess": {key: value for key, value in process.items() if key != name}})
    ]

    assert missed == []
    assert dpv.RECORDS in whole["@id"]
