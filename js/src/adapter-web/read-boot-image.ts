/** Finds the boot image of a store: see js/src/protocol/boot-image.ts. */

import type { DirectoryLike } from '../env.js'
import {
  type BootImage,
  bootImageBytesMax,
  bootImageName,
  decodeBootImage,
  stampOfLog,
} from '../protocol/boot-image.js'

/** Never rejects: where there is no image that can be used, the leader has the state. */
export const readBootImage = async (
  getDirectory: () => Promise<DirectoryLike>,
  directory: string,
): Promise<BootImage | undefined> => {
  try {
    const store = await (await getDirectory()).getDirectoryHandle(directory, { create: false })
    const find = async () =>
      (await store.getFileHandle(bootImageName, { create: false })).getFile?.()
    const [image, log] = await Promise.all([find(), stampOfLog(store)])
    if (image === undefined || log === undefined || image.size > bootImageBytesMax) return undefined
    return await decodeBootImage(await image.arrayBuffer(), log)
  } catch {
    return undefined
  }
}
