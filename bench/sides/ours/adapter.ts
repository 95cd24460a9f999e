/** Our web adapter and its shared worker, as the app imports them. */

export { makePersistedAdapter } from 'livestore-wasm/adapter-web'
export { default as SharedWorkerClass } from 'livestore-wasm/shared-worker?sharedworker'
