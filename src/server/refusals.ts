/** Why the endpoint has not answered somebody, in words that are label values: a closed set, whatever clients do. */

/** Each is counted from the start on. */
export const REFUSALS = [
  /** A connection that was not being answered gave way to a newer one. */
  'evicted',
  /** A new connection: all that there may be were being answered. */
  'connections',
  /** A request: as many as there may be were waiting for their answers already. */
  'busy',
  /** An answer that was not taken in time was cut. */
  'slow',
  /** A request that was sent before the one in front of it was answered. */
  'pipelined',
  /** No HTTP, no TLS, an oversized head, or one that came too late. */
  'malformed',
  /** A request: nobody knows who asks, or he may not. */
  'unauthorized',
  /** A request: there were too many in this time. */
  'rate',
] as const;

export type Refusal = (typeof REFUSALS)[number];

/** How often each was, from 0 on. */
export function countRefusals(): { readonly counts: ReadonlyMap<string, number>; count(reason: Refusal): void } {
  const counts = new Map<string, number>(REFUSALS.map((reason) => [reason, 0]));
  return { counts, count: (reason) => void counts.set(reason, counts.get(reason)! + 1) };
}
