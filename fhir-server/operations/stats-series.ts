// The measurements behind Observation/$stats: https://hl7.org/fhir/R4/observation-operation-stats.html
import {
  type AccessScope,
  convertDecimal,
  type DateRange,
  decimalText,
  escapeValue,
  isNumber,
  isObject,
  type JsonObject,
  objectsOf,
  parseDateRange,
  parseJson,
  parseReference,
  type Resource,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search } from '../interactions/search.ts';
import { readSome } from '../store/read.ts';
import type { Measured, Measurements } from './statistics.ts';

export interface Coding {
  system?: string;
  code: string;
  display?: string;
}

/** What was measured under one code, all in one unit. */
export interface Series extends Measurements {
  coding: Coding;
  /** UCUM code of the unit that most values can be told in; unset without any. */
  unit?: string;
  /** That unit as people read it. */
  label?: string;
}

export interface SeriesRequest {
  /** `Patient/1` */
  subject: string;
  codings: readonly Coding[];
  range: Partial<DateRange>;
  /** Source observations wanted. */
  sourcesMax: number;
}

const UCUM = 'http://unitsofmeasure.org';
/** Observations of one call at most: some seconds. */
const OBSERVATIONS_MAX = 100_000;

const tooMany = (): CerebraError =>
  new CerebraError('too-costly', `$stats looks at ${OBSERVATIONS_MAX} observations at most: shorten the time`, {
    expression: ['period', 'duration'],
  });

const codingsOf = (holder: JsonObject): Coding[] =>
  objectsOf((holder.code as JsonObject | undefined)?.coding).filter(
    (coding) => typeof coding.code === 'string',
  ) as unknown as Coding[];

/** Case doesn't count, as in searches. */
const isSame = (wanted: Coding, given: Coding): boolean =>
  wanted.code.toLowerCase() === given.code.toLowerCase() &&
  (wanted.system === undefined || wanted.system === (given.system ?? ''));

/** The time that counts for a line over time: when it was, or began. */
function timeOf(observation: Resource): number | undefined {
  const period = observation.effectivePeriod as JsonObject | undefined;
  const text = observation.effectiveDateTime ?? observation.effectiveInstant ?? period?.start;
  const lo = typeof text === 'string' ? parseDateRange(text)?.lo : undefined;
  return lo !== undefined && Number.isFinite(lo) ? lo : undefined;
}

interface Raw {
  digits: string;
  /** UCUM code. */
  unit: string;
  label: string;
  timeMs?: number;
}

interface Draft {
  coding: Coding;
  raw: Raw[];
  totalCount: number;
}

/** A value counts in UCUM, exactly measured (no `<5`), and where nothing modifies it. */
function measure(draft: Draft, holder: JsonObject, timeMs: number | undefined): void {
  draft.totalCount++;
  const quantity = holder.valueQuantity;
  if (!isObject(quantity) || quantity.system !== UCUM || typeof quantity.code !== 'string') return;
  const { value } = quantity as { value: unknown };
  if (!isNumber(value) || quantity.comparator !== undefined || holder.modifierExtension !== undefined) return;
  draft.raw.push({
    digits: decimalText(value),
    unit: quantity.code,
    label: typeof quantity.unit === 'string' ? quantity.unit : quantity.code,
    ...(timeMs === undefined ? {} : { timeMs }),
  });
}

/** The unit in which most of the values can be told, of several the one of most values, of these that of the latest. */
function commonUnit(raw: readonly Raw[]): Raw | undefined {
  const byUnit = [...Map.groupBy(raw, ({ unit }) => unit).values()];
  const reach = (first: Raw) =>
    byUnit.reduce(
      (sum, each) => sum + (convertDecimal('1', each[0]!.unit, first.unit) === undefined ? 0 : each.length),
      0,
    );
  const ranked = byUnit.toSorted((a, b) => reach(b[0]!) - reach(a[0]!) || b.length - a.length);
  return ranked[0]?.[0];
}

function seriesOf({ coding, raw, totalCount }: Draft): Series {
  const common = commonUnit(raw);
  const sorted = raw.flatMap(({ digits: given, unit, timeMs }): Measured[] => {
    const digits = convertDecimal(given, unit, common!.unit);
    if (digits === undefined || !Number.isFinite(Number(digits))) return [];
    return [{ value: Number(digits), digits, ...(timeMs === undefined ? {} : { timeMs }) }];
  });
  sorted.sort((a, b) => a.value - b.value);
  return { coding, totalCount, sorted, ...(common ? { unit: common.unit, label: common.label } : {}) };
}

/** The drafts so far, and what is left to read: members of panels. */
interface Collection {
  wanted: readonly Coding[];
  drafts: Draft[];
  /** Ids of observations that are counted, each once. */
  seen: Set<string>;
  /** Ids of members of panels. */
  members: Set<string>;
  /** Wanted codes that stand for what they hold. */
  panels: Set<Coding>;
}

function draftOf({ drafts }: Collection, coding: Coding): Draft {
  const known = drafts.find(({ coding: other }) => other.code === coding.code && other.system === coding.system);
  if (known) return known;
  const draft: Draft = { coding, raw: [], totalCount: 0 };
  drafts.push(draft);
  return draft;
}

/** The wanted code that this has. */
function wantedOf({ wanted }: Collection, holder: JsonObject): Coding | undefined {
  const codes = codingsOf(holder);
  return wanted.find((one) => codes.some((given) => isSame(one, given)));
}

const membersOf = (core: Core, observation: Resource): string[] =>
  objectsOf(observation.hasMember).flatMap(({ reference }) => {
    const parsed = typeof reference === 'string' ? parseReference(reference, core.baseUrl) : undefined;
    return parsed?.kind === 'local' && parsed.type === 'Observation' ? [parsed.id] : [];
  });

/** `whole`: all that the observation holds counts, since it belongs to a panel that is wanted. */
function add(core: Core, into: Collection, observation: Resource, whole: boolean): void {
  if (into.seen.has(observation.id!) || observation.status === 'entered-in-error') return;
  into.seen.add(observation.id!);
  const timeMs = timeOf(observation);
  const components = objectsOf(observation.component);
  const members = membersOf(core, observation);
  const wanted = wantedOf(into, observation);
  const isPanel = observation.valueQuantity === undefined && components.length + members.length > 0;
  const takesAll = isPanel && (wanted !== undefined || whole);
  if (isPanel && wanted) into.panels.add(wanted);
  const own = wanted ?? (whole ? codingsOf(observation)[0] : undefined);
  if (own && !isPanel) measure(draftOf(into, own), observation, timeMs);
  if (takesAll) for (const id of members) into.members.add(id);
  const { modifierExtension } = observation;
  for (const component of components) {
    const coding = wantedOf(into, component) ?? (takesAll ? codingsOf(component)[0] : undefined);
    const holder = modifierExtension === undefined ? component : { ...component, modifierExtension };
    if (coding) measure(draftOf(into, coding), holder, timeMs);
  }
}

/** The years 1 to 9999, as dates are written: near their ends a time zone leads beyond. */
const [FIRST_MS, LAST_MS] = [-62_135_596_800_000, 253_402_300_799_999];
const instant = (ms: number): string => new Date(Math.min(Math.max(ms, FIRST_MS), LAST_MS)).toISOString();

/** The search that finds them. */
export function pairsOf({ subject, codings, range }: SeriesRequest): [string, string][] {
  const codes = codings.map(({ system, code }) =>
    system === undefined ? escapeValue(code) : `${escapeValue(system)}|${escapeValue(code)}`,
  );
  return [
    ['subject', subject],
    ['combo-code', codes.join(',')],
    ['status:not', 'entered-in-error'],
    ...(range.lo === undefined ? [] : [['date', `ge${instant(range.lo)}`] as [string, string]]),
    ...(range.hi === undefined ? [] : [['date', `le${instant(range.hi)}`] as [string, string]]),
  ];
}

/** Calls `visit` with each page of what the request is about. */
async function eachPage(
  core: Core,
  scope: AccessScope,
  request: SeriesRequest,
  visit: (page: readonly StoredVersion[]) => void,
): Promise<void> {
  const pairs: [string, string][] = [...pairsOf(request), ['_count', String(core.limits.searchCountMax)]];
  let count = 0;
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const here: [string, string][] = cursor === '' ? pairs : [...pairs, ['_cursor', cursor]];
    const page = await search(core, parseQuery(core, 'Observation', here, true), { scope, db: core.store.db });
    count += page.resources.length;
    if (count > OBSERVATIONS_MAX) throw tooMany();
    visit(page.resources);
    cursor = page.nextCursor;
  }
}

const parse = ({ body }: StoredVersion): Resource => parseJson(body).exact as Resource;

/** When it was, at the earliest and the latest; undefined where that is not told. */
function effective({ effectiveDateTime, effectiveInstant, effectivePeriod }: Resource): DateRange | undefined {
  if (isObject(effectivePeriod)) {
    const { start, end } = effectivePeriod;
    const lo = parseDateRange(String(start ?? ''))?.lo ?? -Infinity;
    return { lo, hi: parseDateRange(String(end ?? ''))?.hi ?? Infinity };
  }
  return parseDateRange(String(effectiveDateTime ?? effectiveInstant ?? ''));
}

/** A panel may name what is somebody else's, of another time or withdrawn: that is not asked for. */
function isAsked(core: Core, member: Resource, { subject, range }: SeriesRequest): boolean {
  if (member.status === 'entered-in-error') return false;
  const { reference } = (member.subject ?? {}) as JsonObject;
  const parsed = typeof reference === 'string' ? parseReference(reference, core.baseUrl) : undefined;
  if (parsed && !(parsed.kind === 'local' && `${parsed.type}/${parsed.id}` === subject)) return false;
  const when = effective(member);
  return !when || (when.hi >= (range.lo ?? -Infinity) && when.lo <= (range.hi ?? Infinity));
}

/** Members that are asked for at once: together they may have any size, so a read may end before the last. */
const TOGETHER_MAX = 1000;

async function* membersIn(core: Core, scope: AccessScope, ids: readonly string[]): AsyncGenerator<StoredVersion[]> {
  for (let at = 0; at < ids.length; at += TOGETHER_MAX) {
    for (let left = ids.slice(at, at + TOGETHER_MAX); left.length > 0; ) {
      const read = await readSome(core.store.db, 'Observation', left, scope);
      yield read.found;
      left = read.left;
    }
  }
}

async function addMembers(
  core: Core,
  scope: AccessScope,
  into: Collection,
  request: SeriesRequest,
  onSource: (one: Resource) => void,
) {
  for (let left = [...into.members]; left.length > 0; left = [...into.members].filter((id) => !into.seen.has(id))) {
    if (into.seen.size + left.length > OBSERVATIONS_MAX) throw tooMany();
    for await (const found of membersIn(core, scope, left)) {
      for (const one of found.map(parse).filter((each) => isAsked(core, each, request))) {
        if (!into.seen.has(one.id!)) onSource(one);
        add(core, into, one, true);
      }
    }
    // Those that are not there are not asked for again.
    for (const id of left) into.seen.add(id);
  }
}

/** The measurements of each code, and some of the observations that they come from. Throws `too-costly`. */
export async function collect(
  core: Core,
  scope: AccessScope,
  request: SeriesRequest,
): Promise<{ series: Series[]; sources: Resource[] }> {
  const into: Collection = {
    ...{ wanted: request.codings, drafts: [] },
    ...{ seen: new Set<string>(), members: new Set<string>(), panels: new Set<Coding>() },
  };
  const sources: Resource[] = [];
  const onSource = (one: Resource) => void (sources.length < request.sourcesMax && sources.push(one));
  await eachPage(core, scope, request, (page) => {
    for (const one of page.map(parse)) {
      onSource(one);
      add(core, into, one, false);
    }
  });
  await addMembers(core, scope, into, request, onSource);
  for (const coding of request.codings) if (!into.panels.has(coding)) draftOf(into, coding);
  return { series: into.drafts.map(seriesOf), sources };
}
