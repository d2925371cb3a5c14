import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { aggregateMetrics, countsOf, createMetrics, observePool } from './metrics.ts';

describe('metrics', () => {
  it('yields the same metric for the same name', async () => {
    const metrics = createMetrics();
    metrics.counter('a_total', 'a', ['kind']).inc({ kind: 'x' });
    metrics.counter('a_total', 'a', ['kind']).inc({ kind: 'x' });
    assert.match(await metrics.registry.metrics(), /^a_total\{kind="x"\} 2$/m);
  });

  it('keeps registries apart', async () => {
    createMetrics().gauge('b', 'b').set(1);
    assert.equal(await createMetrics().registry.metrics(), '\n');
  });

  it('has buckets for seconds', async () => {
    const metrics = createMetrics();
    metrics.histogram('c_seconds', 'c').observe(0.02);
    const text = await metrics.registry.metrics();
    assert.match(text, /^c_seconds_bucket\{le="0\.01"\} 0$/m);
    assert.match(text, /^c_seconds_bucket\{le="0\.025"\} 1$/m);
  });

  it('reads observed values at each scrape and forgets labels that are gone', async () => {
    const metrics = createMetrics();
    let states = ['x', 'y'];
    metrics.observe('d', 'd', ['state'], async () => states.map((state) => [{ state }, state.length]));
    assert.match(await metrics.registry.metrics(), /state="x"/);
    states = ['y'];
    const text = await metrics.registry.metrics();
    assert.doesNotMatch(text, /state="x"/);
    assert.match(text, /^d\{state="y"\} 1$/m);
  });

  it('leaves out what fails or never answers, and shows the rest', async () => {
    const metrics = createMetrics();
    metrics.observe('failing', 'f', [], () => Promise.reject(new Error('away')));
    metrics.observe('silent', 's', [], () => new Promise(() => {}));
    metrics.observe('well', 'w', [], () => [[{}, 3]]);
    const text = await metrics.registry.metrics();
    assert.doesNotMatch(text, /^(failing|silent) /m);
    assert.match(text, /^well 3$/m);
  });

  it('shows the pool', async () => {
    const metrics = createMetrics();
    observePool(metrics, () => ({ total: 5, idle: 2, waiting: 7 }));
    const text = await metrics.registry.metrics();
    assert.match(text, /^cerebra_db_pool_connections\{state="used"\} 3$/m);
    assert.match(text, /^cerebra_db_pool_connections\{state="idle"\} 2$/m);
    assert.match(text, /^cerebra_db_pool_connections\{state="waiting"\} 7$/m);
  });

  it('keeps what processes had counted that have ended, and nothing of what they were', async () => {
    const snapshot = async (count: number) => {
      const metrics = createMetrics();
      metrics.counter('made', 'm', ['kind']).inc({ kind: 'a' }, count);
      metrics.histogram('took_seconds', 't', [], [1]).observe(count);
      metrics.gauge('open', 'o').set(count);
      return metrics.registry.getMetricsAsJSON();
    };
    const ended = await countsOf([await countsOf([[], await snapshot(1)]), await snapshot(2)]);
    const text = await aggregateMetrics([await snapshot(4), ended]);
    assert.match(text, /^made\{kind="a"\} 7$/m);
    assert.match(text, /^took_seconds_sum 7$/m);
    assert.match(text, /^took_seconds_count 3$/m);
    assert.match(text, /^took_seconds_bucket\{le="1"\} 1$/m);
    assert.match(text, /^open 4$/m);
  });

  it('collects the process', async () => {
    const metrics = createMetrics();
    metrics.collectProcess();
    assert.match(await metrics.registry.metrics(), /^process_resident_memory_bytes \d+$/m);
  });
});
