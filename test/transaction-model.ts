// What a transaction comes to, by a second and plain reading of https://hl7.org/fhir/R4/http.html#trules and docs/rest.md: patients
// that an identifier tells apart, and Observations that refer to them, in a Map.

/** An entry. `key` is an identifier's value, that of its criteria and of what it writes; `id` of those that go by id. */
export interface Step {
  kind: 'post' | 'postIfNone' | 'put' | 'putWhere' | 'patch' | 'delete' | 'deleteWhere' | 'observe';
  key: string;
  id: string;
  fullUrl: string;
  /** Tells contents apart. */
  mark: string;
  /** Of an Observation: a fullUrl, `Patient?…` by a key, or `Patient/id`. */
  subject: { url: string } | { key: string } | { id: string };
}

export interface Held {
  version: number;
  gone: boolean;
  mark: string;
  key?: string;
  subject?: string;
}

export type Store = Map<string, Held>;

/** What one entry does, `name` is `Type/id`; new ones are named `Type/~index` until the server has told their ids. */
interface Deed {
  name: string;
  status: 200 | 201 | 204;
  isNew: boolean;
}

export interface Expected {
  /** Of these one is answered; none: it is done. */
  refusals: ReadonlySet<number>;
  after: Store;
  deeds: Map<number, Deed>;
  /** `Type/id@version op`, of all that is written. */
  writes: string[];
}

export const criteriaOf = (key: string): string => `identifier=urn:model|${key}`;

const copyOf = (store: Store): Store => new Map([...store].map(([name, held]) => [name, { ...held }]));

const matching = (store: Store, key: string): string[] =>
  [...store].filter(([, held]) => !held.gone && held.key === key).map(([name]) => name);

interface Work extends Expected {
  refusals: Set<number>;
  steps: readonly Step[];
  /** Before anything, and with the deletions done. */
  before: Store;
  base: Store;
  touched: string[];
  /** What is created: which entry, with which key. */
  created: { index: number; key: string | undefined }[];
  /** Criteria of entries that write: what others create must not match. */
  asked: { index: number; key: string }[];
  /** Of conditional creates that found nothing. */
  claimed: Map<string, string>;
}

const isCreate = ({ kind }: Step): boolean => kind === 'post' || kind === 'postIfNone' || kind === 'observe';
const isUpdate = ({ kind }: Step): boolean => kind === 'put' || kind === 'putWhere' || kind === 'patch';

function remove(work: Work, name: string): void {
  work.touched.push(name);
  const held = work.after.get(name);
  if (!held || held.gone) return;
  Object.assign(held, { gone: true, version: held.version + 1 });
  work.writes.push(`${name}@${held.version} d`);
}

function write(work: Work, index: number, name: string, content: Omit<Held, 'version' | 'gone'>): void {
  const former = work.after.get(name);
  const version = (former?.version ?? 0) + 1;
  const isThere = former !== undefined && !former.gone;
  work.touched.push(name);
  work.after.set(name, { ...content, version, gone: false });
  work.writes.push(`${name}@${version} ${former ? 'u' : 'c'}`);
  work.deeds.set(index, { name, status: isThere ? 200 : 201, isNew: name.includes('~') });
  if (!isThere) work.created.push({ index, key: content.key });
}

function postIfNone(work: Work, index: number, { key, mark }: Step): void {
  const [match, more] = matching(work.base, key);
  const found = match ?? work.claimed.get(key);
  if (more) work.refusals.add(412);
  else if (found) work.deeds.set(index, { name: found, status: 200, isNew: false });
  else create(work, index, key, mark);
}

function create(work: Work, index: number, key: string, mark: string): void {
  work.claimed.set(key, `Patient/~${index}`);
  work.asked.push({ index, key });
  write(work, index, `Patient/~${index}`, { key, mark });
}

function putWhere(work: Work, index: number, { key, mark }: Step): void {
  const [match, more] = matching(work.base, key);
  const found = match ?? work.claimed.get(key);
  if (more) work.refusals.add(412);
  else if (!found) create(work, index, key, mark);
  else {
    work.asked.push({ index, key });
    write(work, index, found, { key, mark });
  }
}

function patch(work: Work, index: number, { id, mark }: Step): void {
  const name = `Patient/${id}`;
  const held = work.base.get(name);
  if (held && !held.gone) write(work, index, name, { ...held, mark });
  else {
    work.touched.push(name);
    work.refusals.add(held ? 410 : 404);
  }
}

function run(work: Work, index: number, step: Step): void {
  const { kind, key, id, mark } = step;
  if (kind === 'post') write(work, index, `Patient/~${index}`, { key, mark });
  else if (kind === 'observe') write(work, index, `Observation/~${index}`, { mark });
  else if (kind === 'postIfNone') postIfNone(work, index, step);
  else if (kind === 'put') write(work, index, `Patient/${id}`, { key, mark });
  else if (kind === 'putWhere') putWhere(work, index, step);
  else patch(work, index, step);
}

function runDeletions(work: Work): void {
  for (const [index, { kind, id, key }] of work.steps.entries()) {
    if (kind !== 'delete' && kind !== 'deleteWhere') continue;
    const names = kind === 'delete' ? [`Patient/${id}`] : matching(work.before, key);
    for (const name of names) remove(work, name);
    // A link to what deletes several means none of them.
    work.deeds.set(index, { name: names.length === 1 ? names[0]! : '', status: 204, isNew: false });
  }
}

/** One change of a resource at most; criteria that match what another entry creates, creates not looking at what updates create. */
function refuseOverlaps({ steps, touched, asked, created, refusals }: Work): void {
  if (new Set(touched).size < touched.length) refusals.add(400);
  for (const { index, key } of asked) {
    const isTwin = (one: Work['created'][number]) =>
      one.index !== index && one.key === key && (steps[index]!.kind === 'putWhere' || isCreate(steps[one.index]!));
    if (created.some(isTwin)) refusals.add(400);
  }
}

/** fullUrls mean what entries come to, criteria what matches in the end. */
function link({ steps, after, deeds, refusals }: Work): void {
  const byUrl = new Map(steps.map(({ fullUrl }, index) => [fullUrl, deeds.get(index)?.name]));
  for (const [index, { kind, subject }] of steps.entries()) {
    if (kind !== 'observe') continue;
    const held = after.get(`Observation/~${index}`)!;
    if ('id' in subject) held.subject = `Patient/${subject.id}`;
    else if ('url' in subject) {
      const name = byUrl.get(subject.url);
      if (name) held.subject = name;
      else refusals.add(400);
    } else {
      const [match, ...more] = matching(after, subject.key);
      if (match && more.length === 0) held.subject = match;
      else refusals.add(412);
    }
  }
}

export function expect(before: Store, steps: readonly Step[]): Expected {
  const work: Work = {
    ...{ steps, before, after: copyOf(before), base: new Map(), refusals: new Set(), deeds: new Map(), writes: [] },
    ...{ touched: [], created: [], asked: [], claimed: new Map() },
  };
  runDeletions(work);
  work.base = copyOf(work.after);
  for (const is of [isCreate, isUpdate]) {
    for (const [index, step] of steps.entries()) if (is(step)) run(work, index, step);
  }
  refuseOverlaps(work);
  link(work);
  return work;
}

/** With the ids that the server has given; `ids`: `Patient/~3` → `Patient/0198…`. */
export function named(
  { after, writes }: Expected,
  ids: ReadonlyMap<string, string>,
): { store: Store; writes: string[] } {
  const real = (name: string): string => ids.get(name) ?? name;
  const store = new Map(
    [...after].map(([name, held]) => [
      real(name),
      held.subject === undefined ? held : { ...held, subject: real(held.subject) },
    ]),
  );
  return { store, writes: writes.map((text) => text.replace(/^[^@]+/, real)) };
}
