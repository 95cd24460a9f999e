import { MemoryStorage } from './memory-storage.js'
import { storageConformance } from './test/storage-conformance.js'

storageConformance('memory', async () => {
  const storage = new MemoryStorage()
  return { storage, end: () => storage.close() }
})
