/** A directory of its own for one test: nothing that a test writes outlives it or meets what another one writes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a test hands in to be told of its end; node:test's context has it. */
export interface Ending {
  after(fn: () => void): void;
}

/** @returns an absolute path; the directory is deleted when the test has ended */
export function temporaryDirectory(test: Ending): string {
  const path = mkdtempSync(join(tmpdir(), 'gunicorn-otel-test-'));
  test.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
