/** Backends written as effects, of both majors, as the leader uses them. */

import * as Cause3 from 'effect/Cause'
import * as Effect3 from 'effect/Effect'
import * as Option3 from 'effect/Option'
import * as Stream3 from 'effect/Stream'
import * as Cause4 from 'effect4/Cause'
import * as Effect4 from 'effect4/Effect'
import * as Option4 from 'effect4/Option'
import * as Stream4 from 'effect4/Stream'
import { describe, expect, test } from 'vitest'
import type { PullPage, SyncBackend, SyncedEvent } from '../sync/backend.js'
import { syncBackendCases } from '../testing/conformance.js'
import { makeMockSyncBackend } from '../testing/mock-backend.js'
import { syncBackendFromEffect } from './index.js'
import { type EffectModules, syncBackendOf } from './sync-backend.js'

const majors = [
  { major: 3, Effect: Effect3, Stream: Stream3, Option: Option3, Cause: Cause3 },
  { major: 4, Effect: Effect4, Stream: Stream4, Option: Option4, Cause: Cause4 },
]
const args = { storeId: 's', clientId: 'c', payload: undefined }
const never = new AbortController().signal
const event: SyncedEvent = {
  name: 'e',
  args: {},
  seqNum: 1,
  parentSeqNum: 0,
  clientId: 'c',
  sessionId: 's',
}

describe.each(majors)('effect $major', ({ Effect: AnEffect, Stream: AStream, Option, Cause }) => {
  // The two majors have types of their own; what is called here is the same in both.
  const Effect = AnEffect as unknown as typeof Effect3
  const Stream = AStream as unknown as typeof Stream3
  const from = syncBackendOf({ Effect, Stream, Option, Cause } as unknown as EffectModules)

  /** LiveStore's form of a backend of promises. */
  const asEffects = (backend: SyncBackend) => ({
    connect: Effect.tryPromise({
      try: async () => backend.connect?.(),
      catch: (error) => error,
    }),
    ping: Effect.tryPromise({ try: async () => backend.ping?.(), catch: (error) => error }),
    push: (batch: readonly SyncedEvent[]) =>
      Effect.tryPromise({
        try: async (signal) => backend.push(batch, { backendId: undefined, signal }),
        catch: (error) => error,
      }),
    pull: (
      cursor: Option3.Option<{ eventSequenceNumber: number }>,
      { live }: { live: boolean },
    ) => {
      const at = Option.getOrUndefined(cursor as never) as
        | { eventSequenceNumber: number }
        | undefined
      const pages = backend.pull(at && { ...at, metadata: undefined }, {
        live,
        backendId: undefined,
        signal: never,
      })
      return Stream.fromAsyncIterable(pages, (error) => error).pipe(
        Stream.map((page: PullPage) => ({
          ...page,
          batch: page.batch.map(({ eventEncoded }) => ({ eventEncoded, metadata: Option.none() })),
        })),
      )
    },
  })

  const stores = new Map<string, ReturnType<typeof makeMockSyncBackend>>()
  const make = from(({ storeId }) =>
    Effect.promise(async () => {
      const mock = stores.get(storeId) ?? makeMockSyncBackend()
      stores.set(storeId, mock)
      return asEffects(await mock.makeSyncBackend(args))
    }),
  )
  for (const { name, run } of syncBackendCases(make)) {
    test(name, async () => {
      await expect(run()).resolves.toBeUndefined()
    })
  }

  test('its scope stays open until the backend is closed', async () => {
    const said: string[] = []
    const backend = await from(() =>
      Effect.acquireRelease(
        Effect.sync(() =>
          asEffects({ pull: () => [] as never, push: () => void said.push('push') }),
        ),
        () => Effect.sync(() => void said.push('released')),
      ),
    )(args)
    await backend.push([event], { backendId: undefined, signal: never })
    expect(said).toEqual(['push'])
    await backend.close?.()
    await expect.poll(() => said, { timeout: 10_000 }).toEqual(['push', 'released'])
  })

  test('that cannot be made rejects with the error', async () => {
    await expect(from(() => Effect.fail(new Error('no way')))(args)).rejects.toThrow('no way')
  })

  test('an error keeps its tag, and one of another server speaks our words', async () => {
    const failing = (error: unknown) =>
      from(() => Effect.succeed({ push: () => Effect.fail(error), pull: () => Stream.fail(error) }))
    const ahead = { _tag: 'ServerAheadError', minimumExpectedNum: 3, providedNum: 1 }
    const mismatch = { _tag: 'BackendIdMismatchError', expected: 'server', received: 'client' }
    const options = { backendId: undefined, signal: never }
    const behind = await failing(ahead)(args)
    await expect(behind.push([event], options)).rejects.toMatchObject(ahead)
    const other = await failing(mismatch)(args)
    const pages = other.pull(undefined, { ...options, live: true })
    await expect(pages[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      name: 'BackendIdMismatchError',
      expected: 'client',
      received: 'server',
    })
  })

  test('metadata goes both ways as an option', async () => {
    const cursors: unknown[] = []
    const backend = await from(() =>
      Effect.succeed({
        push: () => Effect.void,
        pull: (cursor: never) => {
          cursors.push(Option.getOrUndefined(cursor))
          const batch = [{ eventEncoded: event, metadata: Option.some({ at: 1 } as never) }]
          return Stream.make({ batch, pageInfo: { _tag: 'NoMore' } })
        },
      }),
    )(args)
    const cursor = { eventSequenceNumber: 4, metadata: { at: 0 } }
    const pages = backend.pull(cursor, { live: false, backendId: undefined, signal: never })
    const { value } = await pages[Symbol.asyncIterator]().next()
    expect(value.batch[0]).toEqual({ eventEncoded: event, metadata: { at: 1 } })
    expect(cursors).toEqual([{ eventSequenceNumber: 4, metadata: Option.some({ at: 0 } as never) }])
  })
})

test('an app hands over an effect, and its own copy of effect runs it', async () => {
  const pushed: SyncedEvent[] = []
  const backend = await syncBackendFromEffect(({ storeId }) =>
    Effect3.succeed({
      metadata: { name: storeId },
      push: (batch: readonly SyncedEvent[]) => Effect3.sync(() => void pushed.push(...batch)),
      pull: () => Stream3.make({ batch: [], pageInfo: { _tag: 'NoMore' } }),
    }),
  )(args)
  expect(backend.metadata).toEqual({ name: 's' })
  await backend.push([event], { backendId: undefined, signal: never })
  expect(pushed).toEqual([event])
  const options = { live: false, backendId: undefined, signal: never }
  const pages: PullPage[] = []
  for await (const page of backend.pull(undefined, options)) pages.push(page)
  expect(pages).toEqual([{ batch: [], pageInfo: { _tag: 'NoMore' } }])
})
