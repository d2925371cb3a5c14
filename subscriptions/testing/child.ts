// A server of its own for crash.test.ts, to be killed: `node child.ts <Connection as JSON>`.
import { createSearchParameters, createXmlCodec, loadDefinitions } from '#fhir-model';
import { type Connection, connectDb, createLog, createMetrics, systemClock } from '#platform';
import { createSubscriptions } from '../index.ts';
import { openTestStore } from './store.ts';

const log = createLog({ level: 'error', destination: { write: (line) => process.stderr.write(line) } });
const db = connectDb({ ...(JSON.parse(process.argv[2]!) as Connection), poolMax: 5, log });
const definitions = await loadDefinitions();
const { searchParameters, resourceTypes } = definitions;
const subscriptions = createSubscriptions({
  ...{ db, ...openTestStore(db), scope: { kind: 'everything' } as const },
  ...{
    parameters: createSearchParameters(searchParameters, resourceTypes),
    resourceTypes,
    xml: createXmlCodec(definitions),
  },
  ...{ log, metrics: createMetrics(), clock: systemClock, random: Math.random, egressAllow: ['loopback'] },
  limits: {
    ...{ pollMs: 5, dispatchLeaseMs: 150, deliveryLeaseMs: 150, timeoutMs: 5_000, batchChanges: 5 },
    ...{ backoffMsMin: 5, backoffMsMax: 20, attemptsMax: 1_000_000 },
  },
});
await subscriptions.start();
process.stdout.write('started\n');
