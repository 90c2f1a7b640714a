/** The examples as a user has them: in a folder of their own, with what their package.json names installed and nothing else. */
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freshDirectory, type Owner, ROOT } from './processes.ts';

/** @returns the folder of the example, which is gone when its owner is over */
export function installExample(owner: Owner, name: string): string {
  const home = join(freshDirectory(owner), name);
  cpSync(join(ROOT, 'examples', name), home, { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const dependency of Object.keys(dependencies)) {
    const place = join(home, 'node_modules', dependency);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(dependency === '@x/gunicorn-otel' ? ROOT : join(ROOT, 'node_modules', dependency), place);
  }
  return home;
}
