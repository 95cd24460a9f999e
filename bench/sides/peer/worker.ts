/** The peer's worker entry, as the app imports it. */

export { makeWorker } from '@livestore/adapter-web/worker'
