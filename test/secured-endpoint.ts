/** An endpoint with a web configuration in this process, over real sockets, for tests of who is let in. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { readSettings } from '../src/config.ts';
import { openEndpoint } from '../src/export/endpoint.ts';
import { createMetricsServer } from '../src/server/server.ts';
import { atEnd, type Owner } from './processes.ts';

/** A whole scrape in either of Prometheus' formats. */
export const BODY = 'answered 1\n# EOF\n';

/** The least that bcrypt can be made to cost: tests that ask for many passwords ask for these. */
export const CHEAP = 4;

/** @param cost - of bcrypt; @param prefix - which of its three names it has */
export function hashOf(password: string, cost = CHEAP, prefix = '$2y$'): string {
  return bcrypt.hashSync(password, cost).replace(/^\$2[aby]\$/, prefix);
}

/** The header of a user and a password. */
export function basic(user: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

export interface SecuredEndpoint {
  readonly url: string;
  readonly file: string;
  /** Writes the web configuration anew. */
  configure(config: object): void;
}

/**
 * Opens it in a directory, with `web.yml` there.
 *
 * @param config - JSON is YAML
 * @returns when it listens
 */
export async function openSecured(owner: Owner, directory: string, config: object): Promise<SecuredEndpoint> {
  const file = join(directory, 'web.yml');
  const configure = (next: object) => writeFileSync(file, JSON.stringify(next));
  configure(config);
  const { settings } = readSettings({
    PROMETHEUS_METRICS_PORT: '0',
    PROMETHEUS_BIND_ADDRESS: '127.0.0.1',
    GUNICORN_OTEL_WEB_CONFIG_FILE: file,
  });
  const url = await new Promise<string>((resolve) => {
    const endpoint = openEndpoint(
      {
        settings,
        createServer: (secured) =>
          createMetricsServer({
            scrape: async () => BODY,
            health: () => ({ status: 'ok', workers: 1, expectedWorkers: 1 }),
            ...secured,
          }),
      },
      resolve,
    );
    atEnd(owner, () => endpoint.stop());
  });
  return { url, file, configure };
}
