/** Imported first: from here on the worker has no storage, as in a private window. */

navigator.storage.getDirectory = () =>
  Promise.reject(new DOMException('Storage is refused', 'SecurityError'))
