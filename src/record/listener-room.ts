/**
 * Room for our listeners on what is the app's. Node warns of a leak when an event has more than ten: the app's tenth must
 * not be the one too many because of ours.
 */
import type { EventEmitter } from 'node:events';

/**
 * Raises the limit for as long as the app takes to add a listener that would be the first above it.
 *
 * @param events - on each of which one listener is ours
 * @returns stop
 */
export function makeRoom(emitter: EventEmitter, events: readonly string[]): () => void {
  const onNew = (event: string) => {
    const max = emitter.getMaxListeners();
    if (max === 0 || !events.includes(event) || emitter.listenerCount(event) !== max) return;
    emitter.setMaxListeners(max + 1);
    process.nextTick(() => {
      if (emitter.getMaxListeners() === max + 1) emitter.setMaxListeners(max);
    });
  };
  emitter.on('newListener', onNew);
  return () => {
    emitter.off('newListener', onNew);
  };
}
