/**
 * Workers as apps give them: the class that a bundler makes of an import, or a function of their
 * own.
 */

import type { SharedWorkerLike, WorkerLike } from '../env.js'
import { LiveStoreError } from '../errors.js'

/** A class, or a factory. Either is given the worker's name, which it must hand on. */
export type WorkerSource<T> =
  | (new (options: {
      name: string
    }) => T)
  | ((options: { name: string }) => T)

export const spawnWorker = (source: WorkerSource<WorkerLike>, name: string): WorkerLike => {
  const worker: Partial<WorkerLike> | undefined = spawn(source, name)
  if (typeof worker?.postMessage === 'function') return worker as WorkerLike
  throw new LiveStoreError('InvalidArgument', 'the option worker did not make a Worker')
}

export const spawnSharedWorker = (
  source: WorkerSource<SharedWorkerLike>,
  name: string,
): SharedWorkerLike => {
  const worker: Partial<SharedWorkerLike> | undefined = spawn(source, name)
  if (typeof worker?.port?.postMessage === 'function') return worker as SharedWorkerLike
  throw new LiveStoreError('InvalidArgument', 'the option sharedWorker did not make a SharedWorker')
}

const spawn = <T>(source: WorkerSource<T>, name: string): T =>
  isConstructor(source) ? new source({ name }) : source({ name })

/** Arrow functions and methods cannot be used with `new`. Nothing of `source` runs to find out. */
const isConstructor = <T>(
  source: WorkerSource<T>,
): source is new (options: {
  name: string
}) => T => {
  try {
    Reflect.construct(Object, [], source)
    return true
  } catch {
    return false
  }
}
