/** The peer's main entry, as the app imports it. */

export {
  createStorePromise,
  Events,
  makeSchema,
  queryDb,
  State,
} from '@livestore/livestore'
