// The profiles of what is loaded: those that resources claim, and those that their types must conform to. docs/validation.md
import type { Definitions } from '#fhir-model';
import { createOnWrite, type OnWrite } from '../validation/on-write.ts';
import type { Policy } from '../validation/policy.ts';
import { createResourceValidator, type ProfileSource } from '../validation/validate.ts';
import type { Checks } from './read-resource.ts';
import { faultOf, type Piece } from './records.ts';
import type { Asks } from './types.ts';

/** Definitions that a thread remembers, those that are not there among them; a file may claim any number. */
const DEFINITIONS_MAX = 10_000;

/** What is stored doesn't change for a thread while it loads. */
function remembered(ask: Asks['definition']): ProfileSource {
  const known = new Map<string, ReturnType<Asks['definition']>>();
  return {
    find(type, canonical) {
      const key = `${type} ${canonical}`;
      const found = known.get(key) ?? ask({ type, canonical });
      if (known.size >= DEFINITIONS_MAX) known.clear();
      known.set(key, found);
      return found;
    },
  };
}

/** `asks` are answered by the process that loads. */
export function createProfileChecks(definitions: Definitions, policy: Policy, asks: Asks): OnWrite {
  const profiles = remembered(asks.definition);
  const validator = createResourceValidator({ definitions, profiles, validateCodes: asks.codes });
  return createOnWrite({ policy, validator, profiles, onRecorded: () => undefined });
}

async function checked(onWrite: OnWrite, piece: Piece): Promise<Piece> {
  const { item, ...rest } = piece;
  const check = item && onWrite.check(item.resource);
  if (item === undefined || check === undefined) return piece;
  try {
    return { ...rest, item: { ...item, resource: await check } };
  } catch (error) {
    return { ...rest, fault: faultOf(item.place, error) };
  }
}

/** The pieces, a fault in the place of each that does not conform. */
export async function withProfiles({ onWrite }: Pick<Checks, 'onWrite'>, pieces: Piece[]): Promise<Piece[]> {
  if (onWrite === undefined || !pieces.some(({ item }) => item && onWrite.concerns(item.resource))) return pieces;
  const found: Piece[] = [];
  for (const piece of pieces) found.push(await checked(onWrite, piece));
  return found;
}
