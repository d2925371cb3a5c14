// A server of its own for faults.test.ts, to be killed: `node child.ts <Connection as JSON> <URL of the pager> <poll ms>`.
import { type Connection, connectDb, createEgress, createLog, createMetrics } from '#platform';
import { openTestStore } from '../../testing/store.ts';
import { createEscalation } from '../escalation.ts';

const [, , connection = '', url = ''] = process.argv;
const log = createLog({ level: 'silent' });
const db = connectDb({ ...(JSON.parse(connection) as Connection), poolMax: 5, log });
const { reader, writer } = openTestStore(db);
const escalation = createEscalation({
  ...{ db, reader, writer, scope: { kind: 'everything' }, log, metrics: createMetrics(), random: Math.random },
  ...{ egress: createEgress(['loopback']), timeZone: 'UTC', baseUrl: 'https://cerebra.example.org/fhir/R4' },
  endpoints: [{ name: 'pager', template: 'pagerduty', url, routingKey: 'k'.repeat(32) }],
  // A lease ends so soon after a kill: what was under way is taken up by the next server.
  limits: { pollMs: 5, timeoutMs: 100, stepLeaseMs: 150, backoffMsMin: 5, backoffMsMax: 20 },
  alone: true,
});
await escalation.start();
process.stdout.write('started\n');
