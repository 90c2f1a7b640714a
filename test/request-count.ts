/** The question of most system tests: have exactly so many requests been counted, and is none left under way? */
import assert from 'node:assert/strict';
import { type Sample, select, sum } from './exposition.ts';
import { type Running, until } from './processes.ts';

/** The count of the group, which never falls; its sum over all labels is every request that was ever counted. */
export const COUNT = 'http_server_request_duration_seconds_count';
const FAMILIES_THAT_COUNT = [
  COUNT,
  'http_server_request_body_size_bytes_count',
  'http_server_response_body_size_bytes_count',
  'gunicorn_worker_requests_total',
  'gunicorn_worker_request_duration_seconds_count',
  'gunicorn_worker_request_size_bytes_count',
  'gunicorn_worker_response_size_bytes_count',
];

/**
 * Waits until that many requests are counted and none is under way.
 *
 * @returns the scrape that said so
 * @throws AssertionError when it does not come to pass, or when any family has counted more
 */
export async function settled(running: Pick<Running, 'scrape'>, count: number): Promise<Sample[]> {
  let samples: Sample[] = [];
  await until(
    async () => {
      samples = await running.scrape();
      return sum(samples, COUNT) >= count && active(samples) === 0;
    },
    () => `${count} counted; counted ${sum(samples, COUNT)}, active ${active(samples)}`,
  );
  for (const family of FAMILIES_THAT_COUNT) assert.equal(sum(samples, family), count, family);
  return samples;
}

/** Requests under way; a method that is below zero is not made up for by another above. */
export function active(samples: Sample[]): number {
  return select(samples, 'http_server_active_requests').reduce((total, { value }) => total + Math.abs(value), 0);
}

/** The labels of a request that was answered. */
export function answered(method: string, route: string, status: string): Record<string, string> {
  const error_type = status.startsWith('5') ? status : '';
  return { http_request_method: method, http_route: route, http_response_status_code: status, error_type };
}

/** The bytes of a request without a body, to be sent on a raw connection. */
export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`;
}
