/** Imported first: from here on the worker is that of a browser without synchronous file access. */

Reflect.deleteProperty(FileSystemFileHandle.prototype, 'createSyncAccessHandle')
