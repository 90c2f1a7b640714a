/** This package's package.json. */
import { readFileSync } from 'node:fs';

/** What we read of it. */
interface Manifest {
  readonly version: string;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

let manifest: Manifest | undefined;

/** Read when it is first asked for: an app may have been joined with what it uses of this package. @throws system errors */
export function ownManifest(): Manifest {
  manifest ??= JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Manifest;
  return manifest;
}
