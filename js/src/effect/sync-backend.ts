/**
 * A sync backend that is written as effects, as LiveStore's are, made into one of promises and
 * async iterables. Works with effect of major 3 and 4: the app's modules are handed in.
 *
 *     Effect<Backend, _, Scope> ──► a fiber that keeps its scope open until `close`
 *     Stream of pages           ──► async iterable; the stream waits for who reads
 */

import {
  BackendIdMismatchError,
  type MakeSyncBackend,
  type PullCursor,
  type PullOptions,
  type PullPage,
  type PushOptions,
  type SyncBackend,
  type SyncedEvent,
} from '../sync/backend.js'

/** The functions of effect that are used, in the types that both majors have in common. */
export interface EffectModules {
  readonly Effect: {
    readonly flatMap: (effect: never, then: (value: never) => unknown) => unknown
    readonly promise: (work: () => Promise<unknown>) => unknown
    readonly scoped: (effect: never) => unknown
    readonly runPromiseExit: (
      effect: never,
      options: { readonly signal: AbortSignal },
    ) => Promise<unknown>
  }
  readonly Stream: { readonly runForEach: (stream: never, each: (item: never) => never) => unknown }
  readonly Option: { readonly none: () => unknown; readonly some: (value: never) => unknown }
  readonly Cause: { readonly squash: (cause: never) => unknown }
}

/** What LiveStore's constructor of a backend returns, as far as it is used. */
interface EffectBackend {
  readonly connect?: unknown
  readonly ping?: unknown
  readonly metadata?: SyncBackend['metadata']
  pull(cursor: unknown, options: { readonly live: boolean }): unknown
  push(batch: readonly SyncedEvent[]): unknown
}

type EffectPage = Omit<PullPage, 'batch'> & {
  readonly batch: readonly { readonly eventEncoded: SyncedEvent; readonly metadata?: unknown }[]
}

export const syncBackendOf =
  (modules: EffectModules) =>
  (make: (args: Parameters<MakeSyncBackend>[0]) => unknown): MakeSyncBackend =>
  async (args) => {
    const { Effect } = modules
    const life = new AbortController()
    const run = async (effect: unknown, signal: AbortSignal): Promise<unknown> => {
      const exit = (await Effect.runPromiseExit(effect as never, { signal })) as {
        readonly _tag: string
        readonly value?: unknown
        readonly cause?: unknown
      }
      if (exit._tag === 'Success') return exit.value
      signal.throwIfAborted()
      throw ofOurs(modules.Cause.squash(exit.cause as never))
    }
    const made = await new Promise<EffectBackend>((resolve, reject) => {
      const stayOpen = (backend: EffectBackend) =>
        Effect.promise(() => {
          resolve(backend)
          return new Promise<never>(() => undefined)
        })
      const living = Effect.flatMap(make(args) as never, stayOpen as never)
      run(Effect.scoped(living as never), life.signal).catch(reject)
    })

    async function* pull(
      cursor: PullCursor | undefined,
      { live, signal }: PullOptions,
    ): AsyncGenerator<PullPage> {
      const ended = new AbortController()
      const { signal: eitherEnds } = ended
      const stop = () => ended.abort(signal.reason)
      signal.addEventListener('abort', stop, { once: true })
      const pages: { readonly page: PullPage; readonly taken: () => void }[] = []
      let wake: () => void = () => undefined
      let end: { readonly failure?: unknown } | undefined
      const offer = (page: EffectPage) =>
        Effect.promise(
          () =>
            new Promise<void>((taken) => {
              pages.push({ page: ofEffect(page), taken })
              wake()
            }),
        )
      const from = cursorOption(modules, cursor)
      const stream = modules.Stream.runForEach(made.pull(from, { live }) as never, offer as never)
      run(stream, eitherEnds).then(
        () => {
          end = {}
          wake()
        },
        (failure: unknown) => {
          end = { failure }
          wake()
        },
      )
      try {
        for (;;) {
          const next = pages.shift()
          if (next !== undefined) {
            yield next.page
            next.taken()
          } else if (end !== undefined) {
            if ('failure' in end) throw end.failure
            return
          } else {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          }
        }
      } finally {
        signal.removeEventListener('abort', stop)
        ended.abort()
      }
    }

    const { connect, ping, metadata } = made
    return {
      pull,
      push: async (batch: readonly SyncedEvent[], { signal }: PushOptions) => {
        await run(made.push(batch), signal)
      },
      ...(connect !== undefined && { connect: async () => void (await run(connect, life.signal)) }),
      ...(ping !== undefined && { ping: async () => void (await run(ping, life.signal)) }),
      ...(metadata !== undefined && { metadata }),
      close: () => life.abort(),
    }
  }

const cursorOption = ({ Option }: EffectModules, cursor: PullCursor | undefined): unknown => {
  if (cursor === undefined) return Option.none()
  const { eventSequenceNumber, metadata } = cursor
  return Option.some({
    eventSequenceNumber,
    metadata: metadata === undefined ? Option.none() : Option.some(metadata as never),
  } as never)
}

const ofEffect = (page: EffectPage): PullPage => ({
  ...page,
  batch: page.batch.map(({ eventEncoded, metadata }) => ({
    eventEncoded,
    metadata:
      (metadata as { _tag?: unknown } | undefined)?._tag === 'Some'
        ? (metadata as { value?: unknown }).value
        : undefined,
  })),
})

/** LiveStore's error names what the server expected, itself; the others are known by their tags. */
const ofOurs = (thrown: unknown): unknown => {
  const { _tag, expected, received } = (thrown ?? {}) as Record<string, unknown>
  return _tag === 'BackendIdMismatchError'
    ? new BackendIdMismatchError({ expected: String(received), received: String(expected) })
    : thrown
}
