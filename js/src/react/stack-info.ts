/**
 * Names of LiveStore that its hooks tell its devtools with, which component asked. Ours tell so by
 * the label of a query, so these are for apps that import them, and say nothing.
 */

export interface StackInfo {
  readonly frames: readonly { readonly name: string; readonly filePath: string }[]
}

const nothing: StackInfo = { frames: [] }

/** No frames. */
export const useStackInfo = (): StackInfo => nothing
/** No frames. */
export const captureStackInfo = (): StackInfo => nothing
