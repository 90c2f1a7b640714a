/** REDIS_FORWARD_INTERVAL: the time between two writes to Redis; a bare number counts seconds. */
import { holdSetting, NO_TIME } from './setting-cases.ts';

holdSetting('redisForwardIntervalMs', {
  variable: 'REDIS_FORWARD_INTERVAL',
  fallback: 30_000,
  valid: [
    ['60', 60_000],
    ['1', 1000],
    ['1500ms', 1500],
    ['2m', 120_000],
  ],
  invalid: [...NO_TIME, '0', '999ms'],
});
