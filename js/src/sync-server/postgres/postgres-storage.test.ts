import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serve } from '../node/serve.js'
import { conformanceHooks } from '../test/hooks.js'
import { startPostgres, type TestPostgres } from '../test/postgres.js'
import { eventsFrom, storageConformance } from '../test/storage-conformance.js'
import { WireClient, wireEvents } from '../test/wire-client.js'
import { wireConformance } from '../test/wire-conformance.js'
import { PostgresStorage } from './postgres-storage.js'

let postgres: TestPostgres
let databases = 0
const newDatabase = (): string => {
  databases += 1
  return postgres.createDatabase(`test_${databases}`)
}
beforeAll(async () => {
  postgres = await startPostgres()
}, 60_000)
afterAll(() => postgres?.stop())

storageConformance('PostgreSQL', async () => {
  const url = newDatabase()
  let storage = await PostgresStorage.open(url)
  return {
    storage,
    async reopen() {
      await storage.close()
      storage = await PostgresStorage.open(url)
      return storage
    },
    another: () => PostgresStorage.open(url),
    end: () => storage.close(),
  }
})

wireConformance('Node and PostgreSQL', async () => {
  const server = await serve({ postgres: newDatabase(), port: 0, hooks: conformanceHooks })
  return { url: server.url, stop: () => server.close() }
})

describe('servers that share a database', { timeout: 60_000 }, () => {
  test('set it up together, and once', async () => {
    const url = newDatabase()
    const all = await Promise.all([1, 2, 3, 4].map(() => PostgresStorage.open(url)))
    const heads = await Promise.all(all.map((storage) => storage.head('s')))
    expect(new Set(heads.map(({ backendId }) => backendId)).size).toBe(1)
    await Promise.all(all.map((storage) => storage.close()))
  })

  test('bring the pushes to one of them to the live pulls of the others', async () => {
    const url = newDatabase()
    const one = await serve({ postgres: url, port: 0 })
    const two = await serve({ postgres: url, port: 0 })
    const a = await WireClient.open(one.url, 's')
    const b = await WireClient.open(two.url, 's')
    const live = b.live()
    await live.next()
    await a.push(wireEvents(1, 3))
    expect((await live.next()).batch).toHaveLength(3)
    // B knows of the head by now; a push on an old parent is refused by either.
    expect((await b.push(wireEvents(1, 1)))?._tag).toBe('Failure')
    expect((await b.push(wireEvents(4, 1)))?._tag).toBe('Success')
    expect((await a.pullAll()).map(({ seqNum }) => seqNum)).toEqual([1, 2, 3, 4])
    await Promise.all([a.close(), b.close()])
    await Promise.all([one.close(), two.close()])
  })

  test('go on after the database went down: nothing is lost, live pulls catch up', async () => {
    const url = newDatabase()
    const one = await serve({ postgres: url, port: 0 })
    const storage = await PostgresStorage.open(url)
    const client = await WireClient.open(one.url, 's')
    const live = client.live()
    await live.next()
    await client.push(wireEvents(1, 10))
    expect((await live.next()).batch).toHaveLength(10)
    await postgres.kill()
    const refused = await client.push(wireEvents(11, 1))
    expect(refused).toMatchObject({ _tag: 'Failure', cause: { error: { _tag: 'UnknownError' } } })
    await expect(storage.head('s')).rejects.toThrow()
    expect((await fetch(`${one.url}/health`)).status).toBe(503)
    await postgres.start()
    const health = async () => (await fetch(`${one.url}/health`)).status
    await expect.poll(health, { timeout: 30_000 }).toBe(200)
    // By another server, perhaps before this one listens again.
    expect(await storage.append('s', 10, eventsFrom(11, 5))).toEqual({ taken: true })
    expect((await live.next()).batch).toHaveLength(5)
    expect((await client.push(wireEvents(16, 1)))?._tag).toBe('Success')
    await client.close()
    await storage.close()
    await one.close()
  })
})
