// What is said of a parameter whose value can't be taken.
import { CerebraError } from '#platform';

export const badParameter = (name: string, text: string): CerebraError =>
  new CerebraError('invalid-parameter', text, { expression: [name] });
