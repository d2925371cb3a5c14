// What is wrong with a route that its schema cannot see.
import type { RouteProblem } from './read-route.ts';

export class CompileFault extends Error {
  readonly problem: RouteProblem;

  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.name = 'CompileFault';
    this.problem = { path, problem };
  }
}
