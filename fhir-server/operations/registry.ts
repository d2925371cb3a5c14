// All operations of this room. Routes, OperationDefinitions and the CapabilityStatement are derived from this list.
import type { OperationSpec } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { convertOperation } from './convert.ts';
import { docrefOperation } from './docref.ts';
import { documentOperation } from './document.ts';
import { everythingOperations } from './everything.ts';
import { expungeOperation } from './expunge.ts';
import { graphqlOperation } from './graphql.ts';
import { indexStatusOperation } from './index-status.ts';
import { lastnOperation } from './lastn.ts';
import { loadPackageOperation } from './load-package.ts';
import { matchOperation } from './match.ts';
import { memberMatchOperation } from './member-match.ts';
import { mergeOperation } from './merge.ts';
import { metaOperations } from './meta.ts';
import type { OperationParts } from './parts.ts';
import { reindexOperations } from './reindex.ts';
import { snapshotOperation } from './snapshot.ts';
import { statsOperation } from './stats.ts';
import { validateOperation } from './validate.ts';

export const createOperations = (core: Core, parts: OperationParts): OperationSpec[] => [
  ...metaOperations(core),
  ...everythingOperations(core),
  lastnOperation(core),
  statsOperation(core),
  documentOperation(core),
  docrefOperation(core),
  convertOperation(),
  graphqlOperation(core, parts),
  matchOperation(core),
  mergeOperation(core, parts),
  memberMatchOperation(core),
  expungeOperation(core, parts),
  ...reindexOperations(core, parts),
  indexStatusOperation(core),
  loadPackageOperation(core, parts),
  validateOperation(core),
  snapshotOperation(core),
];
