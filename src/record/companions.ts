/**
 * Listeners that keep an app's own company. The rule: adding a listener changes what many events do by default, so one of
 * ours is there only while the app has one for the same event; and while listeners run, ours is not among them, because
 * packages decide by counting them what is still to be done.
 */
import type { EventEmitter } from 'node:events';

type Listener = (...args: never[]) => void;

// For every copy of this package: two of them would each take the other's for the app's, and answer it for ever.
const COMPANION = Symbol.for('@x/gunicorn-otel.companion');

/**
 * Begins to keep company.
 *
 * @param listeners - by event; each is called before the app's own and must not throw
 * @param harmless - events for which a listener changes nothing: ours is always there
 * @param steady - events whose listeners nobody counts while they run: ours stays among them, for those that come often
 * @returns stop
 */
export function accompany(
  emitter: EventEmitter,
  listeners: Readonly<Record<string, Listener>>,
  harmless: ReadonlySet<string> = new Set(),
  steady: ReadonlySet<string> = harmless,
): () => void {
  const ours = new Map(Object.entries(listeners).map(([event, listener]) => [event, companion(event, listener)]));
  /** Events whose listeners run: whatever is added or removed meanwhile, ours stays away until they are through. */
  const running = new Set<string>();
  let moving = false;
  let stopped = false;

  // The event comes before the listener is there: the one that is added counts already.
  const onNew = (event: string, added: unknown) => {
    if (moving || !ours.has(event)) return;
    if (!isCompanion(added)) adjust(event, 1);
    // Who puts back what listeners() gave adds ours too, and who prepends comes before ours: both are looked at when done.
    process.nextTick(() => adjust(event));
  };
  // removeAllListeners() goes through a list by position: what is left of it must stay where it is until it is done.
  const onRemove = (event: string, removed: unknown) => {
    if (moving || !ours.has(event)) return;
    if (isCompanion(removed) || emitter.listenerCount(event) > 1) process.nextTick(adjust, event);
    else adjust(event);
  };

  emitter.on('newListener', onNew);
  emitter.on('removeListener', onRemove);
  for (const event of ours.keys()) adjust(event);
  return () => {
    stopped = true;
    emitter.off('newListener', onNew);
    emitter.off('removeListener', onRemove);
    for (const event of ours.keys()) place(event, false);
  };

  function companion(event: string, listener: Listener): Listener {
    const companion: Listener = (...args) => {
      // More than one of it: the app has put it back itself.
      if (running.has(event)) return;
      if (!steady.has(event) && !harmless.has(event)) {
        place(event, false);
        running.add(event);
        process.nextTick(() => {
          running.delete(event);
          adjust(event);
        });
      }
      listener(...args);
    };
    return Object.assign(companion, { [COMPANION]: true });
  }

  function adjust(event: string, coming = 0): void {
    if (stopped || running.has(event)) return;
    const here = emitter.listeners(event);
    const theirs = here.filter((listener) => !isCompanion(listener)).length + coming;
    // One too many makes Node warn of a leak, which the app could see.
    const others = here.filter((listener) => listener !== ours.get(event)).length + coming;
    const room = emitter.getMaxListeners() === 0 || others < emitter.getMaxListeners();
    place(event, room && (theirs > 0 || harmless.has(event)));
  }

  /** Ours once and before all of the app's, or not at all. */
  function place(event: string, wanted: boolean): void {
    const listener = ours.get(event)! as () => void;
    const here = emitter.listeners(event);
    const count = here.filter((one) => one === listener).length;
    const first = here.findIndex((one) => !isCompanion(one));
    const inFront = first === -1 || here.indexOf(listener) < first;
    if (wanted ? count === 1 && inFront : count === 0) return;
    moving = true;
    try {
      for (let i = 0; i < count; i += 1) emitter.off(event, listener);
      if (wanted) emitter.prependListener(event, listener);
    } finally {
      moving = false;
    }
  }
}

function isCompanion(listener: unknown): boolean {
  return (listener as { [COMPANION]?: boolean })[COMPANION] === true;
}
