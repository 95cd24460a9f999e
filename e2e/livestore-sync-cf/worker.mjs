/** LiveStore's sync server with nothing changed. */

import { makeDurableObject, makeWorker } from '@livestore/sync-cf/cf-worker'

export class SyncBackend extends makeDurableObject({}) {}

// A worker's entry is its default export.
// biome-ignore lint/style/noDefaultExport: Cloudflare asks for it
export default makeWorker({ syncBackendBinding: 'SYNC_BACKEND', enableCORS: true })
