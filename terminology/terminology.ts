// The terminology service as other rooms see it: https://hl7.org/fhir/R4/terminology-service.html
import type { Canonicals, OperationSpec, ResourceReader, Terminology } from '#fhir-model';
import { type Clock, type Db, uuidv7 } from '#platform';
import type { CodeSystemParts } from './asking.ts';
import { batchOf } from './batch-validate.ts';
import { describeService } from './capabilities.ts';
import { closureOperation } from './closure.ts';
import { expandOperation } from './expand.ts';
import { findMatchesOperation } from './find-matches.ts';
import { lookupOperation } from './lookup.ts';
import { createRemoteClient, type RemoteOptions } from './remote-client.ts';
import { createRemote } from './remote-system.ts';
import { subsumesOperation } from './subsumes.ts';
import { type CodeSystems, createCodeSystems } from './systems.ts';
import { createTerminologyPort } from './terminology-port.ts';
import { translateOperation } from './translate.ts';
import { validateCodeOperation } from './validate-code.ts';
import { bindingOf } from './value-set-context.ts';
import type { ValueSetParts } from './value-set-input.ts';
import { withRegexBudget } from './value-set-regex.ts';
import { valueSetValidateOperation } from './value-set-validate.ts';
import { createValueSets } from './value-sets.ts';

export interface TerminologyParts {
  db: Db;
  clock: Clock;
  canonicals: Canonicals;
  reader: ResourceReader;
  /** Another terminology server, which is asked for what is not known here. */
  remote?: RemoteOptions | undefined;
}

export interface TerminologyService {
  /** For searches and bindings. */
  port: Terminology;
  operations: OperationSpec[];
  systems: CodeSystems;
}

export function createTerminology(parts: TerminologyParts): TerminologyService {
  const { db, clock, canonicals, reader } = parts;
  const remote = parts.remote && createRemote(createRemoteClient(parts.remote));
  const systems = createCodeSystems({ db, canonicals, remote });
  const valueSets = createValueSets({ canonicals, systems });
  const systemParts: CodeSystemParts = { systems, reader };
  const setParts: ValueSetParts = {
    db,
    valueSets,
    reader,
    now: clock.now,
    newId: () => uuidv7(clock.now()),
    bindingOf: (context) => bindingOf(canonicals, context),
    remote,
  };
  const port = createTerminologyPort({ systems, valueSets, reader, remote });
  const validateCode = validateCodeOperation(systemParts);
  const validateMember = valueSetValidateOperation(setParts);
  const operations = [
    lookupOperation(systemParts),
    validateCode,
    batchOf(validateCode, 'CodeSystem-batch-validate-code'),
    subsumesOperation(systemParts),
    findMatchesOperation({ ...systemParts, db }),
    closureOperation({ ...systemParts, db, clock }),
    expandOperation(setParts),
    validateMember,
    batchOf(validateMember, 'ValueSet-batch-validate-code'),
    translateOperation({ canonicals, systems, reader }),
  ];
  return {
    port: {
      ...port,
      valueSet: (...asked) => withRegexBudget(() => port.valueSet(...asked)),
      validateCodes: (...asked) => withRegexBudget(() => port.validateCodes(...asked)),
      describe: () => describeService(systems, operations),
    },
    systems,
    operations: operations.map((each) => ({ ...each, run: (request) => withRegexBudget(() => each.run(request)) })),
  };
}
