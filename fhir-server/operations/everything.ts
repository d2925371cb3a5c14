// Patient/$everything, Encounter/$everything: https://hl7.org/fhir/R4/patient-operation-everything.html,
// https://hl7.org/fhir/R4/encounter-operation-everything.html
import type { OperationAnswer, OperationRequest, OperationSpec, Resource, StoredVersion } from '#fhir-model';
import { CerebraError, type Queryable } from '#platform';
import type { Core } from '../interactions/core.ts';
import { currentTable, resourceKey } from '../store/layout.ts';
import { readCurrent } from '../store/read.ts';
import { named } from '../store/sql.ts';
import { isPersonal, memberParams } from './compartment.ts';
import { bundleText } from './everything-bundle.ts';
import { type Everything, type EverythingCursor, everythingParameters, parseEverything } from './everything-input.ts';
import { linksOf, readNamed, SUPPORT_MAX, tooMany, typeOf, unindexedLinks } from './everything-links.ts';
import { changedSupport, memberPage, type Record, referredBefore } from './everything-members.ts';
import { allRecords } from './everything-type.ts';

/** The patient or encounter itself. Throws `not-found` and `deleted`. */
async function readSubject(core: Core, { type, id, scope }: OperationRequest): Promise<StoredVersion> {
  const found = await readCurrent(core.store.db, type!, id!, scope);
  if (!found) throw new CerebraError('not-found', `${type}/${id} is not known`);
  if (found.deleted) throw new CerebraError('deleted', `${type}/${id} was deleted as version ${found.version}`);
  return found;
}

async function ridOf(db: Queryable, type: string, id: string): Promise<bigint> {
  const statement = named(`rid_${type}`, () => `select rid from ${currentTable(type)} where id = $1`);
  const rows = await db.query<{ rid: bigint }>(statement, [id]);
  return rows[0]?.rid ?? 0n;
}

/** Whether it belongs to the record anyway, on this page or another. */
function isMember(core: Core, record: Record, one: StoredVersion): boolean {
  const keys = record.params.get(one.type) ?? [];
  return core.store
    .extract(JSON.parse(one.body) as Resource)
    .some(
      (value) =>
        value.kind === 'reference' &&
        keys.includes(value.param.key) &&
        value.type !== undefined &&
        value.id !== undefined &&
        resourceKey(value.type, value.id) === record.key,
    );
}

/** What an encounter itself refers to is part of the answer whoever's it is: its patient, its diagnoses. */
async function ofEncounter(
  core: Core,
  db: Queryable,
  request: OperationRequest,
  record: Record,
  subject: StoredVersion,
) {
  const names = [...linksOf(core, subject)].filter((name) => isPersonal(core, typeOf(name)));
  const own = `${subject.type}/${subject.id}`;
  const found = await readNamed(db, new Set(names.filter((name) => name !== own)), request);
  return found.filter((one) => !isMember(core, record, one));
}

const nameOf = ({ type, id }: StoredVersion): string => `${type}/${id}`;

const isAsked = (asked: Everything, type: string): boolean => !asked.types || asked.types.includes(type);

/**
 * What the page's resources refer to that is nobody's own: practitioners, organizations, medications and so on, each on
 * the first page that refers to it. References that no search parameter covers are not known of earlier pages; their
 * targets may come again, as all may where the access is limited.
 */
async function support(
  core: Core,
  db: Queryable,
  request: OperationRequest,
  asked: Everything,
  record: Record,
  page: StoredVersion[],
): Promise<StoredVersion[]> {
  const names = new Set<string>();
  for (const one of page) for (const name of linksOf(core, one)) names.add(name);
  const wanted = [...names].filter((name) => !isPersonal(core, typeOf(name)) && isAsked(asked, typeOf(name)));
  if (wanted.length > SUPPORT_MAX) throw tooMany();
  const isLater = asked.cursor !== undefined && request.scope.kind === 'everything' && wanted.length > 0;
  const before = isLater ? await referredBefore(core, db, record, asked.cursor!.rid, wanted) : new Set<string>();
  return readNamed(db, new Set(wanted.filter((name) => !before.has(name))), request);
}

/** The names of what all members refer to, changed at `record.sinceMs` or later where that is told: for the last page. */
async function supportOf(core: Core, db: Queryable, asked: Everything, record: Record): Promise<string[]> {
  const types = core.definitions.resourceTypes.filter((type) => !isPersonal(core, type) && isAsked(asked, type));
  if (types.length === 0) return [];
  const names = await changedSupport(core, db, record, types, SUPPORT_MAX + 1);
  if (names.length > SUPPORT_MAX) throw tooMany();
  return names;
}

/** With _type: on the last page, what only members refer to that are not asked for themselves. */
async function supportOfOthers(core: Core, db: Queryable, asked: Everything, record: Record): Promise<string[]> {
  const all = memberParams(core, asked.type as 'Patient' | 'Encounter');
  const params = new Map([...all].filter(([type]) => !isAsked(asked, type)));
  const names = await supportOf(core, db, asked, { ...record, params });
  const shown = await referredBefore(core, db, record, undefined, names);
  return names.filter((name) => !shown.has(name));
}

/** With _since: what the members of the page refer to by links that only they tell, such as attachments. */
async function attachedSince(
  core: Core,
  db: Queryable,
  request: OperationRequest,
  asked: Everything,
  page: StoredVersion[],
): Promise<StoredVersion[]> {
  const names = new Set(page.flatMap((one) => [...unindexedLinks(core, one)]));
  const wanted = [...names].filter((name) => !isPersonal(core, typeOf(name)) && isAsked(asked, typeOf(name)));
  if (wanted.length > SUPPORT_MAX) throw tooMany();
  const found = await readNamed(db, wanted, request);
  return found.filter(({ updatedMs }) => updatedMs >= asked.sinceMs!);
}

/** What supports the page, each resource once. */
async function pageSupport(
  core: Core,
  db: Queryable,
  request: OperationRequest,
  asked: Everything,
  record: Record,
  page: { matches: StoredVersion[]; isLast: boolean },
): Promise<StoredVersion[]> {
  const { matches, isLast } = page;
  const isWhole = asked.sinceMs === undefined;
  const own = isWhole
    ? await support(core, db, request, asked, record, matches)
    : await attachedSince(core, db, request, asked, matches);
  if (!isLast || (isWhole && !asked.types)) return own;
  const names = isWhole
    ? await supportOfOthers(core, db, asked, record)
    : await supportOf(core, db, asked, {
        ...record,
        params: memberParams(core, asked.type as 'Patient' | 'Encounter'),
      });
  const others = await readNamed(db, names, request);
  return [...new Map([...own, ...others].map((one) => [nameOf(one), one])).values()];
}

async function oneRecord(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  const asked = parseEverything(core, request);
  const subject = await readSubject(core, request);
  const { db } = core.store;
  const { type, id } = subject;
  const record: Record = {
    key: resourceKey(type, id),
    rid: await ridOf(db, type, id),
    params: memberParams(core, type as 'Patient' | 'Encounter', asked.types),
    care: asked.care,
    ...(asked.sinceMs === undefined ? {} : { sinceMs: asked.sinceMs }),
    scope: request.scope,
  };
  const { members, last } = await memberPage(core, db, record, asked.cursor?.rid ?? '0', asked.count);
  const isFirst = asked.cursor === undefined;
  const matches = isFirst && isAsked(asked, type) ? [subject, ...members] : members;
  const page = isFirst ? [subject, ...members] : members;
  const isLast = last === undefined;
  const included = await pageSupport(core, db, request, asked, record, { matches: page, isLast });
  if (isFirst && type === 'Encounter') {
    const others = await ofEncounter(core, db, request, record, subject);
    included.unshift(...others.filter((one) => isAsked(asked, one.type)));
  }
  const next: EverythingCursor | undefined = last === undefined ? undefined : { step: 0, rid: String(last) };
  return { text: bundleText(core, request, { matches, included, next, subset: asked.subset }) };
}

export const everythingOperations = (core: Core): OperationSpec[] => [
  {
    name: 'everything',
    title: 'Patient record',
    description:
      'A patient, all resources of the patient compartment, and those that they refer to and that are nobody’s own; at type level of all patients. Page by page with _count.',
    url: 'http://hl7.org/fhir/OperationDefinition/Patient-everything',
    type: ['Patient'],
    system: false,
    typeLevel: true,
    instanceLevel: true,
    affectsState: false,
    parameters: everythingParameters(true),
    run: (request) => (request.id === undefined ? allRecords(core, request) : oneRecord(core, request)),
  },
  {
    name: 'everything',
    title: 'Encounter record',
    description:
      'An encounter, all resources of the encounter compartment, what the encounter refers to, and what supports them',
    url: 'http://hl7.org/fhir/OperationDefinition/Encounter-everything',
    type: ['Encounter'],
    system: false,
    typeLevel: false,
    instanceLevel: true,
    affectsState: false,
    parameters: everythingParameters(false),
    run: (request) => oneRecord(core, request),
  },
];
