// Parameters that say what others of their type say together: `Observation.patient` is `subject` where it is a Patient,
// `combo-code` is `code` and `component-code`. The store indexes the others alone: of R4's parameters on a vital sign
// that saves a quarter of the reference rows, half of the quantity rows and a third of the tokens.
import type { SameAs, SearchParam } from './types.ts';

interface Part {
  path: string;
  targetType?: string;
}

const RESOLVES = /^(.*?)\.where\(resolve\(\) is ([A-Za-z]+)\)$/;

/** `(Observation.value as Quantity)` and `Observation.value.as(Quantity)` are one path. */
function partOf(text: string): Part {
  let path = text.trim();
  while (path.startsWith('(') && path.endsWith(')')) path = path.slice(1, -1).trim();
  const resolves = RESOLVES.exec(path);
  if (resolves) return { path: resolves[1]!, targetType: resolves[2]! };
  return { path: path.replace(/ as ([A-Za-z]+)$/, '.as($1)').replace(/\.ofType\(/, '.as(') };
}

export const splitUnion = (expression: string): string[] => expression.split('|');

interface Candidate {
  param: SearchParam;
  parts: Part[];
  paths: Set<string>;
}

function candidateOf(param: SearchParam): Candidate {
  const parts = splitUnion(param.expression).map(partOf);
  return { param, parts, paths: new Set(parts.map((part) => part.path)) };
}

const isPlain = ({ parts }: Candidate): boolean => parts.every((part) => part.targetType === undefined);

/** The sources that together have exactly the candidate's paths; undefined when there are none. */
function sourcesOf(candidate: Candidate, sources: Candidate[]): SameAs[] | undefined {
  const { param, paths, parts } = candidate;
  const targets = new Set(parts.map((part) => part.targetType));
  if (targets.size > 1) return undefined;
  const inside = sources.filter(
    (other) =>
      other.param.type === param.type &&
      other.param.codeSystem === param.codeSystem &&
      [...other.paths].every((path) => paths.has(path)),
  );
  const covered = new Set(inside.flatMap((other) => [...other.paths]));
  if (covered.size !== paths.size) return undefined;
  const [targetType] = targets;
  return inside.map((other) => ({ param: other.param, ...(targetType === undefined ? {} : { targetType }) }));
}

/** Sets `sameAs` on the parameters of one resource type where others say the same. */
export function findSame(params: readonly SearchParam[]): void {
  const candidates = params
    .filter(({ type, code }) => type !== 'composite' && type !== 'special' && !code.startsWith('_'))
    .map(candidateOf)
    .sort((a, b) => Number(isPlain(b)) - Number(isPlain(a)) || a.paths.size - b.paths.size);
  const sources: Candidate[] = [];
  for (const candidate of candidates) {
    const same = sourcesOf(candidate, sources);
    if (same) (candidate.param as { sameAs?: readonly SameAs[] }).sameAs = same;
    else if (isPlain(candidate)) sources.push(candidate);
  }
}
