/** An app does not notice that its threads are watched: not on them, not on its process, not by when that ends. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fixture, type Preload, start } from './processes.ts';

const PROGRAM = [fixture('looks-at-its-thread.mjs')];

for (const OWN of ['serves', 'has lost our variables']) {
  test(`a program whose thread ${OWN} sees and says the same with us as without, and ends with its thread`, async (t) => {
    const run = async (preload: Preload) => {
      const running = start(t, PROGRAM, { preload, env: OWN === 'serves' ? {} : { OWN } });
      const { code, signal } = await running.ended();
      return { code, signal, stdout: running.output.stdout, warnings: running.output.stderr.match(/^.*warn.*$/gim) };
    };
    const plain = await run('none');
    assert.match(plain.stdout, /^later.*^exit 0.*^over 0$/ms);
    for (const preload of ['--import', '--require', 'NODE_OPTIONS=--import'] as const) {
      assert.deepEqual(await run(preload), plain, preload);
    }
  });
}
