import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MemoryStorage } from './memory-storage.js'
import { SyncServer } from './sync-server.js'

/**
 * What real clients of 0.4 and the worker of 0.4 said to each other, replayed: our server is sent
 * the client's frames and has to answer what the worker answered, per connection and in order. Only
 * ids, times and the form of an interrupt's cause are our own.
 */
interface Transcript {
  readonly scenario: string
  readonly storeId: string
  readonly frames: readonly {
    readonly conn: string
    readonly dir: 'c>s' | 's>c'
    readonly frame: Frame
  }[]
}
type Frame = { readonly _tag: string; readonly [key: string]: unknown }

const { transcripts } = JSON.parse(
  readFileSync(new URL('./testdata/sync-cf-0.4.json', import.meta.url), 'utf8'),
) as { readonly transcripts: readonly Transcript[] }

/** With the server's own values named, so that two servers' frames compare. */
const normal = (frame: Frame): unknown => {
  const text = JSON.stringify(frame)
    .replace(/"createdAt":"[^"]+"/g, '"createdAt":"T"')
    .replace(/"(backendId|expected)":"[^"]+"/g, '"$1":"B"')
  const value = JSON.parse(text)
  if (text.includes('"_tag":"Interrupt"') && value.exit?._tag === 'Failure') {
    return { ...value, exit: 'interrupted' }
  }
  return value
}

/** As a client would: the id that the server gave takes the place of the recorded one. */
const withBackendId = (frame: Frame, backendId: string): string =>
  JSON.stringify(frame, (key, value) =>
    key === 'backendId' && typeof value === 'string' && value !== 'someone-else'
      ? backendId
      : key === 'backendId' && value?._tag === 'Some' && value.value !== 'someone-else'
        ? { _tag: 'Some', value: backendId }
        : value,
  )

/** The worker goes on to send to pulls that are finished, which clients ignore: we do not. */
const withoutFinished = (frames: readonly Frame[]): readonly Frame[] => {
  const finished = new Set<unknown>()
  return frames.filter(({ _tag, requestId }) => {
    if (_tag === 'Exit') finished.add(requestId)
    return _tag !== 'Chunk' || !finished.has(requestId)
  })
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve()
  await new Promise((resolve) => setImmediate(resolve))
}

describe('a recorded conversation of 0.4 goes the same way with this server:', () => {
  test.each(transcripts)('$scenario', async ({ storeId, frames }) => {
    const storage = new MemoryStorage()
    const server = new SyncServer({
      storage,
      hooks: {
        onPush: ({ batch }) => {
          if (batch.some(({ name }) => name === 'forbidden')) throw new Error('onPush rejected')
        },
      },
    })
    const { backendId } = await storage.head(storeId)
    const sent = new Map<string, unknown[]>()
    const connections = new Map<string, ReturnType<SyncServer['connect']>>()
    const connectionOf = async (name: string) => {
      const open = connections.get(name)
      if (open !== undefined) return open
      const received: unknown[] = []
      sent.set(name, received)
      const caller = { storeId, payload: undefined, headers: new Map<string, string>() }
      const link = {
        send: (text: string) => received.push(normal(JSON.parse(text))),
        close: () => received.push('closed'),
        pendingBytes: () => 0,
      }
      const connection = server.connect(link, caller, await server.admit(caller))
      connections.set(name, connection)
      return connection
    }
    for (const { conn, dir, frame } of frames) {
      if (dir === 's>c') continue
      const connection = await connectionOf(conn)
      if (frame._tag === '(the socket is cut)') connection.gone()
      else connection.receive(withBackendId(frame, backendId))
      await settle()
    }
    for (const [name, received] of sent) {
      const recorded = frames.filter(({ conn, dir }) => conn === name && dir === 's>c')
      const expected = withoutFinished(recorded.map(({ frame }) => frame))
      expect(received).toEqual(expected.map(normal))
    }
  })
})
