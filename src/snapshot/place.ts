/** Where groups can be, and the making of a group's directory there. Nothing in here trusts what it finds: /tmp is everybody's. */
import { existsSync, lstatSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { GunicornOtelError } from '../errors.ts';

// Snapshots hold route patterns and error names: readable by their owner only.
const DIRECTORY_MODE = 0o700;
// To a directory that nobody else can write to, the sticky bit says nothing: nobody but us sets it.
const GROUP_MODE = 0o1700;
const OPEN_TRIES = 10;
// What says nothing about a directory, and is over some day: no room, no handle, no memory.
const PASSING = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** Name of the file in a group's directory that is there only while somebody tries whether files can be made. */
export const TRIAL_FILE = 'gunicorn-otel-trial';

/** Makes a place for groups, if it is not there. @throws when it cannot be made, or its owner could swap what is in it */
export function openPlace(base: string): void {
  makeDirectory(base);
  assertTrusted(base);
}

/**
 * Makes the directory of a group, or joins it when it is there.
 *
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when it is a link or another user's; system errors when it cannot be made or written to
 */
export function openGroupDirectory(path: string): void {
  for (let tries = 1; ; tries += 1) {
    try {
      makeDirectory(path, GROUP_MODE);
      assertOwnDirectory(path);
      assertWritable(path);
      return;
    } catch (error) {
      // Somebody takes away what the dead have left there.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === OPEN_TRIES) throw error;
    }
  }
}

/** Makes the directory of a group that is not there. @throws system errors, but for one: others were faster */
export function makeGroupDirectory(path: string): void {
  makeDirectory(path, GROUP_MODE);
}

/** Whether `path` is a directory that was made for a group, if the file system keeps what says so. @throws never */
export function isMadeForGroup(path: string): boolean {
  try {
    const entry = lstatSync(path);
    return entry.isDirectory() && (entry.mode & 0o1777) === GROUP_MODE;
  } catch {
    return false;
  }
}

/** @throws GUNICORN_OTEL_ERR_DIRECTORY when it is a link or another user's; system errors when it is not there */
export function assertOwnDirectory(path: string): void {
  const entry = lstatSync(path);
  if (entry.isDirectory() && (process.getuid === undefined || entry.uid === process.getuid())) return;
  throw new GunicornOtelError('GUNICORN_OTEL_ERR_DIRECTORY', `${path} is a link or another user's`);
}

/** Where groups go when the place that was told cannot be used, the best first. */
export function fallbackPlaces(): string[] {
  const name = `prometheus_multiproc-${process.getuid?.() ?? 'user'}`;
  return [join(tmpdir(), name), ...(process.platform === 'linux' ? [join('/dev/shm', name)] : [])];
}

// Level by level: mkdirSync's own `recursive` loops for ever where nothing can be made (below /proc, Node 20).
function makeDirectory(path: string, mode = DIRECTORY_MODE): void {
  if (!existsSync(dirname(path))) makeDirectory(dirname(path));
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Of those who come at the same time, one is first.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

// Whoever owns the base could swap a group in it for another directory.
function assertTrusted(base: string): void {
  const owners = [statSync(base).uid, lstatSync(base).uid];
  if (process.getuid === undefined || owners.every((uid) => uid === process.getuid?.() || uid === 0)) return;
  throw new GunicornOtelError('GUNICORN_OTEL_ERR_DIRECTORY', `${base} belongs to another user`);
}

// Tried and not asked for: access(2) does not know of every mount and attribute.
function assertWritable(path: string): void {
  const trial = join(path, TRIAL_FILE);
  try {
    writeFileSync(trial, '', { mode: 0o600 });
  } catch (error) {
    if (!PASSING.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  rmSync(trial, { force: true });
}
