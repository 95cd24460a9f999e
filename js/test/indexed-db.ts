/**
 * IndexedDB in memory, as far as block-store.ts uses it: one version, keys out of line, and
 * transactions that are complete or aborted as a whole, in the order in which they were made.
 */

type Key = string | readonly [string, number]

interface Range {
  readonly lower: Key
  readonly upper: Key
}

export const TestKeyRange = { bound: (lower: Key, upper: Key): Range => ({ lower, upper }) }

class Request {
  result: unknown
  error: DOMException | null = null
  onsuccess: (() => void) | undefined
  onerror: (() => void) | undefined
  onupgradeneeded: (() => void) | undefined
}

const compare = (a: Key, b: Key): number => {
  const [textA, numberA] = typeof a === 'string' ? [a, 0] : a
  const [textB, numberB] = typeof b === 'string' ? [b, 0] : b
  return textA === textB ? numberA - numberB : textA < textB ? -1 : 1
}

type Contents = Map<string, { readonly key: Key; readonly value: unknown }>

export class TestIndexedDb {
  /** By database, store and key; only what complete transactions have put there. */
  readonly databases = new Map<string, Map<string, Contents>>()
  /** What the next transactions that write are aborted with. */
  failure: DOMException | undefined
  /** Thrown by `open`, as where storage is blocked. */
  refusal: DOMException | undefined
  /** Transactions that write wait for this. */
  gate: Promise<void> = Promise.resolve()
  writes = 0
  openConnections = 0

  readonly factory = { open: (name: string) => this.#open(name) } as unknown as IDBFactory

  #open(name: string): Request {
    const request = new Request()
    setImmediate(() => {
      if (this.refusal !== undefined) {
        request.error = this.refusal
        request.onerror?.()
        return
      }
      const stores = this.databases.get(name) ?? new Map<string, Contents>()
      const isNew = !this.databases.has(name)
      this.databases.set(name, stores)
      this.openConnections += 1
      let isOpen = true
      request.result = {
        createObjectStore: (store: string) => stores.set(store, new Map()),
        transaction: (_: unknown, mode: string, options?: { durability?: string }) => {
          if (!isOpen) throw new DOMException('the connection is closed', 'InvalidStateError')
          if (mode === 'readwrite' && options?.durability !== 'strict') throw new Error('lax')
          return new Transaction(this, stores, mode)
        },
        close: () => {
          if (isOpen) this.openConnections -= 1
          isOpen = false
        },
      }
      if (isNew) request.onupgradeneeded?.()
      request.onsuccess?.()
    })
    return request
  }
}

class Transaction {
  oncomplete: (() => void) | undefined
  onabort: (() => void) | undefined
  error: DOMException | null = null
  readonly #waiting: (() => void)[] = []
  readonly #copies = new Map<string, Contents>()

  constructor(db: TestIndexedDb, stores: Map<string, Contents>, mode: string) {
    for (const [name, contents] of stores) this.#copies.set(name, new Map(contents))
    const step = (): void => {
      const task = this.#waiting.shift()
      if (task !== undefined) {
        task()
        setImmediate(step)
        return
      }
      if (mode === 'readonly') return
      void db.gate.then(() => {
        db.writes += 1
        if (db.failure !== undefined) {
          this.error = db.failure
          this.onabort?.()
          return
        }
        for (const [name, contents] of this.#copies) stores.set(name, contents)
        this.oncomplete?.()
      })
    }
    setImmediate(step)
  }

  objectStore(name: string) {
    const contents = (): Contents => this.#copies.get(name) as Contents
    const ask = (answer: () => unknown): Request => {
      const request = new Request()
      this.#waiting.push(() => {
        request.result = answer()
        request.onsuccess?.()
      })
      return request
    }
    const within = (range?: Range) =>
      [...contents().values()]
        .filter(
          ({ key }) =>
            range === undefined ||
            (compare(key, range.lower) >= 0 && compare(key, range.upper) <= 0),
        )
        .sort((a, b) => compare(a.key, b.key))
    return {
      put: (value: unknown, key: Key) =>
        ask(() => contents().set(JSON.stringify(key), { key, value: structuredClone(value) })),
      delete: (range: Range) =>
        ask(() => {
          for (const { key } of within(range)) contents().delete(JSON.stringify(key))
        }),
      clear: () => ask(() => contents().clear()),
      getAll: (range?: Range) =>
        ask(() => within(range).map(({ value }) => structuredClone(value))),
      getAllKeys: () => ask(() => within().map(({ key }) => key)),
    }
  }
}
