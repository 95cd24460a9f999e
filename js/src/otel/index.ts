/**
 * OpenTelemetry for a store, with the span names of LiveStore. Apps that do not import this entry
 * carry none of it.
 *
 *     createStore ─► createStore:makeAdapter, createStore:boot
 *     LiveStore:queries ─► db:<label>, js:<label>, LiveStore.subscribe, LiveStore:useQuery:<label>
 *     LiveStore:commits ◄─link─ LiveStore:commit
 *
 * A span never holds rows, arguments of events or messages of errors, which may quote them; and SQL
 * only where the app asks for it.
 */

import {
  type Attributes,
  type Context,
  context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { isLiveStoreError } from '../errors.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import type { Adapter } from '../store/adapter.js'
import { commitArgs } from '../store/commit-args.js'
import { type CreateStoreOptions, createStorePromise } from '../store/create-store.js'
import { type Store, type StoreInternals, StoreInternalsSymbol } from '../store/store.js'
import { spanNameOf, sqlOf } from './query-names.js'

export interface OtelOptions {
  /** Default: that of the global provider for `livestore-wasm`. */
  readonly tracer?: Tracer | undefined
  /** What the spans of the store belong under. Default: the active context. */
  readonly rootSpanContext?: Context | undefined
  /** Names spans by their SQL, and adds it as `sql.query`. It may hold what users have written. */
  readonly includeSql?: boolean | undefined
}

export interface TracedStoreOptions<Schema extends LiveStoreSchema, Context>
  extends CreateStoreOptions<Schema, Context> {
  readonly otelOptions?: OtelOptions | undefined
}

/**
 * As `createStorePromise`, with spans for the creation and for all that the store does.
 *
 * @throws (as a rejection) what `createStorePromise` does
 */
export const createTracedStorePromise = <
  Schema extends LiveStoreSchema,
  StoreContext = Record<string, never>,
>(
  options: TracedStoreOptions<Schema, StoreContext>,
): Promise<Store<Schema, StoreContext>> => {
  const { otelOptions = {}, adapter, boot, ...rest } = options
  const tracer = tracerOf(otelOptions)
  const parent = otelOptions.rootSpanContext ?? context.active()
  const attributes = { 'livestore.storeId': options.storeId }
  return inSpan(tracer, 'createStore', { attributes }, parent, async (creation) => {
    const connect: Adapter['connect'] = (connectOptions) =>
      inSpan(tracer, 'createStore:makeAdapter', {}, creation, () => adapter.connect(connectOptions))
    const store = await createStorePromise<Schema, StoreContext>({
      ...rest,
      adapter: { connect },
      boot:
        boot &&
        ((...args) => inSpan(tracer, 'createStore:boot', {}, creation, () => boot(...args))),
    })
    return traceStore(store, { ...otelOptions, rootSpanContext: parent })
  })
}

/** Makes spans of what `store` does from now on, once, and returns it. */
export const traceStore = <AStore extends { readonly [StoreInternalsSymbol]: StoreInternals }>(
  anyStore: AStore,
  options: OtelOptions = {},
): AStore => {
  const store = anyStore as unknown as Store
  if (tracedStores.has(store)) return anyStore
  tracedStores.add(store)
  const tracer = tracerOf(options)
  const base = options.rootSpanContext ?? context.active()
  const commits = tracer.startSpan('LiveStore:commits', {}, base)
  const queries = tracer.startSpan('LiveStore:queries', {}, base)
  const queryContext = trace.setSpan(base, queries)
  const open = new Set<Span>()
  const start = (name: string, query: unknown): Span => {
    const span = tracer.startSpan(name, { attributes: attributesOf(query) }, queryContext)
    open.add(span)
    return span
  }
  const end = (span: Span): void => {
    if (open.delete(span)) span.end()
  }
  const attributesOf = (query: unknown): Attributes => {
    const sql = options.includeSql ? sqlOf(query) : undefined
    return sql === undefined ? {} : { 'sql.query': sql }
  }
  const nameOf = (query: unknown): string => spanNameOf(query, options.includeSql === true)

  const internals = store[StoreInternalsSymbol]
  const inner = {
    commit: store.commit.bind(store) as (...args: readonly unknown[]) => unknown,
    query: store.query.bind(store) as (query: unknown) => unknown,
    subscribe: store.subscribe.bind(store) as (...args: readonly unknown[]) => unknown,
    shutdown: store.shutdown.bind(store),
    watch: internals.watch,
  }
  internals.onShutdown(() => {
    for (const span of [...open, queries, commits]) span.end()
    open.clear()
  })

  const shutdown = (): Promise<void> =>
    inSpan(tracer, '@livestore/livestore:shutdown', {}, base, inner.shutdown)
  Object.assign(store, {
    commit: (...args: readonly unknown[]) => {
      const { options: commitOptions, events } = commitArgs(args)
      const { label, spanLinks, otelContext } = commitOptions
      const attributes: Attributes = {
        'livestore.eventsCount': events.length,
        'livestore.eventTags': events.map(({ name }) => name),
        ...(label === undefined ? {} : { 'livestore.commitLabel': label }),
      }
      const links = [{ context: commits.spanContext() }, ...((spanLinks ?? []) as Link[])]
      const parent = (otelContext as Context | undefined) ?? ROOT_CONTEXT
      // Options without anything in them would be taken for an event.
      const first = Object.keys(commitOptions).length > 0 ? [commitOptions] : []
      return inSpan(tracer, 'LiveStore:commit', { attributes, links }, parent, () =>
        inner.commit(...first, ...events),
      )
    },
    query: (query: unknown) => {
      const attributes = attributesOf(query)
      return inSpan(tracer, nameOf(query), { attributes }, queryContext, (_, span) => {
        const result = inner.query(query)
        if (Array.isArray(result)) span.setAttribute('sql.rowsCount', result.length)
        return result
      })
    },
    subscribe: (query: unknown, ...rest: readonly unknown[]) => {
      const span = start('LiveStore.subscribe', query)
      const isCallback = typeof rest[0] === 'function'
      const given = (isCallback ? rest[1] : rest[0]) as
        | { onUnsubsubscribe?: () => void }
        | undefined
      const subscription = {
        ...given,
        onUnsubsubscribe: () => {
          end(span)
          given?.onUnsubsubscribe?.()
        },
      }
      try {
        return inner.subscribe(query, ...(isCallback ? [rest[0], subscription] : [subscription]))
      } catch (thrown) {
        fail(span, thrown)
        end(span)
        throw thrown
      }
    },
    shutdown,
    shutdownPromise: shutdown,
  })
  Object.assign(internals, {
    watch: ((instance, onChange) => {
      const span = start(`LiveStore:useQuery:${nameOf(instance).slice(3)}`, instance)
      const unwatch = inner.watch(instance, onChange)
      return () => {
        unwatch()
        end(span)
      }
    }) satisfies typeof internals.watch,
  })
  return anyStore
}

const tracedStores = new WeakSet<object>()

const tracerOf = ({ tracer }: OtelOptions): Tracer => tracer ?? trace.getTracer('livestore-wasm')

/** Runs `work` in a span that ends with it, or with the promise that it returns. */
const inSpan = <Result>(
  tracer: Tracer,
  name: string,
  options: { readonly attributes?: Attributes; readonly links?: Link[] },
  parent: Context,
  work: (inside: Context, span: Span) => Result,
): Result => {
  const span = tracer.startSpan(name, options, parent)
  const inside = trace.setSpan(parent, span)
  let result: Result
  try {
    result = context.with(inside, () => work(inside, span))
  } catch (thrown) {
    fail(span, thrown)
    span.end()
    throw thrown
  }
  if (!(result instanceof Promise)) {
    span.end()
    return result
  }
  return result.then(
    (value) => {
      span.end()
      return value
    },
    (thrown: unknown) => {
      fail(span, thrown)
      span.end()
      throw thrown
    },
  ) as Result
}

/** A message may quote rows, so only the code of the error is told. */
const fail = (span: Span, thrown: unknown): void => {
  const code = isLiveStoreError(thrown) ? thrown.code : 'unknown'
  span.setAttribute('livestore.errorCode', code)
  span.setStatus({ code: SpanStatusCode.ERROR, message: code })
}
