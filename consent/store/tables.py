"""The registry's tables. `consent_event` is the truth; `consent` is its projection, written in the same transaction.

What the ledger commits to (`consent_event`, `data_use`, `redemption`, `use_report`, `lookup`, `act`, `consent_status`) has in each row the hash of
its leaf, the leaf's place in the queue, and what its salt is made from (consent.ledger.append).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from base.database import tables as common
from base.database.types import Instant, Json, Sequence

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
common.attach(metadata)

HOLDS_NO_MORE = {
    "sqlite": "(state <> 'given' OR seal = x'' OR current = 0)",
    "postgresql": "(state <> 'given' OR seal = '' OR NOT current)",
}
"""Of a consent, as its index has it: a planner knows it again by the letter."""
CITIZEN = String(43)
NAME = String(64)


def _leaf() -> tuple[Column[str], Column[int]]:
    return Column("leaf", String(43), nullable=False), Column("leaf_seq", BigInteger, nullable=False)


def _nonce() -> Column[bytes]:
    """16 random bytes; empty, as `citizen` is, once the citizen is forgotten."""
    return Column("nonce", LargeBinary, nullable=False)


def _trace() -> tuple[Column[bytes], Column[bytes], Column[bytes]]:
    """16, 8 and 8 bytes (base.trace); the last empty where the trace began with us."""
    return (
        Column("trace_id", LargeBinary, nullable=False),
        Column("span_id", LargeBinary, nullable=False),
        Column("parent_span_id", LargeBinary),
    )


agency = Table(
    "agency",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("oin", String(20), nullable=False),
    Column("name", Json, nullable=False),
    Column("contact", String(200), nullable=False),
    Column("url", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    Column("changed_at", Instant, nullable=False),
)
category = Table(
    "data_category",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("source", NAME, nullable=False),
    Column("name", Json, nullable=False),
    Column("description", Json, nullable=False),
    Column("sensitivity", String(16), nullable=False),
)
purpose = Table(
    "purpose",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("agency", NAME, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("hash", String(43), nullable=False),
    Column("content", Json, nullable=False),
    Column("changed_at", Instant, nullable=False),
    # Who did each of these, as operators call each other; "" while it was not done.
    Column("author", NAME, nullable=False),
    Column("submitter", NAME, nullable=False),
    Column("publisher", NAME, nullable=False),
    # Only one version of a purpose is published.
    Index(
        "uq_purpose_published",
        "id",
        unique=True,
        sqlite_where=text("state = 'published'"),
        postgresql_where=text("state = 'published'"),
    ),
)
catalogue = Table(
    "catalogue",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
notice = Table(
    "notice",
    metadata,
    Column("hash", String(43), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

subject = Table(
    "subject",
    metadata,
    Column("agency", NAME, primary_key=True),
    Column("sub", CITIZEN, primary_key=True),
    Column("citizen", CITIZEN, nullable=False, index=True),
)
citizen_seed = Table(
    "citizen_seed",
    metadata,
    Column("citizen", CITIZEN, primary_key=True),
    Column("seed", LargeBinary, nullable=False),
)

consent_event = Table(
    "consent_event",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("consent", String(22), nullable=False, index=True),
    Column("type", String(16), nullable=False),  # given, refused, withdrawn, used
    Column("citizen", CITIZEN, nullable=False),
    Column("agency", NAME, nullable=False),
    Column("purpose", NAME, nullable=False),
    Column("purpose_version", Integer, nullable=False),
    Column("category", NAME, nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("once", Boolean, nullable=False),
    Column("notice_hash", String(43), nullable=False),
    Column("language", String(8), nullable=False),
    Column("channel", String(16), nullable=False),
    # Who pressed: the citizen, or a guardian for him; then `who` is what the leaf says of that guardian (consent.acting).
    Column("acting", String(8), nullable=False),  # self, guardian
    Column("who", String(43), nullable=False),
    Column("guardian", CITIZEN, nullable=False),  # "" once he is forgotten
    _nonce(),
    *_leaf(),
    *_trace(),
    Index("ix_consent_event_matter", "citizen", "agency", "purpose", "category", "seq"),
    Index(
        "ix_consent_event_guardian",
        "guardian",
        sqlite_where=text("guardian <> ''"),
        postgresql_where=text("guardian <> ''"),
    ),
    Index(
        "ix_consent_event_acting",
        "citizen",
        sqlite_where=text("acting = 'guardian'"),
        postgresql_where=text("acting = 'guardian'"),
    ),
)
consent = Table(
    "consent",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("citizen", CITIZEN, nullable=False),
    Column("agency", NAME, nullable=False),
    Column("purpose", NAME, nullable=False),
    Column("purpose_version", Integer, nullable=False),
    Column("category", NAME, nullable=False),
    Column("state", String(16), nullable=False),  # given, refused, withdrawn, used
    Column("current", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("once", Boolean, nullable=False),
    Column("ended_at", Instant),
    Column("notice_hash", String(43), nullable=False),
    Column("language", String(8), nullable=False),
    Column("seq", BigInteger, nullable=False),
    # Whether its agencies were told that its time is up: no decision looks at it.
    Column("expiry_told", Boolean, nullable=False),
    # Its place in the status lists, as `consent_status` has it; empty while it has none.
    Column("status_list", Integer),
    Column("status_idx", Integer),
    # Of a given consent: a MAC over what is decided by (consent.seals); empty once it ended.
    Column("seal", LargeBinary, nullable=False),
    CheckConstraint("state IN ('given', 'refused', 'withdrawn', 'used')", name="ck_consent_state"),
    CheckConstraint("state <> 'given' OR expires_at IS NOT NULL", name="ck_consent_expires"),
    # The database itself forbids two answers that count. Written as queries render it, so that SQLite finds by it too.
    Index(
        "uq_consent_current",
        "citizen",
        "agency",
        "purpose",
        "category",
        unique=True,
        sqlite_where=text("current = 1"),
        postgresql_where=text("current"),
    ),
    Index("ix_consent_citizen", "citizen", "seq"),
    # What ended lately: a status list adds no more than that.
    Index(
        "ix_consent_ended",
        "ended_at",
        sqlite_where=text("ended_at IS NOT NULL"),
        postgresql_where=text("ended_at IS NOT NULL"),
    ),
    # A whole status list: read from the index alone, and only what holds no more.
    Index(
        "ix_consent_status",
        "status_list",
        "status_idx",
        sqlite_where=text(HOLDS_NO_MORE["sqlite"]),
        postgresql_where=text(HOLDS_NO_MORE["postgresql"]),
    ),
    Index(
        "ix_consent_expiring",
        "expires_at",
        sqlite_where=text("state = 'given' AND current = 1 AND expiry_told = 0"),
        postgresql_where=text("state = 'given' AND current AND NOT expiry_told"),
    ),
)

data_use = Table(
    "data_use",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("citizen", CITIZEN, nullable=False),
    Column("recipient", NAME, nullable=False),
    Column("source", NAME, nullable=False),
    Column("purpose", NAME, nullable=False),
    Column("purpose_version", Integer, nullable=False),
    Column("categories", Json, nullable=False),
    Column("use_kind", String(16), nullable=False),  # release, exchange
    Column("legal_basis", String(32), nullable=False),
    Column("decision", String(16), nullable=False),  # allowed, denied
    Column("reason", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("permit", String(22)),
    _nonce(),
    *_leaf(),
    *_trace(),
    Index("ix_data_use_citizen", "citizen", "seq"),
)
permit = Table(
    "permit",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("citizen", CITIZEN, nullable=False),
    Column("recipient", NAME, nullable=False),
    Column("source", NAME, nullable=False),
    Column("purpose", NAME, nullable=False),
    Column("categories", Json, nullable=False),
    Column("consents", Json, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("redeemed_at", Instant),
    # A MAC while it can be taken; empty from then on (consent.seals).
    Column("seal", LargeBinary, nullable=False),
    # When its recipient said what became of it, and that; what the provider releases itself needs no saying.
    Column("closed_at", Instant),
    Column("outcome", String(16)),  # used, not_used
    # What can still be taken: among all that ever were, each permit would be written to a page that nobody else needs.
    Index(
        "ix_permit_open",
        "citizen",
        "expires_at",
        sqlite_where=text("redeemed_at IS NULL"),
        postgresql_where=text("redeemed_at IS NULL"),
    ),
    # What was taken and not said yet: only as long as it is not.
    Index(
        "ix_permit_unreported",
        "redeemed_at",
        sqlite_where=text("redeemed_at IS NOT NULL AND closed_at IS NULL"),
        postgresql_where=text("redeemed_at IS NOT NULL AND closed_at IS NULL"),
    ),
)

altered_row = Table(
    "altered_row",
    metadata,
    Column("kind", String(16), primary_key=True),  # consent, permit, subject, stream, catalogue
    Column("row", String(120), primary_key=True),
    Column("at", Instant, nullable=False, index=True),
)

redemption = Table(
    "redemption",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("permit", String(22), nullable=False, unique=True),
    Column("citizen", CITIZEN, nullable=False, index=True),
    Column("source", NAME, nullable=False),
    Column("at", Instant, nullable=False),
    _nonce(),
    *_leaf(),
    *_trace(),
)

lookup = Table(
    "lookup",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("citizen", CITIZEN, nullable=False, index=True),
    Column("by", NAME, nullable=False),
    Column("what", String(32), nullable=False),  # consent.lookups.WHAT
    Column("at", Instant, nullable=False),
    _nonce(),
    *_leaf(),
    *_trace(),
)
act = Table(
    "act",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("event", String(64), nullable=False, index=True),
    Column("object", String(200), nullable=False),
    Column("at", Instant, nullable=False),
    Column("content", Json, nullable=False),
    _nonce(),
    *_leaf(),
)

pending_leaf = Table(
    "pending_leaf",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("commitment", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
    Column("tells", String(120)),
    # A number is never given twice, not after its leaf went into the tree either.
    sqlite_autoincrement=True,
)
ledger_tile = Table(
    "ledger_tile",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)
ledger_batch = Table(
    "ledger_batch",
    metadata,
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("min_seq", BigInteger, nullable=False),
    Column("max_seq", BigInteger, nullable=False, index=True),
    Column("at", Instant, nullable=False),
)
ledger_head = Table(
    "ledger_head",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("origin", String(200), nullable=False),
    Column("number", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("tells", Json, nullable=False),
    Column("published_size", BigInteger, nullable=False),
    Column("published_note", Text, nullable=False),
    Column("cosigned_size", BigInteger, nullable=False),
    Column("cosigned_note", Text, nullable=False),
)
ledger_witness = Table(
    "ledger_witness",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("said", String(200), nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("client", String(200), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("request_hash", String(43), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

lodged_request = Table(
    "lodged_request",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("agency", NAME, nullable=False),
    Column("client", NAME, nullable=False),
    Column("citizen", CITIZEN, nullable=False, index=True),
    Column("link", String(43), nullable=False, unique=True),
    Column("callback", String(2000), nullable=False),
    Column("uses", Json, nullable=False),
    Column("renew", Boolean, nullable=False),
    Column("state", String(16), nullable=False),  # lodged, shown, answered, closed
    Column("answered", Json, nullable=False),
    Column("step", Integer, nullable=False),
    Column("lodged_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_lodged_request_agency", "agency", "expires_at"),
)

consent_status = Table(
    "consent_status",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("consent", String(22), nullable=False),
    Column("list", Integer, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    _nonce(),
    *_leaf(),
    Index("uq_consent_status_consent", "consent", unique=True),
    Index("uq_consent_status_place", "list", "idx", unique=True),
)

# The bits of consents whose rows went with a forgotten citizen, or with a lost database: they hold no more, for ever.
# `idx`: -1 for all of a list.
forgotten_status = Table(
    "forgotten_status",
    metadata,
    Column("list", Integer, primary_key=True, autoincrement=False),
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False, index=True),
)

govstack_revision = Table(
    "govstack_revision",
    metadata,
    Column("agency", NAME, primary_key=True),
    Column("kind", String(16), primary_key=True),  # Policy, Webhook, DataAgreement
    Column("object", String(80), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("snapshot", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("author", NAME, nullable=False),
    Column("predecessor", String(64), nullable=False),
    Column("ended", Boolean, nullable=False),
)

counted_month = Table(
    "counted_month",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("until", Instant, nullable=False),
)
figure = Table(
    "figure",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("agency", NAME, primary_key=True),
    Column("purpose", NAME, primary_key=True),
    Column("what", String(16), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("people", BigInteger, nullable=False),
)

use_report = Table(
    "use_report",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("permit", String(22), nullable=False, unique=True),
    Column("citizen", CITIZEN, nullable=False, index=True),
    Column("recipient", NAME, nullable=False),
    Column("outcome", String(16), nullable=False),  # used, not_used
    Column("at", Instant, nullable=False),
    _nonce(),
    *_leaf(),
    *_trace(),
)
# When a citizen was last reminded of what he allows; and whether he was told that what a guardian gave is his now.
reminder = Table(
    "reminder",
    metadata,
    Column("citizen", CITIZEN, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("grown", Boolean, nullable=False),
)

event_stream = Table(
    "event_stream",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("agency", NAME, nullable=False, index=True),
    Column("kinds", Json, nullable=False),
    Column("status", String(16), nullable=False),  # enabled, paused
    Column("created_at", Instant, nullable=False),
    # Where events are pushed to, "" when they are polled; how that goes, and when it is tried next.
    Column("endpoint", String(2000), nullable=False),
    # A MAC over whose it is and where it goes (consent.seals): nothing is pushed elsewhere by the database alone.
    Column("seal", LargeBinary, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Instant),
    Column("due_at", Instant, nullable=False),
    Column("parked_at", Instant),
    Column("said", String(100), nullable=False),
)
stream_event = Table(
    "stream_event",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("stream", String(22), nullable=False),
    Column("jti", String(22), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("sub", CITIZEN, nullable=False, index=True),
    Column("content", Json, nullable=False),
    Column("at", Instant, nullable=False),
    # When it was told, or was asked for again: an end by time may have happened long before that.
    Column("waits_since", Instant, nullable=False, index=True),
    Column("done_at", Instant, index=True),
    Column("error", String(64), nullable=False),
    Index("ix_stream_event_order", "stream", "seq"),
    Index(
        "ix_stream_event_waiting",
        "stream",
        "seq",
        sqlite_where=text("done_at IS NULL"),
        postgresql_where=text("done_at IS NULL"),
    ),
    # The order holds: no number is given twice.
    sqlite_autoincrement=True,
)
complaint = Table(
    "complaint",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("citizen", CITIZEN, nullable=False, index=True),
    Column("agency", NAME, nullable=False),
    Column("leaf", String(43), nullable=False),  # of the use that it is about
    Column("kind", String(16), nullable=False),  # complaint, erasure
    Column("acting", String(8), nullable=False),  # self, guardian: who wrote it
    Column("guardian", CITIZEN, nullable=False, index=True),  # "" of what he wrote himself, and of who is forgotten
    Column("text", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),  # sent, seen, answered
    Column("sent_at", Instant, nullable=False),
    Column("seen_at", Instant),
    Column("answered_at", Instant),
    Column("outcome", String(16)),  # done, partly, declined
    Column("answer", LargeBinary),
    Column("read_at", Instant),  # when the citizen first read the answer
    Index("ix_complaint_agency", "agency", "state", "sent_at"),
)
# What a source was told of a reference of Estonia's consent service, and the permit that it was told under: for as long
# as it may report.
estonia_validation = Table(
    "estonia_validation",
    metadata,
    Column("permit", String(22), primary_key=True),
    Column("reference", String(22), nullable=False, index=True),
    Column("signed", Text, nullable=False),
    Column("told", Instant),  # when the data was given, as the source reports it
    Column("until", Instant, nullable=False, index=True),
)

APPEND_ONLY = ("act", "consent_status", "forgotten_status", "govstack_revision", "ledger_batch", "notice")
FORGETTABLE = ("consent_event", "data_use", "redemption", "use_report", "lookup")
GROWING = ("ledger_tile",)
GUARDED = ("consent_event",)
MIGRATION_EXTRA = (
    f"append_only.protect(op, {APPEND_ONLY}, forgettable={FORGETTABLE}, growing={GROWING}, guarded={GUARDED})"
)
"""What autogenerate cannot see: triggers that forbid changing what was written."""
