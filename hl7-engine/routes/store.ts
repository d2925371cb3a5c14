// Routes in PostgreSQL: every version with who made it and why.
import { CerebraError, type Db, type Tx } from '#platform';

export type RouteOrigin = 'api' | 'folder';
export type RouteAction = 'put' | 'delete' | 'enable' | 'disable' | 'rollback';

/** One version of a route. */
export interface StoredVersion {
  id: string;
  version: number;
  /** Milliseconds since 1970 UTC. */
  at: number;
  author: string;
  comment: string;
  action: RouteAction;
  origin: RouteOrigin;
  /** JSON as it was written; null: deleted. */
  body: string | null;
}

export interface RouteChange {
  id: string;
  /** null deletes. */
  body: string | null;
  /** The version that is changed; 0: the route is not there. */
  expected: number;
  author: string;
  comment: string;
  action: RouteAction;
  origin: RouteOrigin;
}

export interface RouteStore {
  /** Rises with each change of any route by any server. */
  revision(): Promise<bigint>;
  /** The latest version of every route, deleted ones too. */
  heads(): Promise<StoredVersion[]>;
  head(id: string): Promise<StoredVersion | undefined>;
  /** Yields the new version. Throws `precondition-failed` when `expected` is not the latest; a deleted route counts as not there. */
  change(change: RouteChange): Promise<number>;
  /** Newest first, those before `before`. */
  versions(id: string, before: number, limit: number): Promise<StoredVersion[]>;
  version(id: string, version: number): Promise<StoredVersion | undefined>;
}

const columns = 'v.route as id, v.version, v.at, v.author, v.comment, v.action, v.origin, v.body';

const selectRevision = { name: 'hl7_route_revision', text: 'select n from hl7_route_revision' };

const selectHeads = {
  name: 'hl7_route_heads',
  text: `select ${columns} from hl7_route r join hl7_route_version v on v.route = r.id and v.version = r.version order by id`,
};

const selectHead = {
  name: 'hl7_route_head',
  text: `select ${columns} from hl7_route r join hl7_route_version v on v.route = r.id and v.version = r.version where r.id = $1`,
};

const selectVersions = {
  name: 'hl7_route_versions',
  text: `select ${columns} from hl7_route_version v where route = $1 and version < $2 order by version desc limit $3`,
};

const selectVersion = {
  name: 'hl7_route_version',
  text: `select ${columns} from hl7_route_version v where route = $1 and version = $2`,
};

const raiseRevision = { name: 'hl7_route_raise', text: 'update hl7_route_revision set n = n + 1' };

const insertVersion = {
  name: 'hl7_route_insert',
  text: `insert into hl7_route_version (route, version, author, comment, action, origin, body)
    values ($1, $2, $3, $4, $5, $6, $7)`,
};

const moveHead = {
  name: 'hl7_route_move',
  text: `insert into hl7_route (id, version) values ($1, $2) on conflict (id) do update set version = $2`,
};

async function change(tx: Tx, wanted: RouteChange): Promise<number> {
  // Holds the row until COMMIT: of two changes the second sees what the first has made.
  await tx.query(raiseRevision);
  const [head] = await tx.query<StoredVersion>(selectHead, [wanted.id]);
  const current = head === undefined || head.body === null ? 0 : head.version;
  if (current !== wanted.expected) throw conflict(wanted, current);
  const version = (head?.version ?? 0) + 1;
  const { id, author, comment, action, origin, body } = wanted;
  await tx.query(insertVersion, [id, version, author, comment, action, origin, body]);
  await tx.query(moveHead, [id, version]);
  return version;
}

function conflict({ id, expected }: RouteChange, current: number): CerebraError {
  const now = current === 0 ? 'there is no such route' : `its version is ${current}`;
  const meant = expected === 0 ? 'a new route was meant' : `version ${expected} was meant`;
  return new CerebraError('precondition-failed', `Route ${id}: ${meant}, but ${now}; read it and change that version`);
}

export function createRouteStore(db: Db): RouteStore {
  return {
    async revision() {
      const [row] = await db.query<{ n: bigint }>(selectRevision);
      return row!.n;
    },
    heads: () => db.query(selectHeads),
    async head(id) {
      const [row] = await db.query<StoredVersion>(selectHead, [id]);
      return row;
    },
    change: (wanted) => db.tx((tx) => change(tx, wanted)),
    versions: (id, before, limit) => db.query(selectVersions, [id, before, limit]),
    async version(id, version) {
      const [row] = await db.query<StoredVersion>(selectVersion, [id, version]);
      return row;
    },
  };
}
