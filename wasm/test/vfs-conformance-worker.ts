/**
 * Runs the conformance suite of storage over real OPFS, one case per message: in a directory of its
 * own, opened by the code that opens a store's files, closed and opened again between the halves of
 * the case, and removed at the end.
 *
 * scripts/build-vfs-suite.mjs bundles it; e2e/vfs-conformance.spec.ts starts it and asks.
 */

// @ts-expect-error A build output: it has no types, and before the first build it is not there.
import createUntyped from '../../build/wasm-release/wasm/vfs_conformance.mjs'
import { type DirectoryLike, systemClock } from '../../js/src/env.js'
import { openOpfsPool, type PoolFile } from '../../worker/src/opfs-pool.js'

interface SuiteModule {
  _ls_suite_files(): number
  _ls_suite_count(): number
  _ls_suite_name(index: number): number
  _ls_suite_run(index: number, pool: number): number
  _ls_suite_run_reopened(index: number, pool: number): number
  UTF8ToString(pointer: number): string
}

/** What the worker answers. */
export interface CaseOutcome {
  readonly name: string
  /** What does not hold, or an empty text. */
  readonly failure: string
  /** File names that were still in the directory of the case before it was removed. */
  readonly files: readonly string[]
}

/** The one pool the module knows, as wasm/vfs/opfs_library.js looks for it. */
const pool = 0
const storage: (readonly PoolFile[])[] = [[]]
const createModule = createUntyped as (options: object) => Promise<SuiteModule>
// Not awaited here: a message that comes before its listener is lost.
const loading = createModule({ livestoreHost: { storage } })

const runCase = async (index: number): Promise<CaseOutcome> => {
  const module = await loading
  const name = module.UTF8ToString(module._ls_suite_name(index))
  const directory = `vfs-conformance-${name}`
  const fileNames = module.UTF8ToString(module._ls_suite_files()).split('\n')

  const root = await navigator.storage.getDirectory()
  // The types of a page do not know sync access handles, which only workers have.
  const getDirectory = async (): Promise<DirectoryLike> => root as unknown as DirectoryLike

  /** Opens the files, runs a half of the case over them, and closes them. */
  const half = async (run: (index: number, pool: number) => number, reset: boolean) => {
    const opened = await openOpfsPool(
      { clock: systemClock(), getDirectory },
      { directory, fileNames, reset, mayOpen: Promise.resolve() },
    )
    if (opened.mode !== 'persisted') throw new Error(opened.message)
    storage[pool] = opened.files
    try {
      return module.UTF8ToString(run(index, pool))
    } finally {
      storage[pool] = []
      opened.close()
    }
  }

  try {
    let failure = await half(module._ls_suite_run, true)
    if (failure === '') failure = await half(module._ls_suite_run_reopened, false)
    const files: string[] = []
    for await (const file of (await root.getDirectoryHandle(directory)).keys()) files.push(file)
    await root.removeEntry(directory, { recursive: true })
    return { name, failure, files }
  } catch (thrown) {
    // For the next case; what is worth telling is what was thrown first.
    await root.removeEntry(directory, { recursive: true }).catch(() => undefined)
    throw thrown
  }
}

addEventListener('message', async ({ data }: MessageEvent<number>) => {
  try {
    self.postMessage(await runCase(data))
  } catch (thrown) {
    // A check of C++ that fails ends here, as a trap.
    self.postMessage({ name: '', failure: String(thrown), files: [] } satisfies CaseOutcome)
  }
})
