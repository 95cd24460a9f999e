/** Ids for rows. A signature of our own: the types of the library are not installed with us. */

import { nanoid as generate } from 'nanoid'

/** A random id that is safe in a URL: `length` characters, 21 unless told, unlike any other. */
export const nanoid = (length = 21): string => generate(length)
