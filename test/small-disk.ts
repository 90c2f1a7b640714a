/** A disk of its own for a test, small enough to be filled up; only root may mount one. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd, type Owner } from './processes.ts';

export interface SmallDisk {
  readonly path: string;
  /** Leaves not a byte. */
  fill(): void;
  /** Gives back what fill() took. */
  free(): void;
}

/** Why there is none; undefined where there is one. */
export const noDisk: string | false = canMount() ? false : 'no right to mount a disk: run as root';

/** @param kilobytes - what fits on it */
export function smallDisk(owner: Owner, kilobytes: number): SmallDisk {
  const path = mount(kilobytes);
  atEnd(owner, () => unmount(path));
  const filler = join(path, 'filler');
  return {
    path,
    fill() {
      const file = openSync(filler, 'a');
      try {
        for (const size of [65_536, 4096, 1]) writeAllThatFits(file, size);
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
  };
}

function writeAllThatFits(file: number, size: number): void {
  try {
    while (writeSync(file, Buffer.alloc(size)) > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function mount(kilobytes: number): string {
  const path = mkdtempSync(join(tmpdir(), 'gunicorn-otel-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=0700`, 'tmpfs', path], { stdio: 'pipe' });
    return path;
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
}

// Lazily: a program of the test may still be ending.
function unmount(path: string): void {
  execFileSync('umount', ['-l', path]);
  rmdirSync(path);
}

function canMount(): boolean {
  try {
    unmount(mount(64));
    return true;
  } catch {
    return false;
  }
}
