/** Calls of node:fs that fail as on a disk, or in a process, that has run out of something. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { TestContext } from 'node:test';

/** @returns what ends it, before the test is over */
export function failing(t: TestContext, call: 'rmSync' | 'openSync' | 'readdirSync', code: string): () => void {
  t.mock.method(fs, call, () => {
    throw Object.assign(new Error(`${code}: not now`), { code });
  });
  const restore = () => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  };
  t.after(restore);
  // ES modules see a changed builtin only then.
  syncBuiltinESMExports();
  return restore;
}
