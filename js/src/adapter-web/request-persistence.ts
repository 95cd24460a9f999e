/**
 * Asks the browser to keep this origin's storage until the user clears it.
 */

export interface PersistableStorage {
  persisted?(): Promise<boolean>
  persist?(): Promise<boolean>
}

/** Never rejects. `warn` is told if the browser refuses, or cannot be asked. */
export const requestPersistence = async (
  storage: PersistableStorage | undefined,
  warn: (message: string) => void,
): Promise<void> => {
  const isGranted = async (): Promise<boolean | undefined> =>
    (await storage?.persisted?.()) === true || storage?.persist?.()
  if ((await isGranted().catch(() => false)) === true) return
  warn('the browser refuses persistent storage: it may clear the data when the disk runs full')
}
