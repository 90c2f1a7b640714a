/** Who a group is beyond its machine: a name that no other group in the world has, told to every receiver. */
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { namesakeOf } from '../snapshot/group.ts';

export interface Instance {
  readonly service: string;
  /** `<host>-<group>-<start>`: one per life of a group, whoever leads it. */
  readonly id: string;
  readonly host: string;
  /** Of the process that leads the group. */
  readonly pid: number;
  /** When the group began, in unix ms. */
  readonly startMs: number;
}

/**
 * @param resource - its service.name names the service where `serviceName` does not
 * @param directory - of the group: named by people, or after a process, which its pid stands for
 * @param startMs - when the group began; the same for an exporter that was started again, or has taken over
 */
export function instanceOf(resource: Resource, directory: string, startMs: number, serviceName?: string): Instance {
  const host = hostname();
  const { pid } = process;
  const service = serviceName || String(resource.attributes['service.name'] ?? 'unknown_service');
  return { service, id: `${host}-${namesakeOf(directory)?.pid ?? basename(directory)}-${startMs}`, host, pid, startMs };
}

/** The resource of pushes. What the user has set about it wins. */
export function pushedResource({ service, id, host, pid }: Instance, resource: Resource): Resource {
  const own = { 'service.instance.id': id, 'host.name': host, 'process.pid': pid };
  return resourceFromAttributes(own)
    .merge(resource)
    .merge(resourceFromAttributes({ 'service.name': service }));
}
