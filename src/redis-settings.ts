/** The settings of forwarding to Redis. */
import { duration, flag, host, integer, keyPrefix, line, redisUrl } from './setting-parsers.ts';
import type { Settings, SettingsTable } from './setting-row.ts';

/** Part of SETTINGS, by the name each has in code. */
export const REDIS_SETTINGS: Pick<SettingsTable, Extract<keyof Settings, `redis${string}`>> = {
  redisEnabled: {
    variable: 'REDIS_ENABLED',
    fallback: false,
    ...flag(),
    meaning: 'true: the metrics are also written to Redis; needs the package `redis`',
  },
  redisHost: {
    variable: 'REDIS_HOST',
    fallback: 'localhost',
    ...host('a host name or an IP address'),
    meaning: 'host of the Redis server',
  },
  redisPort: {
    variable: 'REDIS_PORT',
    fallback: 6379,
    ...integer(1, 65_535),
    meaning: 'port of the Redis server',
  },
  redisDb: {
    variable: 'REDIS_DB',
    fallback: 0,
    ...integer(0, 65_535),
    meaning: 'number of the database in the Redis server',
  },
  redisUsername: {
    variable: 'REDIS_USERNAME',
    fallback: '',
    ...line('a user name'),
    meaning: 'user to log in to Redis as',
  },
  redisPassword: {
    variable: 'REDIS_PASSWORD',
    fallback: '',
    ...line('a password in one line'),
    meaning: 'password to log in to Redis with; never shown',
    secret: true,
  },
  redisTls: {
    variable: 'REDIS_TLS',
    fallback: false,
    ifWrong: true,
    ...flag(),
    meaning: 'true: the connection to Redis is encrypted',
  },
  redisUrl: {
    variable: 'REDIS_URL',
    fallback: '',
    ...redisUrl(),
    meaning: 'all of the above in one; comes before them',
    secret: 'password-of-url',
  },
  redisKeyPrefix: {
    variable: 'REDIS_KEY_PREFIX',
    fallback: 'gunicorn',
    ...keyPrefix(),
    meaning: 'what the keys in Redis begin with',
  },
  redisTtlMs: {
    variable: 'REDIS_TTL_SECONDS',
    fallback: 0,
    ...duration('s', 0),
    meaning: 'how long keys in Redis live after the last write; 0: three times REDIS_FORWARD_INTERVAL',
  },
  redisForwardIntervalMs: {
    variable: 'REDIS_FORWARD_INTERVAL',
    fallback: 30_000,
    ...duration('s', 1000),
    meaning: 'time between two writes to Redis',
  },
};
