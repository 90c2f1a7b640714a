/** When a counter of this package was counted up, for people who ask when it was: one event per count, in a ring. */

/**
 * What the numbers of such an event tell: which series of the counter, by where its cell lies in the same snapshot, and
 * when (see monotonic.ts). So an event names what it is of without a word, and a ring needs no room for ever.
 */
export const COUNT_FIELDS = ['series', 'atMonotonicMs'] as const;

/** Of one counter a process keeps so many; the oldest gives way. */
export const MAX_COUNT_EVENTS = 100;
