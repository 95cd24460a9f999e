/**
 * What sessions had pending when their pages ended: written at once, taken in by the next leader.
 *
 *     page ends ── write ──► localStorage ── handOver ──► a leader ── taken ──► removed
 *
 * A page that ends can wait for nobody, and localStorage is the one storage that is written before
 * the call returns. Whichever tab has a port to a leader hands over all there are; the leader takes
 * each event once, however often it is handed over, so a journal is removed only when the leader
 * says that its events are on disk. It does not matter to the events which schema is running then:
 * they are taken into the log, as those before them were.
 *
 * What is written has a key of its own every time, and is never changed. Each process of the
 * browser has a copy of localStorage that may be behind: who removes a key for what it once held
 * could else remove what its page has written under it since.
 *
 *     key  := journalKey(storeId) instance ":" number
 *     text := "1:" checksum ":" base64          the bytes are those of ClientSession.pendingAsPush
 *
 * What cannot be read is reported, and kept under another key. Storage that is blocked holds no
 * journals; only writing one is then an error.
 */

import { LiveStoreError, messageOf } from '../errors.js'
import {
  type JournalMessage,
  type JournalResultMessage,
  journalKey,
  unusableJournalKey,
} from '../protocol/messages.js'
import type { Journal } from '../store/adapter.js'

/** Browsers give an origin about 5 million characters, and 3 bytes take 4. */
export const journalBytesMax = 3_000_000

const version = '1'

/** The part of `Storage` that journals need. */
export interface JournalStorage {
  readonly length: number
  key(index: number): string | null
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

export interface JournalsEnv {
  /** Reading it throws where storage is blocked. */
  localStorage(): JournalStorage
  onError(error: LiveStoreError): void
}

type Post = (message: JournalMessage, transfer: Transferable[]) => void

export class Journals implements Journal {
  readonly #env: JournalsEnv
  readonly #prefix: string
  readonly #unusablePrefix: string
  /** Of the session here, which pushes its events itself: what was written last. */
  #own: { readonly key: string } | undefined
  #writtenCount = 0
  #post: Post = () => undefined
  #nextId = 1
  /** What was posted, until it is answered. */
  readonly #posted = new Map<number, { readonly key: string; readonly text: string }>()

  constructor(env: JournalsEnv, storeId: string) {
    this.#env = env
    this.#prefix = journalKey(storeId)
    this.#unusablePrefix = unusableJournalKey(storeId)
  }

  write(instance: string, push: Uint8Array): () => void {
    if (push.length > journalBytesMax) {
      throw new LiveStoreError(
        'LimitExceeded',
        `they have ${push.length} bytes, and a journal at most ${journalBytesMax}`,
      )
    }
    const before = this.#own
    const fresh = `${this.#prefix}${instance}:${++this.#writtenCount}`
    const own = { key: this.#store(encode(push), fresh, before?.key) }
    this.#own = own
    if (before !== undefined && before.key !== own.key) this.#remove(before.key)
    return () => {
      // What was written later stands for this too.
      if (this.#own !== own) return
      this.#own = undefined
      this.#remove(own.key)
    }
  }

  /** Returns the key it is under: without room for both it takes the place of what was `before`. */
  #store(text: string, fresh: string, before: string | undefined): string {
    let full: unknown
    for (const key of before === undefined ? [fresh] : [fresh, before]) {
      try {
        this.#env.localStorage().setItem(key, text)
        return key
      } catch (cause) {
        if (!(cause instanceof Error && cause.name === 'QuotaExceededError')) {
          throw new LiveStoreError('StorageUnavailable', said(cause), { cause })
        }
        full = cause
      }
    }
    throw new LiveStoreError('StorageFull', said(full), { cause: full })
  }

  #remove(key: string): void {
    this.#with((storage) => storage.removeItem(key))
  }

  /** Nothing waits for a leader. */
  isEmpty(): boolean {
    let isEmpty = true
    this.#with((storage) => {
      isEmpty = !keysOf(storage).some((key) => key?.startsWith(this.#prefix))
    })
    return isEmpty
  }

  /** Hands every journal to the leader at the other end of `post`, now and when there are more. */
  handOver(post: Post): void {
    this.#post = post
    this.#posted.clear()
    this.#with((storage) => {
      for (const key of keysOf(storage)) this.#handOver(storage, key)
    })
  }

  /** Another tab has written `key`. */
  changed(key: string | null): void {
    this.#with((storage) => this.#handOver(storage, key))
  }

  /** The leader has answered. */
  taken(result: JournalResultMessage): void {
    const posted = this.#posted.get(result.id)
    if (posted === undefined) return
    this.#posted.delete(result.id)
    this.#with((storage) => {
      const { key, text } = posted
      if (storage.getItem(key) !== text) return
      if (result.code === undefined) storage.removeItem(key)
      else this.#setAside(storage, key, text, `${result.message} (${result.code})`)
    })
  }

  /** The store is to be empty: what was left of it is gone too. */
  clear(): void {
    this.#with((storage) => {
      for (const key of keysOf(storage)) {
        if (key?.startsWith(this.#prefix)) storage.removeItem(key)
      }
    })
  }

  #handOver(storage: JournalStorage, key: string | null): void {
    if (!key?.startsWith(this.#prefix) || key === this.#own?.key) return
    const text = storage.getItem(key)
    if (text === null) return
    const push = decode(text)
    if (push === undefined) {
      this.#setAside(storage, key, text, 'it is damaged, or of another version of this package')
      return
    }
    const id = this.#nextId++
    this.#posted.set(id, { key, text })
    const instance = key.slice(this.#prefix.length).replace(/:\d+$/, '')
    this.#post({ type: 'journal', id, instance, push }, [push])
  }

  #setAside(storage: JournalStorage, key: string, text: string, why: string): void {
    const aside = this.#unusablePrefix + key.slice(this.#prefix.length)
    this.#env.onError(
      new LiveStoreError(
        'MalformedBytes',
        `events of a page that has ended cannot be taken in, they are kept as ${aside}: ${why}`,
      ),
    )
    // Without room for a copy it stays where it is, and is reported again.
    storage.setItem(aside, text)
    storage.removeItem(key)
  }

  #with(task: (storage: JournalStorage) => void): void {
    try {
      task(this.#env.localStorage())
    } catch {
      // Blocked, or full: see above.
    }
  }
}

const said = (cause: unknown): string => `localStorage: ${messageOf(cause)}`

const keysOf = (storage: JournalStorage): readonly (string | null)[] =>
  Array.from({ length: storage.length }, (_, index) => storage.key(index))

/** So many arguments may be passed at once. */
const chunkBytes = 8_192

const encode = (bytes: Uint8Array): string => {
  let binary = ''
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    binary += String.fromCharCode(...bytes.subarray(at, at + chunkBytes))
  }
  const text = btoa(binary)
  return `${version}:${checksum(text)}:${text}`
}

const decode = (journal: string): ArrayBuffer | undefined => {
  const [itsVersion, sum, text] = journal.split(':')
  if (itsVersion !== version || text === undefined || sum !== checksum(text)) return undefined
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer
}

/** FNV-1a. */
const checksum = (text: string): string => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return (hash >>> 0).toString(16)
}
