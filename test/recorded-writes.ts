/** The writes that a test's own process makes to files. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { TestContext } from 'node:test';
import { atEnd } from './processes.ts';

type Write = (file: number, bytes: Uint8Array, from: number, length: number, at: number) => number;

/** @returns how many bytes each write from now on was asked to take, until the test ends */
export function recordWrites(t: TestContext): number[] {
  const writes: number[] = [];
  const write = fs.writeSync as Write;
  t.mock.method(fs, 'writeSync', (...args: Parameters<Write>) => {
    writes.push(args[3]);
    return write(...args);
  });
  // ES modules see a changed builtin only then.
  syncBuiltinESMExports();
  atEnd(t, () => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return writes;
}
