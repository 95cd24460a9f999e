/**
 * The leader worker of this app: it keeps the eventlog and the tables in OPFS, and syncs with other
 * browsers if the build is told of a sync server, as `npm start` does.
 */

import { makeWsSync } from 'livestore-wasm/sync-cf/client'
import { makeWorker } from 'livestore-wasm/worker'
import { schema } from './schema.js'

const url = import.meta.env.VITE_SYNC_URL as string | undefined

makeWorker({ schema, sync: url ? { backend: makeWsSync({ url }) } : undefined })
