/** This package's package.json. */
import { readFileSync } from 'node:fs';

/** What we read of it. */
export interface Manifest {
  readonly version: string;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** @throws system errors, where it has been deleted */
export function readManifest(): Manifest {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Manifest;
}
