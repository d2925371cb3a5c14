// What the generators of this folder draw from.
import { random } from '#platform/testing';

export interface Chance {
  /** A whole number from 0 to below. */
  below(count: number): number;
  /** True once in so many times. */
  once(times: number): boolean;
  one<T>(values: readonly T[]): T;
  /** None to `max`. */
  some<T>(max: number, make: () => T): T[];
}

export function createChance(seed: number): Chance {
  const below = random(seed);
  return {
    below,
    once: (times) => below(times) === 0,
    one: (values) => values[below(values.length)]!,
    some: (max, make) => Array.from({ length: below(max + 1) }, make),
  };
}
