/**
 * Keeps the boot image (js/src/protocol/boot-image.ts) up to date: whenever the log has been at
 * rest for a while, and not so often that a large state would be written all day.
 *
 * It is a copy that nobody needs: whatever fails here is tried again after the next change, if at
 * all.
 */

import type { Clock, DirectoryLike } from '../../js/src/env.js'
import {
  type BootImage,
  bootImageBytesMax,
  bootImageHeaderBytes,
  bootImageName,
  encodeBootImage,
  isBootImageOf,
  stampOfLog,
} from '../../js/src/protocol/boot-image.js'

/** So long at rest. Longer than the steps of any file system's clock. */
export const bootImageRestMs = 1_000
/** Written on average: after a large image the next one waits longer. */
export const bootImageBytesPerSecondMax = 100_000

export interface BootImageKeeperOptions {
  readonly clock: Clock
  /** Of the store, with the log in it. */
  readonly directory: DirectoryLike
  /** The state now; undefined where there is none to be had. */
  readonly takeImage: () => BootImage | undefined
}

export class BootImageKeeper {
  readonly #options: BootImageKeeperOptions
  #changedAt = 0
  /** Not before: bounds what is written. */
  #notBefore = 0
  #isWaiting = false
  #isStopped = false
  #cancel: () => void = () => undefined

  constructor(options: BootImageKeeperOptions) {
    this.#options = options
  }

  /** The log may have changed. Costs nothing. */
  changed(): void {
    this.#changedAt = this.#options.clock.now()
    if (!this.#isWaiting) this.#wait()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #wait(): void {
    if (this.#isStopped) return
    const { clock } = this.#options
    this.#isWaiting = true
    const due = Math.max(this.#changedAt + bootImageRestMs, this.#notBefore)
    this.#cancel = clock.after(due - clock.now(), () => {
      if (clock.now() - this.#changedAt < bootImageRestMs) return this.#wait()
      this.#isWaiting = false
      this.#write().catch(() => undefined)
    })
  }

  async #write(): Promise<void> {
    const { clock, directory, takeImage } = this.#options
    const asOf = this.#changedAt
    const isOutdated = (): boolean => this.#isStopped || this.#changedAt !== asOf
    const stamp = await stampOfLog(directory)
    if (stamp === undefined || isOutdated()) return
    const file = await directory.getFileHandle(bootImageName, { create: true })
    const handle = await file.createSyncAccessHandle?.()
    if (handle === undefined) return
    try {
      const header = new Uint8Array(bootImageHeaderBytes)
      handle.read(header, { at: 0 })
      if (isOutdated() || isBootImageOf(header, stamp)) return
      const image = takeImage()
      if (image === undefined || image.image.length > bootImageBytesMax) return
      const bytes = await encodeBootImage(image, stamp)
      const now = await stampOfLog(directory)
      if (isOutdated() || now?.lastModified !== stamp.lastModified) return
      this.#notBefore = clock.now() + (bytes.length / bootImageBytesPerSecondMax) * 1_000
      handle.truncate(0)
      handle.write(bytes, { at: 0 })
      handle.flush()
    } finally {
      handle.close()
    }
  }
}
