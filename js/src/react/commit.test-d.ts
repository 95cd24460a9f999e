/**
 * What `commit` returns may stand wherever React wants nothing returned. Checked by `tsc`, never
 * run: a line marked `@ts-expect-error` that compiles is the failure.
 */

import {
  type EffectCallback,
  type MouseEventHandler,
  type RefCallback,
  startTransition,
  useEffect,
} from 'react'
import type { EventInput } from '../schema/events.js'
import type { CommitReceipt, Store } from '../store/store.js'

declare const store: Store
declare const event: EventInput

export const useCommit = () => useEffect(() => store.commit(event), [])
startTransition(() => store.commit(event))
const effect: EffectCallback = () => store.commit({ skipRefresh: true }, event)
const click: MouseEventHandler = () => store.commit((commit) => commit(event))
const ref: RefCallback<Element> = () => store.commit(event)
const nothing = (): void => store.commit(event)
const later = async (): Promise<void> => store.commit(event)
void [effect, click, ref, nothing, later]

const receipts: (CommitReceipt | undefined)[] = [store.commit(event)]
const told: Promise<void> | undefined = receipts[0]?.persisted
const { synced }: { readonly synced: Promise<void> } = store.commit(event)
void [told, synced]

// @ts-expect-error a receipt by itself is a value
startTransition((): CommitReceipt => store.commit(event))
