/** `node --import @x/gunicorn-otel/register`: acts on import, exports nothing. */
import { preload } from './preload.ts';

// Node 22.0 to 22.11 cannot require() an ES module, so nothing can be loaded later there; drop this with them.
preload(
  process.features.require_module
    ? undefined
    : {
        signs: await import('./signs.ts'),
        threads: await import('./started-threads.ts'),
        start: await import('./start.ts'),
      },
);
