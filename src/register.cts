/** `node --require @x/gunicorn-otel/register`: the same as register.ts, loaded without a promise. */
(require('./preload.js') as typeof import('./preload.ts', { with: { 'resolution-mode': 'import' }})).preload();
