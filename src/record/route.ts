/** From a request's path to its endpoint: few different values, whatever clients send. */

/** Endpoint of requests that no route of the app matched. */
export const UNMATCHED = 'unmatched';
/** Endpoint of what comes after the cap. */
export const OTHER = 'other';

// A segment that names one thing among many: a number, a UUID, a long hexadecimal or mixed token.
const ID_SEGMENT = /^(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{8,}|[\w-]{16,})$/i;
const HAS_DIGIT = /\d/;
const SCHEME_AND_HOST = /^[a-z][\w+.-]*:\/\/[^/]*/i;
const MAX_SEGMENTS = 12;
const MAX_LENGTH = 200;

/**
 * The path with the segments that look like ids replaced by `:id`.
 *
 * @param path - a request target without its query; an absolute one (to a proxy) loses scheme and host
 * @returns at most 200 characters
 */
export function endpointOf(path: string): string {
  const own = path.startsWith('/') ? path : path.replace(SCHEME_AND_HOST, '') || '/';
  const segments = own.split('/');
  if (own.length > MAX_LENGTH || segments.length > MAX_SEGMENTS) return OTHER;
  const endpoint = segments.map((segment) => (isId(segment) ? ':id' : segment)).join('/');
  return endpoint.length > MAX_LENGTH ? OTHER : endpoint;
}

// Words of letters a to f alone ("deadbeef", "facade") stay: an id has a digit somewhere.
function isId(segment: string): boolean {
  return HAS_DIGIT.test(segment) && ID_SEGMENT.test(segment);
}
