/** Where a group's processes meet. Nothing in here trusts what it finds: /tmp is everybody's. */
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { GunicornOtelError, messageOf } from '../errors.ts';
import { isAlive, ownMark, type ProcessMark, pidNamespace } from './process-mark.ts';

// Snapshots hold route patterns and error names: readable by their owner only.
const DIRECTORY_MODE = 0o700;
// <pid>-<start>-<pid namespace>: the process that owns the group; with the thread behind it when that is not the main one.
const GROUP_NAME = /^(\d+)-(\d+)-(\d+)(?:-\d+)?$/;
// <pid>-<start>-<thread>: the process or thread that writes the file.
// With `.new` behind it while it is laid out.
const SNAPSHOT_NAME = /^(\d+)-(\d+)-(\d+)\.snapshot(\.new)?$/;
// Beside the file of a thread that has ended while its process lives.
const ENDED_SUFFIX = '.ended';
// A group of another pid namespace (a container on the same volume) is left alone as long as somebody writes to it.
const FOREIGN_GROUP_AGE_MS = 60_000;

/** Name of the file in a group's directory that holds what the dead have left; that of a lasting worker id has the id behind it. */
export const TOTALS_FILE = 'totals';
const TOTALS_NAME = /^totals(?:-\w+)?$/;

const REMOVE_TRIES = 20;

/**
 * Makes the directory of a new group: in `base`, or where that cannot be used, in the temporary directory or in
 * shared memory.
 *
 * @returns its absolute path, owned by this user, mode 0700, and why `base` was passed over, if it was
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when none of the places can be written to
 */
export function createGroupDirectory(base: string): { path: string; problem?: string } {
  const { pid, processStart } = ownMark();
  const name = `${pid}-${processStart}-${pidNamespace()}${threadId === 0 ? '' : `-${threadId}`}`;
  const problems: string[] = [];
  for (const place of [base, ...fallbackPlaces()]) {
    try {
      const path = join(place, name);
      makeDirectory(place);
      assertTrusted(place);
      makeDirectory(path);
      assertOwnDirectory(path);
      return problems.length === 0 ? { path } : { path, problem: problems[0]! };
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  throw new GunicornOtelError('GUNICORN_OTEL_ERR_DIRECTORY', problems.join('; '));
}

/** Whether `path` is a group's directory that this user may join, its owner alive. @throws never */
export function isLiveGroup(path: string): boolean {
  try {
    assertOwnDirectory(path);
    const owner = groupOwner(path);
    return owner !== undefined && (owner.namespace !== pidNamespace() || isAlive(owner));
  } catch {
    return false;
  }
}

/** Deletes a group and everything in it. @throws never: what is left is found by the next sweep */
export function removeGroup(path: string): void {
  // More than once: the exporter thread may be writing into it at this very moment.
  for (let attempt = 0; attempt < REMOVE_TRIES && existsSync(path); attempt += 1) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Not empty any more: again.
    }
  }
}

/** Makes the directory of a group anew when somebody has deleted it under its living owner. @returns whether it is there */
export function restoreGroup(path: string): boolean {
  const owner = groupOwner(path);
  if (!owner || owner.namespace !== pidNamespace() || !isAlive(owner)) return false;
  try {
    makeDirectory(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Deletes the groups in `base` that nobody lives in any more: owner dead, members dead.
 *
 * @returns how many
 * @throws never
 */
export function sweepDeadGroups(base: string): number {
  let swept = 0;
  for (const name of list(base)) {
    const path = join(base, name);
    try {
      if (!GROUP_NAME.test(name) || !isDeadGroup(path)) continue;
      assertOwnDirectory(path);
      removeGroup(path);
      swept += 1;
    } catch {
      // Another user's, or swept by somebody else meanwhile: not ours to touch.
    }
  }
  return swept;
}

/** Name of the file in a group's directory that a process or thread writes. */
export function snapshotFile({ pid, processStart }: ProcessMark, threadId: number): string {
  return `${pid}-${processStart}-${threadId}.snapshot`;
}

/** A snapshot file, and whose it is. */
export interface SnapshotFile {
  readonly file: string;
  readonly mark: ProcessMark;
  readonly threadId: number;
  /** False while its first bytes, or those of its next layout, are being written. */
  readonly complete: boolean;
  /** A thread that its process has seen end. */
  readonly ended: boolean;
}

/** The snapshot files of a group. @throws never: a directory that is gone has none */
export function listSnapshots(path: string): SnapshotFile[] {
  const files = list(path);
  const ended = new Set(files.filter((file) => file.endsWith(ENDED_SUFFIX)));
  return files.flatMap((file) => {
    const match = SNAPSHOT_NAME.exec(file);
    if (!match) return [];
    const mark = { pid: Number(match[1]), processStart: Number(match[2]) };
    const complete = match[4] === undefined;
    return [{ file, mark, threadId: Number(match[3]), complete, ended: ended.has(`${file}${ENDED_SUFFIX}`) }];
  });
}

/** The files of a group that hold what the dead have left. @throws never: a directory that is gone has none */
export function listTotals(path: string): string[] {
  return list(path).filter((file) => TOTALS_NAME.test(file));
}

/** Says of a thread that it has ended; one that was terminated cannot say so itself. @throws system errors */
export function markEnded(path: string, mark: ProcessMark, threadId: number): void {
  writeFileSync(join(path, `${snapshotFile(mark, threadId)}${ENDED_SUFFIX}`), '', { mode: 0o600 });
}

/** Deletes a snapshot file and what was said of it. @throws system errors other than that it is gone */
export function deleteSnapshot(path: string, file: string): void {
  rmSync(join(path, file), { force: true });
  rmSync(join(path, `${file}${ENDED_SUFFIX}`), { force: true });
}

function isDeadGroup(path: string): boolean {
  const owner = groupOwner(path);
  if (!owner) return false;
  if (owner.namespace !== pidNamespace()) {
    const files = list(path).map((file) => lstatSync(join(path, file)).mtimeMs);
    return Math.max(lstatSync(path).mtimeMs, ...files) < Date.now() - FOREIGN_GROUP_AGE_MS;
  }
  return !isAlive(owner) && !listSnapshots(path).some(({ mark }) => isAlive(mark));
}

function groupOwner(path: string): (ProcessMark & { namespace: number }) | undefined {
  const match = GROUP_NAME.exec(basename(path));
  return match ? { pid: Number(match[1]), processStart: Number(match[2]), namespace: Number(match[3]) } : undefined;
}

// Level by level: mkdirSync's own `recursive` loops for ever where nothing can be made (below /proc, Node 20).
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: DIRECTORY_MODE });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeDirectory(dirname(path));
    mkdirSync(path, { mode: DIRECTORY_MODE });
  }
}

function assertOwnDirectory(path: string): void {
  const entry = lstatSync(path);
  if (entry.isDirectory() && (process.getuid === undefined || entry.uid === process.getuid())) return;
  throw new GunicornOtelError('GUNICORN_OTEL_ERR_DIRECTORY', `${path} is a link or another user's`);
}

// Whoever owns the base could swap a group in it for another directory.
function assertTrusted(base: string): void {
  const owners = [statSync(base).uid, lstatSync(base).uid];
  if (process.getuid === undefined || owners.every((uid) => uid === process.getuid?.() || uid === 0)) return;
  throw new GunicornOtelError('GUNICORN_OTEL_ERR_DIRECTORY', `${base} belongs to another user`);
}

function fallbackPlaces(): string[] {
  const name = `prometheus_multiproc-${process.getuid?.() ?? 'user'}`;
  return [join(tmpdir(), name), ...(process.platform === 'linux' ? [join('/dev/shm', name)] : [])];
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
