/**
 * The files that totals are kept in: their names, and the copy that each of them has. Both are on the disk before the first
 * takes its place.
 */
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOTALS_FILE } from '../snapshot/directory.ts';
import { foreign, type Snapshot } from '../snapshot/layout.ts';
import { SnapshotReader } from '../snapshot/reader.ts';

const COPY_SUFFIX = '.copy';
const TOTALS_NAME = /^(totals(?:-\w+)?)(?:\.copy)?$/;
// What says nothing about a file, and is over in a moment: no handle, no memory.
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR']);

/** What there is of some totals. */
export interface Found {
  /** The newest first. */
  readonly whole: readonly Snapshot[];
  readonly damaged: readonly { readonly path: string; readonly error: unknown }[];
}

/** Name of the file that what a member has left goes into, or that such totals are in. */
export function fileOf({ identity }: Snapshot): string {
  return identity.lasting ? `${TOTALS_FILE}-${identity.workerId.replaceAll(/\W/g, '_')}` : TOTALS_FILE;
}

/** Names of all there are. @throws system errors when that cannot be seen for the moment */
export function totalsIn(directory: string): string[] {
  try {
    return [...new Set(readdirSync(directory).flatMap((file) => TOTALS_NAME.exec(file)?.[1] ?? []))];
  } catch (error) {
    if (isPassing(error)) throw error;
    return [];
  }
}

/** Of one name the file and its copy. */
export function pathsOf(directory: string, name: string): string[] {
  return [join(directory, name), join(directory, `${name}${COPY_SUFFIX}`)];
}

/** Reads both. @throws system errors when one cannot be read for the moment */
export function readTotals(directory: string, name: string): Found {
  const whole: Snapshot[] = [];
  const damaged: { path: string; error: unknown }[] = [];
  for (const path of pathsOf(directory, name)) {
    try {
      whole.push(readOne(path, name));
    } catch (error) {
      if (isPassing(error)) throw error;
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') damaged.push({ path, error });
    }
  }
  return { whole: whole.sort((a, b) => b.sequence - a.sequence), damaged };
}

/** For people, and out of the way of the next ones: of each there is one at the most. @throws never */
export function setAside(path: string): void {
  try {
    renameSync(path, `${path}.unreadable`);
  } catch {
    // It stays where it is, until new totals take its place.
  }
}

/** Puts both in their places: where there is no room for two, nothing has changed. @throws system errors */
export function writeTotals(directory: string, name: string, bytes: Buffer): void {
  const paths = pathsOf(directory, name);
  try {
    for (const path of paths) writeFileSync(`${path}.new`, bytes, { mode: 0o600 });
  } catch (error) {
    for (const path of paths) tryDelete(`${path}.new`);
    throw error;
  }
  for (const path of paths) renameSync(`${path}.new`, path);
}

function readOne(path: string, name: string): Snapshot {
  const snapshot = new SnapshotReader(path).read();
  if (snapshot.identity.role === 'totals' && fileOf(snapshot) === name) return snapshot;
  throw foreign('it holds the totals of somebody else');
}

function isPassing(error: unknown): boolean {
  return PASSING.has((error as NodeJS.ErrnoException).code ?? '');
}

function tryDelete(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A directory, say, which was in the way; it is told as the reason.
  }
}
