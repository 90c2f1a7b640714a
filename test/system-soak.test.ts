/** A short soak; `npm run soak` is the same for five minutes, and judges what long-lived processes hold, too. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { report } from './soak/outcome.ts';
import { soak } from './soak/run.ts';

test('whatever is done to a fleet, no scrape fails, nothing that only grows falls, and nothing is left of the dead', async (t) => {
  const seed = Number(process.env['SOAK_SEED'] ?? Date.now() % 2 ** 32);
  const outcome = await soak(t, { seconds: 20, seed });
  t.diagnostic(report(outcome));
  assert.deepEqual(outcome.violations, [], `SOAK_SEED=${seed}`);
  assert.ok(outcome.durationsMs.length > 0 && outcome.requests.answered > 0 && outcome.history.length > 0);
});
