/** The peer's web adapter and its shared worker, as the app imports them. */

export { makePersistedAdapter } from '@livestore/adapter-web'
export { default as SharedWorkerClass } from '@livestore/adapter-web/shared-worker?sharedworker'
