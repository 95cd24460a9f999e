/**
 * `LiveList`: a list of which only the rows that changed render again.
 *
 * A row is rendered again when its item is another one by value, which is soon told: an item that
 * kept its identity is the same.
 */

import { memo, type ReactNode, useEffect, useRef } from 'react'
import type { AnyStore } from '../bindings/client-document.js'
import type { Queryable } from '../reactivity/definitions.js'
import { deepEqual } from '../schema/values.js'
import { useQuery } from './use-query.js'

export interface LiveListProps<Item> {
  readonly items$: Queryable<readonly Item[]>
  /** Hoist it or wrap it in `useCallback`: another function renders every row again. */
  readonly renderItem: (
    item: Item,
    options: { readonly index: number; readonly isInitialListRender: boolean },
  ) => ReactNode
  readonly getKey: (item: Item, index: number) => string | number
  readonly store?: AnyStore | undefined
}

/** Renders the items of a query. */
export const LiveList = <Item,>(props: LiveListProps<Item>): ReactNode => {
  const { items$, renderItem, getKey, store } = props
  const items = useQuery(items$, { store })
  const isMounted = useRef(false)
  useEffect(() => {
    isMounted.current = true
  }, [])
  return items.map((item, index) => (
    <Row
      key={getKey(item, index)}
      item={item}
      index={index}
      renderItem={renderItem as RowProps['renderItem']}
      isInitialListRender={!isMounted.current}
    />
  ))
}

interface RowProps {
  readonly item: unknown
  readonly index: number
  readonly renderItem: LiveListProps<unknown>['renderItem']
  readonly isInitialListRender: boolean
}

const Row = memo(
  ({ item, index, renderItem, isInitialListRender }: RowProps): ReactNode =>
    renderItem(item, { index, isInitialListRender }),
  (before, after) =>
    deepEqual(before.item, after.item) &&
    before.index === after.index &&
    before.renderItem === after.renderItem,
)
