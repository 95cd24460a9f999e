/**
 * Stores on the real engine for tests, with leader and session in one thread; and what tests say
 * about errors.
 */

import { expect, vi } from 'vitest'
import { makeInMemoryAdapter } from '../src/adapter-web/index.js'
import type { ErrorCode } from '../src/errors.js'
import { createStorePromise } from '../src/store/create-store.js'
import { type Store, StoreInternalsSymbol } from '../src/store/store.js'
import { events, oddMaterializer, schema } from './todo-schema.js'

type Options = Partial<Parameters<typeof createStorePromise>[0]>

const open: Store[] = []
/** What was given to `reportError` since the last `startTest`. */
export const reported: unknown[] = []

/** For `beforeEach`. */
export const startTest = (): void => {
  reported.length = 0
  vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
}

/** For `afterEach`: ends every store that the test opened. */
export const endTest = async (): Promise<void> => {
  await Promise.all(open.splice(0).map((store) => store.shutdown()))
  oddMaterializer.run = () => []
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
}

/** A store of its own, with the session id `session1`. */
export const openStore = async (options: Options = {}): Promise<Store> => {
  const store = await createStorePromise({
    schema,
    adapter: makeInMemoryAdapter({ sessionId: 'session1', clientId: 'client1' }),
    storeId: 'test',
    ...options,
  })
  open.push(store)
  return store
}

export const created = (id: string, text = '') => events.todoCreated({ id, text })

/** An error with this code, and a message that names what it is about. */
export const coded = (code: ErrorCode, message: RegExp = /./): Error =>
  expect.objectContaining({ code, message: expect.stringMatching(message) }) as Error

/** How many live queries the engine keeps for `store`. */
export const liveQueries = (store: Store): number => store[StoreInternalsSymbol].liveQueryCount()

/** Resolves when messages and promises in flight have come to rest. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

/** A schema that takes whatever rows there are. */
export const anyRows = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
} as const
