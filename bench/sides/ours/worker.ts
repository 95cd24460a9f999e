/** Our worker entry, as the app imports it. */

export { makeWorker } from 'livestore-wasm/worker'
