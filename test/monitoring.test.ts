// A running server offers every metric that the dashboard and the alerts ask for.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { startTestServer } from './server.ts';

const folder = path.join(import.meta.dirname, '../deploy');
const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');

/** Metrics asked for, histograms by their base name. `up` is Prometheus's own. */
function metricsIn(expressions: string): Set<string> {
  const found = expressions.matchAll(/\b((?:cerebra|process|nodejs)_\w+)/g);
  return new Set([...found].map((match) => match[1]!.replace(/_(bucket|count|sum)$/, '')));
}

test('every metric of dashboard and alerts is offered', async (t) => {
  const server = await startTestServer();
  t.after(() => server.stop());
  await fetch(`${server.fhirBaseUrl}/metadata`);
  const text = await (await fetch(`${server.rootUrl}/metrics`)).text();
  const offered = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map((match) => match[1]!));
  const dashboard = JSON.parse(read('grafana/dashboards/cerebra.json')) as {
    panels: { targets: { expr: string }[] }[];
  };
  const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n');
  const missing = [...metricsIn(`${expressions}\n${read('prometheus/alerts.yml')}`)].filter(
    (name) => !offered.has(name),
  );
  assert.deepEqual(missing, []);
});
