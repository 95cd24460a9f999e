/**
 * `LiveStoreProvider` for Vue: makes a store and gives it to the composables below.
 */

import {
  defineComponent,
  type InjectionKey,
  inject,
  onBeforeMount,
  onScopeDispose,
  type PropType,
  provide,
  type SlotsType,
  shallowRef,
  type VNodeChild,
  watch,
} from 'vue'
import { StoreLifetime } from '../bindings/store-lifetime.js'
import { LiveStoreError, messageOf } from '../errors.js'
import type { LiveStoreSchema } from '../schema/schema.js'
import type { BootStatus } from '../store/adapter.js'
import type { CreateStoreOptions } from '../store/create-store.js'
import type { Store } from '../store/store.js'

/** Finds the store; an app that creates its store itself can provide it too. */
export const LiveStoreKey: InjectionKey<() => Store | undefined> = Symbol.for(
  'livestore-wasm/vue-store',
)

export type LiveStoreOptions = CreateStoreOptions<LiveStoreSchema, unknown>

/**
 * Makes a store for what stands in its default slot. Only another `storeId`, `schema` or `adapter`
 * makes it anew; the other options are read when a store is made.
 *
 * Slots: `loading` (`{ status }`), `error` (`{ error }`), `shutdown` (`{ cause }`).
 */
export const LiveStoreProvider = defineComponent({
  name: 'LiveStoreProvider',
  props: {
    options: { type: Object as PropType<LiveStoreOptions>, required: true },
  },
  slots: Object as SlotsType<{
    default: unknown
    loading: { readonly status: BootStatus }
    error: { readonly error: unknown }
    shutdown: { readonly cause: LiveStoreError }
  }>,
  setup(props, { slots }) {
    const lifetime = new StoreLifetime()
    const state = shallowRef(lifetime.getState())
    const stop = lifetime.subscribe(() => {
      state.value = lifetime.getState()
    })
    // Neither is called on a server, where nothing would ever end the store.
    onBeforeMount(() => lifetime.open(props.options))
    watch(
      () => [props.options.storeId, props.options.schema, props.options.adapter],
      () => lifetime.open(props.options),
      { flush: 'sync' },
    )
    onScopeDispose(() => {
      stop()
      lifetime.close()
    })
    provide(LiveStoreKey, () => (state.value.stage === 'running' ? state.value.store : undefined))
    return (): VNodeChild => {
      const now = state.value
      switch (now.stage) {
        case 'loading':
          return slots.loading?.({ status: now.status }) ?? `Loading (${now.status.stage})...`
        case 'error':
          return (
            slots.error?.({ error: now.error }) ??
            `LiveStore could not be loaded: ${messageOf(now.error)}`
          )
        case 'shutdown':
          return (
            slots.shutdown?.({ cause: now.cause }) ??
            `LiveStore was shut down: ${now.cause.message}`
          )
        case 'running':
          return slots.default?.({})
      }
    }
  },
})

/**
 * The store of the nearest `LiveStoreProvider`.
 *
 * @throws LiveStoreError `InvalidArgument` outside of a provider
 */
export const useStore = <Schema extends LiveStoreSchema = LiveStoreSchema, Context = unknown>(): {
  readonly store: Store<Schema, Context>
} => ({ store: storeOr('useStore') })

/** The store for the composable `composable`: `store`, or that of the nearest provider. */
export const storeOr = <AStore extends object = Store>(
  composable: string,
  store?: AStore,
): AStore => {
  const found = store ?? inject(LiveStoreKey, undefined)?.()
  if (found !== undefined) return found as AStore
  throw new LiveStoreError(
    'InvalidArgument',
    `${composable} can only be used inside LiveStoreProvider, or with { store }`,
  )
}
