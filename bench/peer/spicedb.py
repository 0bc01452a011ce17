"""Embedded SpiceDB, asked in process: may this recipient use this data of this citizen? A JSON line for each way.

A program of its own, in the virtual environment beside it: nothing of ours is imported, and nothing of it is ours.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor

from authzed.api.v1 import (
    CheckPermissionRequest,
    CheckPermissionResponse,
    Consistency,
    ObjectReference,
    Relationship,
    SubjectReference,
)
from spicedb_embedded import EmbeddedSpiceDB

SCHEMA = """
definition agency {}
definition data {
    relation recipient: agency
    permission use = recipient
}
"""
RELATIONS, COUNT = 1_000, 5_000


def recipient() -> SubjectReference:
    return SubjectReference(object=ObjectReference(object_type="agency", object_id="municipality"))


def data(number: int) -> ObjectReference:
    return ObjectReference(object_type="data", object_id=f"citizen-{number}-address")


def main() -> None:
    given = [Relationship(resource=data(n), relation="recipient", subject=recipient()) for n in range(RELATIONS)]
    permissions = EmbeddedSpiceDB.start(SCHEMA, given).permissions()
    for name, how in (("newest", {"fully_consistent": True}), ("some seconds old", {"minimize_latency": True})):
        asked = CheckPermissionRequest(
            consistency=Consistency(**how), resource=data(1), permission="use", subject=recipient()
        )

        def ask(_: int, asked: CheckPermissionRequest = asked) -> None:
            answer = permissions.CheckPermission(asked)
            assert answer.permissionship == CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION

        for threads in (1, 16):
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(ask, range(COUNT // 10)))
                begun, spent = time.perf_counter(), time.process_time()
                list(pool.map(ask, range(COUNT)))
                took, cpu = time.perf_counter() - begun, time.process_time() - spent
            told = {"state": name, "threads": threads, "per_s": round(COUNT / took), "cpu_us": cpu / COUNT * 1e6}
            print(json.dumps(told), flush=True)


main()
