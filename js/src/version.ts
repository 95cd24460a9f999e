/** The version of this package; a test compares it with package.json. */
export const liveStoreVersion = '0.1.0'
