/**
 * What wasm/vfs/opfs_pool.cc imports: calls on sync access handles, which the leader worker opened
 * and registered as Module.livestoreHost.storage[pool] (an array of { name, handle }).
 *
 * No exception crosses into C++: each call answers with a number, 0 done, 1 out of space, 2 failed.
 */

addToLibrary({
  $livestoreStorage: {
    file(pool, file) {
      return Module['livestoreHost']['storage'][pool][file]['handle']
    },
    failed(error) {
      return error && error.name === 'QuotaExceededError' ? 1 : 2
    },
  },

  ls_storage_find__deps: ['$UTF8ToString'],
  ls_storage_find(pool, name, nameBytes) {
    const wanted = UTF8ToString(name, nameBytes)
    return Module['livestoreHost']['storage'][pool].findIndex((file) => file['name'] === wanted)
  },

  ls_storage_size__deps: ['$livestoreStorage'],
  ls_storage_size(pool, file) {
    try {
      return livestoreStorage.file(pool, file)['getSize']()
    } catch {
      return -1
    }
  },

  ls_storage_read__deps: ['$livestoreStorage'],
  ls_storage_read(pool, file, out, size, offset) {
    try {
      return livestoreStorage
        .file(pool, file)
        ['read'](HEAPU8.subarray(out, out + size), { at: offset })
    } catch {
      return -1
    }
  },

  ls_storage_write__deps: ['$livestoreStorage'],
  ls_storage_write(pool, file, bytes, size, offset) {
    try {
      const handle = livestoreStorage.file(pool, file)
      // A quota shows as an exception or as a short write, by browser.
      for (let done = 0; done < size; ) {
        const written = handle['write'](HEAPU8.subarray(bytes + done, bytes + size), {
          at: offset + done,
        })
        if (written <= 0) return 1
        done += written
      }
      return 0
    } catch (error) {
      return livestoreStorage.failed(error)
    }
  },

  ls_storage_truncate__deps: ['$livestoreStorage'],
  ls_storage_truncate(pool, file, size) {
    try {
      livestoreStorage.file(pool, file)['truncate'](size)
      return 0
    } catch (error) {
      return livestoreStorage.failed(error)
    }
  },

  ls_storage_flush__deps: ['$livestoreStorage'],
  ls_storage_flush(pool, file) {
    try {
      livestoreStorage.file(pool, file)['flush']()
      return 0
    } catch (error) {
      return livestoreStorage.failed(error)
    }
  },
})
