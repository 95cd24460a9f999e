/** The members of `Events`. */

export { clientOnly, defineEvent, synced } from './events.js'
