/** Holds src/top/live.ts: how often it looks, whatever is typed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../src/top/live.ts';
import type { Look } from '../src/top/look.ts';
import type { Screen, ScreenListeners } from '../src/top/screen.ts';
import { firstView } from '../src/top/view.ts';
import { until } from './processes.ts';
import { aStatus } from './status-server.ts';

test('pausing and going on while a look is under way begins no second one beside it', async () => {
  const answers: ((look: Look) => void)[] = [];
  let listeners: ScreenListeners | undefined;
  const over = live({
    first: aStatus(),
    url: 'http://127.0.0.1:9090',
    view: firstView(undefined),
    intervalMs: 1,
    look: () => new Promise((resolve) => answers.push(resolve)),
    open(its) {
      listeners = its;
      return { size: { columns: 80, rows: 24 }, draw() {}, close() {}, suspend() {} } as unknown as Screen;
    },
  });
  for (let looks = 1; looks <= 3; looks += 1) {
    await until(() => answers.length === looks, `look ${looks}`);
    for (let i = 0; i < 3; i += 1) {
      listeners!.onInput('  ');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(answers.length, looks);
    answers.at(-1)!({ status: aStatus(), document: {} });
  }
  listeners!.onInput('q');
  await over;
});
