"""The provider's tables. Codes, tokens and cookies are digests; what is personal is sealed."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, text

from base.database import tables as common
from base.database.types import Instant, Json

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
common.attach(metadata)

ID = String(22)
DIGEST = String(43)

# People

citizen = Table(
    "citizen",
    metadata,
    Column("id", ID, primary_key=True),
    Column("number_index", DIGEST, unique=True),
    Column("wrapped_key", LargeBinary),  # NULL: forgotten
    Column("person", LargeBinary),
    Column("row_digest", DIGEST, nullable=False),
    Column("state", String(16), nullable=False),
    Column("proofing", String(16), nullable=False),  # how well the identity was proven: low, substantial, high
    Column("changed_at", Instant, nullable=False),
)
import_progress = Table(
    "import_progress",
    metadata,
    Column("fingerprint", DIGEST, primary_key=True),
    Column("line", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False),
)
# Who has custody of whom, as the population register says it; a guardian by the keyed index of his number alone.
guardianship = Table(
    "guardianship",
    metadata,
    Column("child", ID, primary_key=True),
    Column("guardian", DIGEST, primary_key=True, index=True),
    # A MAC over the two (idp.citizens.guardianship): nobody has custody by the database alone.
    Column("seal", LargeBinary, nullable=False),
)
account = Table(
    "account",
    metadata,
    Column("citizen", ID, primary_key=True),
    Column("username_index", DIGEST, unique=True),
    Column("password_hash", Text),
    Column("totp_secret", LargeBinary),
    Column("totp_step", Integer),
    Column("totp_acr", String(64)),  # of the session that added it: it is never worth more
    Column("changed_at", Instant, nullable=False),
)
handle = Table(
    "handle",
    metadata,
    Column("handle", DIGEST, primary_key=True),
    Column("citizen", ID, nullable=False),
)
passkey = Table(
    "passkey",
    metadata,
    Column("credential_id", String(400), primary_key=True),
    Column("citizen", ID, nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", Integer, nullable=False),
    Column("device_bound", Boolean, nullable=False),  # the key never leaves its device (backup eligibility off)
    Column("acr", String(64), nullable=False),  # as totp_acr
    Column("label", String(60), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
)
once = Table(
    "once",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("kind", String(16), nullable=False),  # enrolment, challenge, second
    Column("browser", DIGEST, nullable=False),
    Column("citizen", ID, index=True),
    Column("payload", Json, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
session = Table(
    "session",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("id", ID, nullable=False, unique=True),
    Column("citizen", ID, nullable=False, index=True),
    Column("acr", String(64), nullable=False),
    Column("binds", String(64), nullable=False),  # what a way to log in that is added here may be worth
    Column("amr", Json, nullable=False),
    Column("device", String(60), nullable=False),
    Column("auth_time", Instant, nullable=False, index=True),
    Column("seen_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
session_client = Table(
    "session_client",
    metadata,
    Column("session", ID, primary_key=True),
    Column("client_id", String(64), primary_key=True),
    Column("created_at", Instant, nullable=False, index=True),
)
device = Table(
    "device",
    metadata,
    Column("digest", DIGEST, primary_key=True),  # of the citizen and the browser's cookie: it links no two people
    Column("citizen", ID, nullable=False, index=True),
    Column("seen_at", Instant, nullable=False, index=True),
)
notice = Table(
    "notice",
    metadata,
    Column("id", ID, primary_key=True),
    Column("citizen", ID, nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("about", String(60), nullable=False),
    Column("at", Instant, nullable=False, index=True),
    Column("seen_at", Instant),
)
# An officer works here and is nobody's citizen: one passkey, one session at a time, nothing of the tables above.
officer = Table(
    "officer",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),  # supervisor
    Column("invitation", DIGEST, unique=True),
    Column("invited_until", Instant),
    Column("credential_id", String(400), unique=True),
    Column("public_key", LargeBinary),
    Column("sign_count", Integer),
    Column("device_bound", Boolean),
    Column("session", DIGEST, unique=True),
    Column("auth_time", Instant),
    Column("seen_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index(
        "uq_officer_name",
        "name",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

# Protocol

client = Table(
    "client",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("agency", String(64), nullable=False),
    Column("profile", String(16), nullable=False),
    Column("metadata", Json, nullable=False),
    Column("secret_digest", DIGEST),
    Column("state", String(16), nullable=False),  # active, disabled, deleted
    Column("registered_by", String(16), nullable=False),  # operator, software
    Column("registration_digest", DIGEST),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("deleted_at", Instant, index=True),
    # Of jwks_uri: the set that counts until, when it was fetched, when fetching began last and whether it goes on.
    Column("fetched_jwks", Json),
    Column("keys_until", Instant),
    Column("keys_fetched_at", Instant),
    Column("keys_tried_at", Instant),
    Column("keys_trying", Boolean, nullable=False),
)
initial_access_token = Table(
    "initial_access_token",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("agency", String(64), nullable=False),
    Column("profile", String(16), nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
software_issuer = Table(
    "software_issuer",
    metadata,
    Column("iss", String(200), primary_key=True),
    Column("jwks", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
)
authorization_request = Table(
    "authorization_request",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("client_id", String(64), nullable=False),
    Column("parameters", Json, nullable=False),
    Column("pushed", Boolean, nullable=False),
    Column("browser", DIGEST),
    Column("jkt", DIGEST),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("asked", Json),
    Column("confirmed", ID),  # the session that the citizen goes on with
    Column("decoupled", DIGEST),  # what it answers, when it began elsewhere
    Column("used_at", Instant),
)
decoupled = Table(
    "decoupled",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("kind", String(8), nullable=False),  # device, ciba
    Column("client_id", String(64), nullable=False),
    Column("parameters", Json, nullable=False),
    Column("user_code", DIGEST, unique=True),
    Column("citizen", DIGEST, index=True),
    Column("ping", LargeBinary),
    Column("jkt", DIGEST),
    Column("state", String(8), nullable=False),  # waiting, allowed, refused, taken
    Column("family", ID),
    Column("interval_s", Integer, nullable=False),
    Column("polled_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
family = Table(
    "family",
    metadata,
    Column("id", ID, primary_key=True),
    Column("client_id", String(64), nullable=False),
    Column("citizen", ID, nullable=False, index=True),
    Column("session", ID, nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("details", Json, nullable=False),
    Column("claims", Json, nullable=False),
    Column("resource", Json, nullable=False),
    Column("acr", String(64), nullable=False),
    Column("amr", Json, nullable=False),
    Column("auth_time", Instant, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
    Column("ended_at", Instant),
    Column("managed_grant", ID, index=True),
    Index("ix_family_login", "client_id", "auth_time"),
)
managed_grant = Table(
    "managed_grant",
    metadata,
    Column("id", ID, primary_key=True),
    Column("client_id", String(64), nullable=False),
    Column("citizen", ID, nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("details", Json, nullable=False),
    Column("claims", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("ended_at", Instant, index=True),
)
code = Table(
    "code",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("family", ID, nullable=False),
    Column("client_id", String(64), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("redirect_uri_given", Boolean, nullable=False),
    Column("nonce", Text),
    Column("code_challenge", String(43), nullable=False),
    Column("jkt", DIGEST),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant),
)
refresh_token = Table(
    "refresh_token",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("family", ID, nullable=False, index=True),
    Column("client_id", String(64), nullable=False),
    Column("cnf", Json),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("idle_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("response", LargeBinary),
)
access_token = Table(
    "access_token",
    metadata,
    Column("jti", ID, primary_key=True),
    Column("client_id", String(64), nullable=False),
    Column("family", ID),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Index("ix_access_token_expires", "expires_at"),
)
