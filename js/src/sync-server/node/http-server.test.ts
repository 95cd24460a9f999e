import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { conformanceHooks } from '../test/hooks.js'
import { wireConformance } from '../test/wire-conformance.js'
import { serve } from './serve.js'

wireConformance('Node and memory', async () => {
  const server = await serve({ memory: true, port: 0, hooks: conformanceHooks })
  return { url: server.url, stop: () => server.close() }
})

wireConformance('Node and SQLite', async () => {
  const data = mkdtempSync(join(tmpdir(), 'livestore-serve-'))
  const server = await serve({ data, port: 0, hooks: conformanceHooks })
  return {
    url: server.url,
    async stop() {
      await server.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
})
