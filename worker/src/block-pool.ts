/**
 * The leader's files where workers have no synchronous file access: in memory, and kept by the page
 * in IndexedDB (js/src/adapter-web/block-store.ts). SQLite wants its answers at once, IndexedDB
 * gives none at once.
 *
 * So nothing that the engine calls flushed is, until `flush` has resolved: it stores every block
 * that changed since the one before, of all files, in one transaction. Whoever acknowledges waits
 * for it.
 */

import type { FileHandle, PortLike } from '../../js/src/env.js'
import { errorFromReply } from '../../js/src/errors.js'
import {
  type BlocksAnswer,
  type BlocksRequest,
  blockBytes,
  type ChangedFile,
} from '../../js/src/protocol/messages.js'
import { TypedPort } from '../../js/src/protocol/port.js'
import { checkBlocksAnswer } from '../../js/src/protocol/validate.js'
import type { PersistedPool } from './opfs-pool.js'

/** One file may not become larger: all of it is in memory. Beyond it is `StorageFull`. */
export const memoryFileBytesMax = 256 * 1024 * 1024

export interface BlockPoolOptions {
  readonly directory: string
  readonly fileNames: readonly string[]
  readonly reset: boolean
}

/**
 * Reads the files by `port`, at whose other end is the page.
 *
 * @throws LiveStoreError `StorageUnavailable` where there is no IndexedDB either
 */
export const openBlockPool = async (
  port: PortLike,
  { directory, fileNames, reset }: BlockPoolOptions,
): Promise<PersistedPool> => {
  let answered: (answer: BlocksAnswer) => void = () => undefined
  const typed = new TypedPort<BlocksRequest, BlocksAnswer>(port, checkBlocksAnswer)
  typed.listen({
    onMessage: (answer) => answered(answer),
    onMalformed: (problem) =>
      answered({ type: 'error', code: 'Internal', message: `the page sent ${problem}` }),
  })
  const ask = async (request: BlocksRequest, transfer?: Transferable[]): Promise<BlocksAnswer> => {
    const answering = new Promise<BlocksAnswer>((resolve) => {
      answered = resolve
    })
    typed.post(request, transfer)
    const answer = await answering
    if (answer.type === 'error') throw errorFromReply(answer)
    return answer
  }

  const opened = await ask({ type: 'open', directory, reset })
  const stored = opened.type === 'opened' ? opened.files : []
  const files = fileNames.map((name) => {
    const found = stored.find((file) => file.name === name)
    return { name, handle: new MemoryFile(name, found?.bytes ?? new ArrayBuffer()) }
  })

  const flush = (): Promise<void> | undefined => {
    const changed = files.map(({ handle }) => handle).filter((file) => file.changed.size > 0)
    if (changed.length === 0) return undefined
    const taken = changed.map((file) => ({ file, blocks: file.changed, change: file.takeChange() }))
    const request = { type: 'write', files: taken.map(({ change }) => change) } as const
    const buffers = request.files.flatMap(({ blocks }) => blocks.map(({ bytes }) => bytes))
    return ask(request, buffers).then(
      () => undefined,
      (thrown) => {
        // The next one writes them again.
        for (const { file, blocks } of taken) for (const index of blocks) file.changed.add(index)
        throw thrown
      },
    )
  }
  return { mode: 'persisted', files, flush, close: () => typed.close() }
}

class MemoryFile implements FileHandle {
  /** Blocks that differ from what is stored; also such as the file has no longer. */
  changed = new Set<number>()
  readonly #name: string
  #bytes: Uint8Array<ArrayBuffer>
  #size: number

  constructor(name: string, bytes: ArrayBuffer) {
    this.#name = name
    this.#bytes = new Uint8Array(bytes)
    this.#size = bytes.byteLength
  }

  takeChange(): ChangedFile {
    const blocks = [...this.changed]
      .filter((index) => index * blockBytes < this.#size)
      .map((index) => {
        const block = new Uint8Array(blockBytes)
        block.set(this.#bytes.subarray(index * blockBytes, (index + 1) * blockBytes))
        return { index, bytes: block.buffer }
      })
    this.changed = new Set()
    return { name: this.#name, size: this.#size, blocks }
  }

  read(buffer: Uint8Array<ArrayBuffer>, { at }: { at: number }): number {
    const part = this.#bytes.subarray(Math.min(at, this.#size), this.#size)
    buffer.set(part.subarray(0, buffer.length))
    return Math.min(part.length, buffer.length)
  }

  write(buffer: Uint8Array<ArrayBuffer>, { at }: { at: number }): number {
    const end = at + buffer.length
    if (end > this.#size) this.truncate(end)
    this.#bytes.set(buffer, at)
    this.#touch(at, end)
    return buffer.length
  }

  truncate(size: number): void {
    if (size > memoryFileBytesMax) {
      throw new DOMException(`${this.#name} would become too large`, 'QuotaExceededError')
    }
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    // What comes back when it grows again reads as zeros.
    this.#bytes.fill(0, size, Math.max(this.#size, size))
    this.#touch(Math.min(size, this.#size), Math.max(size, this.#size))
    this.#size = size
  }

  flush(): void {}

  getSize(): number {
    return this.#size
  }

  close(): void {}

  #touch(from: number, to: number): void {
    const end = Math.ceil(to / blockBytes)
    for (let index = Math.floor(from / blockBytes); index < end; index++) this.changed.add(index)
  }
}
