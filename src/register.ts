/** `node --import @x/gunicorn-otel/register`: acts on import, exports nothing. */
import { preload } from './preload.ts';

preload();
