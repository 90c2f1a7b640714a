/** How a group is named where no living one is inherited: processes that give it the same name are one group. */
import { crc32 } from 'node:zlib';
import type { Settings } from './config.ts';
import { family } from './process-environment.ts';

// With what comes in front and behind, below the 255 bytes of a file's name.
const MAX_SLUG_LENGTH = 100;

/**
 * The name of the group's directory, by the first of: GUNICORN_OTEL_GROUP, the service's name, the name that PM2 knows the
 * app by, the family. But for the first, another port of the endpoint is another group: its owner wants to scrape both.
 *
 * @param env - read when measuring begins and not before: PM2 sets it after preloads have run
 */
export function groupName(
  { group, serviceName, resourceAttributes, metricsPort }: Settings,
  env: NodeJS.ProcessEnv,
): string {
  if (group) return `group-${slug(group)}`;
  const service = serviceName || resourceAttributes['service.name'];
  if (service) return `group-${slug(service)}@${metricsPort}`;
  if (env['pm_id'] && env['name']) return `group-pm2-${slug(env['name'])}@${metricsPort}`;
  return `${family()}-${metricsPort}`;
}

// Different names stay different: what is changed or cut is told by its checksum.
function slug(name: string): string {
  const safe = name.replaceAll(/[^\w.-]/g, '_').slice(0, MAX_SLUG_LENGTH);
  return safe === name ? name : `${safe}-${crc32(name).toString(16)}`;
}
