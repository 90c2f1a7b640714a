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
 * @returns stop
 */
export function accompany(
  emitter: EventEmitter,
  listeners: Readonly<Record<string, Listener>>,
  harmless: ReadonlySet<string> = new Set(),
): () => void {
  const ours = new Map(Object.entries(listeners).map(([event, listener]) => [event, companion(event, listener)]));
  /** Events whose listeners are being called. */
  const running = new Set<string>();
  let stopped = false;

  // The event comes before the listener is there: the one that is added counts already.
  const onNew = (event: string, added: unknown) => {
    if (ours.has(event) && !isCompanion(added)) adjust(event, 1);
  };
  // removeAllListeners() goes through a list by position: what is left of it must stay where it is until it is done.
  const onRemove = (event: string, removed: unknown) => {
    if (!ours.has(event)) return;
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
    for (const event of ours.keys()) step(event, false);
  };

  function companion(event: string, listener: Listener): Listener {
    const companion: Listener = (...args) => {
      if (!harmless.has(event)) {
        running.add(event);
        step(event, false);
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
    step(event, room && (theirs > 0 || harmless.has(event)));
  }

  function step(event: string, here: boolean): void {
    if (here === isHere(event)) return;
    const listener = ours.get(event)! as () => void;
    if (here) emitter.prependListener(event, listener);
    else emitter.off(event, listener);
  }

  function isHere(event: string): boolean {
    return emitter.listeners(event).includes(ours.get(event) as () => void);
  }
}

function isCompanion(listener: unknown): boolean {
  return (listener as { [COMPANION]?: boolean })[COMPANION] === true;
}
