/** REDIS_TTL_SECONDS: how long keys live; a bare number counts seconds, 0 is three times the interval. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('redisTtlMs', {
  variable: 'REDIS_TTL_SECONDS',
  fallback: 0,
  valid: [
    ['120', 120_000],
    ['0', 0],
    ['5m', 300_000],
    ['500ms', 500],
  ],
  invalid: [...NO_TIME],
});
