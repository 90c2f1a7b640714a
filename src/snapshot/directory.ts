/** The files in a group's directory: their names, whose they are, what is said beside them. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessMark } from './process-mark.ts';

// <pid>-<start>[-<pid namespace>]-<thread>[_<run>]: the process or thread that writes the file.
// With `.new` behind it while it is laid out.
const SNAPSHOT_NAME = /^(\d+)-(\d+)-(?:(\d+)-)?(\d+)(?:_\d+)?\.snapshot(\.new)?$/;
// Beside the file of one that has ended while nobody could see it: a thread, or the last process to leave a group.
const ENDED_SUFFIX = '.ended';

/** Name of the file in a group's directory that holds what the dead have left; that of a lasting worker id has the id behind it. */
export const TOTALS_FILE = 'totals';

/** Who writes a snapshot file. */
export interface FileOwner {
  readonly mark: ProcessMark;
  /** 0: the main thread. */
  readonly threadId: number;
  /** How often it has begun to measure before, and ended; not there: never. */
  readonly run?: number;
}

/** Name of the file in a group's directory that a process or thread writes. @param run - see FileOwner */
export function snapshotFile({ pid, processStart, namespace }: ProcessMark, threadId: number, run = 0): string {
  const parts = [pid, processStart, ...(namespace === undefined ? [] : [namespace]), threadId];
  return `${parts.join('-')}${run === 0 ? '' : `_${run}`}.snapshot`;
}

/** A snapshot file, and whose it is. */
export interface SnapshotFile {
  readonly file: string;
  readonly mark: ProcessMark;
  readonly threadId: number;
  /** False while its first bytes, or those of its next layout, are being written. */
  readonly complete: boolean;
  /** Said to have ended: a thread by its process, a process by itself. */
  readonly ended: boolean;
}

/** The snapshot files of a group. @throws never: a directory that is gone has none */
export function listSnapshots(path: string): SnapshotFile[] {
  const files = list(path);
  const ended = new Set(files.filter((file) => file.endsWith(ENDED_SUFFIX)));
  return files.flatMap((file) => {
    const match = SNAPSHOT_NAME.exec(file);
    if (!match) return [];
    const [, pid, processStart, namespace, threadId, layout] = match;
    const mark = {
      pid: Number(pid),
      processStart: Number(processStart),
      ...(namespace !== undefined && { namespace: Number(namespace) }),
    };
    const isEnded = ended.has(`${file}${ENDED_SUFFIX}`);
    return [{ file, mark, threadId: Number(threadId), complete: layout === undefined, ended: isEnded }];
  });
}

/** Says of a thread or process that it has ended; a thread that was terminated cannot say so itself. @throws system errors */
export function markEnded(path: string, mark: ProcessMark, threadId: number, run = 0): void {
  writeFileSync(join(path, `${snapshotFile(mark, threadId, run)}${ENDED_SUFFIX}`), '', { mode: 0o600 });
}

/** Whether markEnded was called for it and its file is not folded yet. @throws never */
export function isMarkedEnded(path: string, mark: ProcessMark, threadId: number): boolean {
  return existsSync(join(path, `${snapshotFile(mark, threadId)}${ENDED_SUFFIX}`));
}

/**
 * Deletes a snapshot file, the next layout that a terminated thread has left unfinished, and what was said of it.
 *
 * @throws system errors other than that it is gone
 */
export function deleteSnapshot(path: string, file: string): void {
  rmSync(join(path, file), { force: true });
  rmSync(join(path, `${file}.new`), { force: true });
  rmSync(join(path, `${file}${ENDED_SUFFIX}`), { force: true });
}

/** The names in a directory. @throws never: one that is gone has none */
export function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
