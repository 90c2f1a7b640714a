/** The variables of ours that are no settings: what a process tells those below it. */

/** Which group they belong to: the absolute path of its directory. Set by a process that measures. */
export const GROUP_VARIABLE = 'GUNICORN_OTEL_GROUP_DIRECTORY';
/** After whom they name a group where nobody above them measures: the mark of the topmost process that is preloaded. */
export const FAMILY_VARIABLE = 'GUNICORN_OTEL_FAMILY';
