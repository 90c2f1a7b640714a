/** Holds src/lost-directory.ts: what is said of a directory that is gone, and when it comes back. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LostDirectory } from '../src/lost-directory.ts';
import { formatMark } from '../src/snapshot/process-mark.ts';
import { freshDirectory } from './processes.ts';
import { deadMark } from './sleepers.ts';

const GONE = Object.assign(new Error('gone'), { code: 'ENOENT' });

test('a directory that cannot be made again is told, as one that can', (t) => {
  const base = freshDirectory(t);
  writeFileSync(join(base, 'file'), '');
  for (const directory of [join(base, 'file', 'group-shop'), join(base, 'group-shop')]) {
    const told: Error[] = [];
    const lost = new LostDirectory({ directory, leads: () => false, onLost: (error) => told.push(error) });
    assert.ok(lost.explains(GONE));
    lost.restore();
    assert.deepEqual(told, [], 'its owner may be about to end');
    lost.restore(true);
    assert.deepEqual(told, [GONE]);
    assert.equal(lost.explains(undefined), false, 'that it is there again is worth a word as well');
  }
  assert.ok(existsSync(join(base, 'group-shop')));
});

test('one whose owner has ended is not missed, but by who leads', async (t) => {
  const directory = join(freshDirectory(t), formatMark(await deadMark(t)));
  let leads = false;
  const told: Error[] = [];
  const lost = new LostDirectory({ directory, leads: () => leads, onLost: (error) => told.push(error) });
  lost.explains(GONE);
  lost.restore(true);
  assert.deepEqual([told.length, existsSync(directory)], [0, false]);
  assert.ok(lost.explains(undefined), 'nobody was told that it was gone');
  leads = true;
  lost.explains(GONE);
  lost.restore(true);
  assert.deepEqual([told.length, existsSync(directory)], [1, true]);
});
