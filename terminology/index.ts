// The way into terminology/: code systems, value sets, concept maps, their operations and loaders.
export type { LoadFault } from './load/faults.ts';
export { formats } from './load/formats.ts';
export {
  type LoadedSystem,
  loadTerminology,
  type Stored,
  type TerminologyLoadOptions,
  type TerminologyProgress,
  type TerminologySummary,
} from './load/load.ts';
export { clearUp } from './system-tables.ts';
export { createTerminology, type TerminologyParts, type TerminologyService } from './terminology.ts';
export type { WrittenSystem } from './write-hierarchy.ts';
export {
  type ConceptRow,
  type DesignationRow,
  type NewSystem,
  type PropertyRow,
  type SystemWriter,
  writeSystem,
} from './write-system.ts';
