/** Our client and our server in one program: every case that backends pass. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { MakeSyncBackend } from '../src/sync/backend.js'
import { makeHttpSync, makeWsSync } from '../src/sync-cf/client/index.js'
import { type RunningServer, serve } from '../src/sync-server/node/serve.js'
import { syncBackendCases } from '../src/testing/conformance.js'

let server: RunningServer
beforeAll(async () => {
  server = await serve({ memory: true, port: 0 })
})
afterAll(() => server.close())

const ws: MakeSyncBackend = (args) =>
  makeWsSync({
    url: server.url,
    webSocketFactory: (url) => new WebSocket(url) as never,
  })(args)
const http: MakeSyncBackend = (args) =>
  makeHttpSync({ url: server.url, livePull: { pollInterval: 20 } })(args)

describe.each([
  ['over a WebSocket', ws],
  ['over HTTP', http],
])('our client and our server, %s', (_, make) => {
  for (const { name, run } of syncBackendCases(make)) {
    test(name, async () => {
      await expect(run()).resolves.toBeUndefined()
    })
  }
})
