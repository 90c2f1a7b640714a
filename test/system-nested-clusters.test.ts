/** Clusters below clusters are one group: each worker has an id of its own, and who only forks is no worker. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { select, sum } from './exposition.ts';
import { fixture, start, until } from './processes.ts';

for (const ids of ['unique', 'slot']) {
  test(`the workers of two primaries in one group have ${ids} ids of their own`, async (t) => {
    const app = start(t, [fixture('clusters-in-a-cluster.mjs')], { env: { GUNICORN_OTEL_WORKER_ID: ids } });
    const samples = await until(async () => {
      const scraped = await app.scrape();
      return sum(scraped, 'gunicorn_worker_requests_total') === 2 && scraped;
    }, 'a request in each worker');
    const workers = select(samples, 'gunicorn_worker_state').map(({ labels }) => labels['worker_id']!);
    assert.equal(new Set(workers).size, 2);
    const forms = ids === 'slot' ? [/^worker_1$/, /^worker_\d+-1_\d+$/] : [/^worker_1_\d+$/, /^worker_\d+-1_\d+$/];
    for (const form of forms) assert.equal(workers.filter((id) => form.test(id)).length, 1, `${form} of ${workers}`);
    for (const worker_id of workers) assert.equal(sum(samples, 'gunicorn_worker_requests_total', { worker_id }), 1);
  });
}
