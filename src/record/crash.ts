/** Sees uncaught errors without preventing what they do: what ends the process is what failed its last requests. */
import { setImmediate } from 'node:timers';
import { errorTypeOf } from './error-type.ts';

/**
 * Begins to watch.
 *
 * @param onError - told of each, before anybody deals with it; must not throw
 */
export function watchCrashes(onError: (error: unknown) => void): {
  /** Of the error by which the process is ending; undefined when it ends otherwise. */
  errorType(): string | undefined;
  stop(): void;
} {
  let errorType: string | undefined;
  const onUncaught = (error: unknown) => {
    onError(error);
    errorType = errorTypeOf(error);
    // An error that the app survives is not what it ends by, one day.
    setImmediate(() => {
      errorType = undefined;
    }).unref();
  };
  process.on('uncaughtExceptionMonitor', onUncaught);
  return {
    errorType: () => errorType,
    stop() {
      process.off('uncaughtExceptionMonitor', onUncaught);
    },
  };
}
