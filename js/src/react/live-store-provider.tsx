/**
 * `LiveStoreProvider`: makes a store and gives it to the hooks below.
 */

import { type ReactNode, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { StoreLifetime } from '../bindings/store-lifetime.js'
import { type LiveStoreError, messageOf } from '../errors.js'
import type { BatchUpdates } from '../reactivity/deliveries.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import type { Adapter, BootStatus } from '../store/adapter.js'
import type { CreateStoreOptions } from '../store/create-store.js'
import type { Store } from '../store/store.js'
import type { Rejection } from '../wasm/client-session.js'
import { LiveStoreContext } from './live-store-context.js'
import { withReactApi } from './react-api.js'

export interface LiveStoreProviderProps {
  /** Create it outside of the component: a new object makes a new store. */
  readonly schema: LiveStoreSchema
  /** Create it outside of the component: a new object makes a new store. */
  readonly adapter: Adapter
  /** `unstable_batchedUpdates` of react-dom. React 18 and later batch without it. */
  readonly batchUpdates?: BatchUpdates | undefined
  /** Default: `default`. */
  readonly storeId?: string | undefined
  readonly boot?: ((store: Store) => unknown) | undefined
  readonly onBootStatus?: ((status: BootStatus) => void) | undefined
  readonly renderLoading?: ((status: BootStatus) => ReactNode) | undefined
  readonly renderError?: ((error: unknown) => ReactNode) | undefined
  readonly renderShutdown?: ((cause: LiveStoreError) => ReactNode) | undefined
  readonly signal?: AbortSignal | undefined
  /** For the sync backend: handed on to it by the tab that leads. JSON. */
  readonly syncPayload?: unknown
  readonly confirmUnsavedChanges?: boolean | undefined
  readonly onRejected?: ((rejected: readonly Rejection[]) => void) | undefined
  readonly onError?: ((error: LiveStoreError) => void) | undefined
  /** Taken for apps of LiveStore 0.3; without effect here. */
  readonly disableDevtools?: boolean | 'auto' | undefined
  /** Taken for apps of LiveStore 0.3; without effect here. */
  readonly otelOptions?: unknown
  /** Taken for apps of LiveStore 0.3; without effect here. */
  readonly debug?: { readonly instanceId?: string | undefined } | undefined
  /** Rendered while the store is running. */
  readonly children?: ReactNode
}

/**
 * Makes a store for its children. Only another `storeId`, `schema` or `adapter` makes it anew; the
 * other props are read when a store is made, and may be written inline.
 */
export const LiveStoreProvider = (props: LiveStoreProviderProps): ReactNode => {
  const { schema, adapter, storeId = 'default' } = props
  const [lifetime] = useState(() => new StoreLifetime())
  const state = useSyncExternalStore(lifetime.subscribe, lifetime.getState, lifetime.getState)

  const latest = useRef(props)
  useEffect(() => {
    latest.current = props
  })
  useEffect(
    () => lifetime.open({ ...storeOptions(latest.current), storeId, schema, adapter }),
    [lifetime, storeId, schema, adapter],
  )
  useEffect(() => () => lifetime.close(), [lifetime])

  const store = state.stage === 'running' ? state.store : undefined
  const context = useMemo(
    () => store && ({ stage: 'running', store: withReactApi(store) } as const),
    [store],
  )
  const { renderLoading = loadingText, renderError = errorText, renderShutdown = endText } = props
  if (!lifetime.accepts({ storeId, schema, adapter })) return renderLoading({ stage: 'loading' })
  switch (state.stage) {
    case 'loading':
      return renderLoading(state.status)
    case 'error':
      return renderError(state.error)
    case 'shutdown':
      return renderShutdown(state.cause)
    case 'running':
      return <LiveStoreContext.Provider value={context}>{props.children}</LiveStoreContext.Provider>
  }
}

type StoreOptions = CreateStoreOptions<LiveStoreSchema, unknown>

const storeOptions = (props: LiveStoreProviderProps): Omit<StoreOptions, keyof Identity> => {
  const { batchUpdates, signal, syncPayload, confirmUnsavedChanges } = props
  const { onBootStatus, onRejected, onError } = props
  const boot = props.boot as StoreOptions['boot']
  const reporting = { onBootStatus, onRejected, onError }
  return { boot, batchUpdates, signal, syncPayload, confirmUnsavedChanges, ...reporting }
}

type Identity = Pick<StoreOptions, 'storeId' | 'schema' | 'adapter'>

const loadingText = ({ stage }: BootStatus): ReactNode => `LiveStore is loading (${stage})...`
const errorText = (error: unknown): ReactNode =>
  `LiveStore could not be loaded: ${messageOf(error)}`
const endText = ({ message }: LiveStoreError): ReactNode => `LiveStore was shut down: ${message}`
