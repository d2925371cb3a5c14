// What a data type map is, as the third column of a mapping table names it.
import type { PartMap } from '../table/context.ts';

export interface DataType {
  /** Of the guide's data type maps: `CX[Identifier]`; empty where it is ours. */
  guide: readonly string[];
  /** FHIR's type that it yields. */
  yields: string;
  /** Of several components: as a component of a larger type these are its subcomponents. */
  composite?: true;
  /** Repetitions are lines of one text: all are read at once. */
  wholeField?: true;
  /** Part of what `""` clears: `[use=home]`. */
  clears?(args: readonly string[]): string;
  /** Throws SyntaxError for arguments that it does not know. */
  compile(args: readonly string[]): PartMap;
}

/** A type without arguments. */
export function plain(yields: string, guide: readonly string[], map: PartMap): DataType {
  return {
    guide,
    yields,
    compile(args) {
      if (args.length > 0) throw new SyntaxError(`no arguments, but "${args.join(' ')}"`);
      return map;
    },
  };
}

/** The same of a type of several components. */
export function composite(yields: string, guide: readonly string[], map: PartMap): DataType {
  return { ...plain(yields, guide, map), composite: true };
}

/** One of a few words, or none. Throws SyntaxError for another. */
export function oneOf<Word extends string>(args: readonly string[], words: readonly Word[]): Word | undefined {
  const [word, ...more] = args;
  if (word === undefined) return undefined;
  const known = words.find((candidate) => candidate === word);
  if (known === undefined || more.length > 0)
    throw new SyntaxError(`one of ${words.join(', ')}, not "${args.join(' ')}"`);
  return known;
}
