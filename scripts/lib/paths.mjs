/** Where the repository is, and where its build puts things. */

import { fileURLToPath } from 'node:url'

/** The repository's root, without a slash at the end. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
