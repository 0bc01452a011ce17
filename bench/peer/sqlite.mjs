// An adapter of oidc-provider on SQLite: WAL with synchronous=FULL, so that what was answered survives a loss of power.
// The database is named by whoever imports this: `sqlite.mjs?file=/path/to/peer.db`. Statements are prepared once.
import Database from "better-sqlite3";

const database = new Database(new URL(import.meta.url).searchParams.get("file"));
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.exec(`
  create table if not exists thing (
    model text not null, id text not null, payload text not null, grant_id text, uid text, user_code text,
    expires_at integer, consumed_at integer, primary key (model, id)
  ) without rowid;
  create index if not exists thing_grant on thing (grant_id) where grant_id is not null;
  create index if not exists thing_uid on thing (uid) where uid is not null;
  create index if not exists thing_code on thing (user_code) where user_code is not null;
`);
const put = database.prepare(`
  insert into thing (model, id, payload, grant_id, uid, user_code, expires_at) values (?, ?, ?, ?, ?, ?, ?)
  on conflict (model, id) do update set payload = excluded.payload, grant_id = excluded.grant_id, uid = excluded.uid,
    user_code = excluded.user_code, expires_at = excluded.expires_at`);
const [byId, byUid, byCode] = ["id", "uid", "user_code"].map((column) =>
  database.prepare(`select payload, expires_at, consumed_at from thing where model = ? and ${column} = ?`));
const remove = database.prepare("delete from thing where model = ? and id = ?");
const revoke = database.prepare("delete from thing where grant_id = ?");
const consume = database.prepare("update thing set consumed_at = ? where model = ? and id = ?");

const now = () => Math.floor(Date.now() / 1000);

function read(row) {
  if (row === undefined || (row.expires_at !== null && row.expires_at <= now())) return undefined;
  const payload = JSON.parse(row.payload);
  return row.consumed_at === null ? payload : { ...payload, consumed: row.consumed_at };
}

export default class SqliteAdapter {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload, expiresIn) {
    const expiresAt = expiresIn ? now() + expiresIn : null;
    put.run(this.model, id, JSON.stringify(payload), payload.grantId ?? null, payload.uid ?? null, payload.userCode ?? null, expiresAt);
  }

  async find(id) {
    return read(byId.get(this.model, id));
  }

  async findByUid(uid) {
    return read(byUid.get(this.model, uid));
  }

  async findByUserCode(userCode) {
    return read(byCode.get(this.model, userCode));
  }

  async destroy(id) {
    remove.run(this.model, id);
  }

  async revokeByGrantId(grantId) {
    revoke.run(grantId);
  }

  async consume(id) {
    consume.run(now(), this.model, id);
  }
}
