/** The one variable of ours that is no setting. */

/** Tells a child process which group it belongs to: the absolute path of its directory. */
export const GROUP_VARIABLE = 'GUNICORN_OTEL_GROUP_DIRECTORY';
