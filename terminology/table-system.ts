// A code system in the tables. What many ask at the same moment is one statement.
import { createGather, type Db, type Statement } from '#platform';
import {
  type About,
  aboutOf,
  type CodeSystem,
  type Coding,
  type Concept,
  type ConceptDetails,
  type ConceptName,
  type Described,
  type Designation,
  defined,
  type Property,
  type PropertyType,
  type Relation,
} from './code-system.ts';
import { tooManyCodes } from './refusals.ts';
import { foldCode } from './system-codes.ts';
import { systemStatement, type TableSystem, tableOf } from './tables.ts';

export interface ConceptLine {
  n: number;
  code: string;
  display: string | null;
  definition: string | null;
  status: string | null;
  abstract: boolean;
  inactive: boolean;
}

/** The columns of ConceptLine, of `c`. */
export const CONCEPT = 'c.n, c.code, c.display, c.definition, c.status, c.abstract, c.inactive';

export const conceptOf = (line: ConceptLine): Concept => ({
  n: line.n,
  code: line.code,
  abstract: line.abstract,
  inactive: line.inactive,
  ...(line.display !== null && { display: line.display }),
  ...(line.definition !== null && { definition: line.definition }),
  ...(line.status !== null && { status: line.status }),
});

/** language, use_system, use_code, use_display, value */
type DesignationLine = [string | null, string | null, string | null, string | null, string];
/** grp, type, code, value, system, display */
type PropertyLine = [number, PropertyType, string, string, string | null, string | null];
type NameLine = [string, string | null];

interface DetailsLine {
  n: number;
  designations: DesignationLine[] | null;
  properties: PropertyLine[] | null;
  parents: NameLine[] | null;
  children: NameLine[] | null;
}

const given = (value: string | null): string | undefined => value ?? undefined;

function designationOf([language, system, code, display, value]: DesignationLine): Designation {
  const use = system ?? code ?? display;
  const coding = defined<Coding>({ system: given(system), code: given(code), display: given(display) });
  return defined<Designation>({ language: given(language), use: use === null ? undefined : coding, value });
}

const propertyOf = ([group, type, code, value, system, display]: PropertyLine): Property =>
  defined<Property>({
    ...{ code, type, value },
    ...{ system: given(system), display: given(display), group: group === 0 ? undefined : group },
  });

const nameOf = ([code, display]: NameLine): ConceptName => ({ code, ...(display !== null && { display }) });

const detailsOf = (line: DetailsLine | undefined): ConceptDetails => ({
  designations: line?.designations?.map(designationOf) ?? [],
  properties: line?.properties?.map(propertyOf) ?? [],
  parents: line?.parents?.map(nameOf) ?? [],
  children: line?.children?.map(nameOf) ?? [],
});

const codeSql = ({ caseSensitive }: TableSystem): string => (caseSensitive ? 'c.code' : 'lower(c.code)');

const byCode = (system: TableSystem) =>
  systemStatement(
    system.cs,
    'by_code',
    () => `select ${CONCEPT} from ${tableOf('concept', system.cs)} c where ${codeSql(system)} = any($1::text[])`,
  );

/** By the codes that were asked for; where case makes no difference the same spelling goes before others. */
async function linesByCode<Line extends { code: string }>(
  db: Db,
  statement: Statement,
  { caseSensitive }: TableSystem,
  codes: string[],
): Promise<(Line | undefined)[]> {
  const wanted = caseSensitive ? codes : codes.map(foldCode);
  const lines = await db.query<Line>(statement, [[...new Set(wanted)]]);
  const exact = new Map(lines.map((line) => [line.code, line]));
  const folded = new Map(caseSensitive ? [] : lines.toReversed().map((line) => [foldCode(line.code), line]));
  return codes.map((code) => exact.get(code) ?? folded.get(foldCode(code)));
}

const designationsSql = (cs: number, of: string): string =>
  `(select json_agg(json_build_array(d.language, d.use_system, d.use_code, d.use_display, d.value) order by d.ctid)
    from ${tableOf('concept_designation', cs)} d where d.n = ${of}.n)`;

const designationsByNumber = ({ cs }: TableSystem) =>
  systemStatement(
    cs,
    'designations',
    () => `select q.n, ${designationsSql(cs, 'q')} as designations from unnest($1::int[]) q (n)`,
  );

/** Columns of a DetailsLine, where `l` is a row of concept_lineage. */
function detailsSql({ cs, designations }: TableSystem): string {
  const concept = tableOf('concept', cs);
  const name = 'json_agg(json_build_array(x.code, x.display) order by x.n)';
  return `${designations === 0 ? 'null' : designationsSql(cs, 'l')} as designations,
    (select json_agg(json_build_array(p.grp, p.type, p.code, p.value, p.system, p.display) order by p.ctid)
      from ${tableOf('concept_property', cs)} p where p.n = l.n) as properties,
    (select ${name} from ${concept} x where x.n = any(l.parents)) as parents,
    case when l.descendants > 0 then (select ${name} from ${tableOf('concept_child', cs)} e
      join ${concept} x on x.n = e.child where e.parent = l.n) end as children`;
}

const detailsByNumber = (system: TableSystem) =>
  systemStatement(
    system.cs,
    'details',
    () =>
      `select l.n, ${detailsSql(system)} from ${tableOf('concept_lineage', system.cs)} l where l.n = any($1::int[])`,
  );

const describedByCode = (system: TableSystem) =>
  systemStatement(
    system.cs,
    'described',
    () => `select ${CONCEPT}, ${detailsSql(system)} from ${tableOf('concept', system.cs)} c
      join ${tableOf('concept_lineage', system.cs)} l on l.n = c.n where ${codeSql(system)} = any($1::text[])`,
  );

const isAbove = (cs: number) =>
  systemStatement(
    cs,
    'is_above',
    () => `select exists (select from ${tableOf('concept_closure', cs)} x
      where x.ancestor = q.a and x.descendant = q.d) as above
      from unnest($1::int[], $2::int[]) with ordinality q (a, d, place) order by place`,
  );

const related = (cs: number, direction: 'above' | 'below') =>
  systemStatement(cs, direction, () =>
    direction === 'below'
      ? `select c.code from ${tableOf('concept_closure', cs)} x join ${tableOf('concept', cs)} c on c.n = x.descendant
          where x.ancestor = $1 limit $2`
      : `select c.code from ${tableOf('concept_lineage', cs)} l join ${tableOf('concept', cs)} c on c.n = any(l.ancestors)
          where l.n = $1 limit $2`,
  );

interface Asked<Of> {
  system: TableSystem;
  of: Of;
}

/** Two statements at a time keep PostgreSQL busy; each answers what has come meanwhile. */
const gather = <Of, Result>(run: (system: TableSystem, items: Of[]) => Promise<Result[]>) =>
  createGather<Asked<Of>, Result>({
    lanesMax: 2,
    itemsMax: 200,
    weigh: () => 1,
    weightMax: 200,
    key: ({ system }) => String(system.cs),
    run: (items) =>
      run(
        items[0]!.system,
        items.map(({ of }) => of),
      ),
  });

export type OpenTable = (table: TableSystem) => CodeSystem;

export function createTableReader(db: Db): OpenTable {
  const concept = gather<string, Concept | undefined>(async (system, codes) => {
    const lines = await linesByCode<ConceptLine>(db, byCode(system), system, codes);
    return lines.map((line) => line && conceptOf(line));
  });
  const described = gather<string, Described | undefined>(async (system, codes) => {
    const lines = await linesByCode<ConceptLine & DetailsLine>(db, describedByCode(system), system, codes);
    return lines.map((line) => line && { concept: conceptOf(line), details: detailsOf(line) });
  });
  const linesOf = async (statement: Statement, ns: number[]) => {
    const lines = await db.query<DetailsLine>(statement, [[...new Set(ns)]]);
    const found = new Map(lines.map((line) => [line.n, line]));
    return ns.map((n) => detailsOf(found.get(n)));
  };
  const details = gather<number, ConceptDetails>((system, ns) => linesOf(detailsByNumber(system), ns));
  const designations = gather<number, ConceptDetails>((system, ns) => linesOf(designationsByNumber(system), ns));
  const above = gather<[number, number], boolean>(async ({ cs }, pairs) => {
    const values = [pairs.map(([a]) => a), pairs.map(([, d]) => d)];
    return (await db.query<{ above: boolean }>(isAbove(cs), values)).map((line) => line.above);
  });
  return (system) => {
    const about: About = { ...aboutOf(system.about), caseSensitive: system.caseSensitive };
    return {
      about,
      table: system,
      concept: (code) => concept({ system, of: code }),
      described: (code) => described({ system, of: code }),
      details: ({ n }) => details({ system, of: n }),
      designations: async ({ n }) =>
        system.designations === 0 ? [] : (await designations({ system, of: n })).designations,
      async relation(a, b): Promise<Relation> {
        if (a.n === b.n) return 'equivalent';
        const [aAbove, bAbove] = await Promise.all([
          above({ system, of: [a.n, b.n] }),
          above({ system, of: [b.n, a.n] }),
        ]);
        if (aAbove) return 'subsumes';
        return bAbove ? 'subsumed-by' : 'not-subsumed';
      },
      async relatives(one, direction, codesMax) {
        const lines = await db.query<{ code: string }>(related(system.cs, direction), [one.n, codesMax]);
        if (lines.length >= codesMax) throw tooManyCodes(codesMax);
        return new Set([one.code, ...lines.map(({ code }) => code)]);
      },
    };
  };
}
