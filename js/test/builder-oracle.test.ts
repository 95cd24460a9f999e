/**
 * The query builder against plain SQL: whatever is built gives the rows, and writes the rows, of a
 * statement that is put together here by hand, with the values as literals in its text.
 *
 * Two tables hold the same rows. One is read and written by the builder, the other by SQL.
 */

import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Events, makeSchema, type Query, State } from '../src/index.js'
import type { Store } from '../src/store/store.js'
import { endTest, openStore, startTest } from './open-store.js'
import { fields } from './todo-schema.js'

beforeEach(startTest)
afterEach(endTest)

const { SQLite } = State

const columns = {
  id: SQLite.integer({ primaryKey: true }),
  text: SQLite.text({ default: "it's" }),
  size: SQLite.real({ nullable: true }),
  done: SQLite.boolean({ default: false }),
  due: SQLite.datetime({ nullable: true }),
  'odd "name"': SQLite.text({ nullable: true }),
}
const built = SQLite.table({ name: 'built', columns })
const plain = SQLite.table({ name: 'plain', columns })

/** What the next event does. */
let write: () => readonly (Query<unknown> | string)[] = () => []
const schema = makeSchema({
  events: { did: Events.synced({ name: 'did', schema: fields({}) }) },
  state: SQLite.makeState({ tables: { built, plain }, materializers: { did: () => write() } }),
})
const did = schema.eventsDefsMap.get('did') as unknown as (args: object) => {
  name: string
  args: unknown
}
const perform = (store: Store, ...writes: readonly (Query<unknown> | string)[]) => {
  write = () => writes
  store.commit(did({}))
}

type Row = (typeof built)['Type']
type Column = keyof Row & string

const texts = fc.constantFrom('', 'a', 'A', "it's", '%', '_', 'äö', 'a"b', '\\', 'null')
const dates = fc.constantFrom(0, 1, 1e12, 2e12).map((time) => new Date(time))
const values = {
  id: fc.integer({ min: 0, max: 5 }),
  text: texts,
  size: fc.constantFrom(0, 1, -1.5, 1e21),
  done: fc.boolean(),
  due: dates,
  'odd "name"': texts,
} satisfies Record<Column, fc.Arbitrary<unknown>>
const nullable: readonly Column[] = ['size', 'due', 'odd "name"']
const anyValueOf = (column: Column): fc.Arbitrary<unknown> =>
  nullable.includes(column) ? fc.option(values[column] as fc.Arbitrary<unknown>) : values[column]

const row = fc.record({
  id: values.id,
  text: texts,
  size: fc.option(values.size),
  done: values.done,
  due: fc.option(dates),
  'odd "name"': fc.option(texts),
})

/** A value as SQL has it. */
const literal = (value: unknown): string => {
  if (value === null) return 'NULL'
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (value instanceof Date) return literal(value.toISOString())
  if (typeof value === 'number') return String(value)
  return `'${String(value).replaceAll("'", "''")}'`
}
const name = (column: string) => `"${column.replaceAll('"', '""')}"`

type Condition = readonly [column: Column, op: string, value: unknown]
const column = fc.constantFrom(...(Object.keys(columns) as Column[]))
const condition: fc.Arbitrary<Condition> = column.chain((of) =>
  fc.oneof(
    fc.tuple(fc.constant(of), fc.constantFrom('=', '!=', '=='), anyValueOf(of)),
    fc.tuple(fc.constant(of), fc.constantFrom('<', '<=', '>', '>='), values[of]),
    fc.tuple(
      fc.constant(of),
      fc.constantFrom('IN', 'NOT IN'),
      fc.array(values[of] as fc.Arbitrary<unknown>, { maxLength: 3 }),
    ),
    fc.tuple(
      fc.constant<Column>('text'),
      fc.constantFrom('LIKE', 'NOT LIKE'),
      fc.constantFrom('a%', '%', '_', "it'_", ''),
    ),
  ),
)
const sqlOf = ([of, op, value]: Condition): string => {
  if (value === null) return `${name(of)} IS ${op === '!=' ? 'NOT ' : ''}NULL`
  if (!Array.isArray(value)) return `${name(of)} ${op} ${literal(value)}`
  // SQLite takes an empty list too, and calls nothing a member of it.
  return `${name(of)} ${op} (${value.map(literal).join(', ')})`
}
const whereOf = (conditions: readonly Condition[]): string =>
  conditions.length === 0 ? '' : ` WHERE ${conditions.map(sqlOf).join(' AND ')}`

/** The methods as they are at run time: which of them TypeScript allows is tested elsewhere. */
type Loose = Query<unknown> & { readonly [method: string]: (...args: unknown[]) => Loose }
const where = (conditions: readonly Condition[]): Loose =>
  conditions.reduce<Loose>(
    (query, each) => query.where?.(...each) as Loose,
    built as unknown as Loose,
  )

const fill = (store: Store, rows: readonly Row[]) => {
  const unique = [...new Map(rows.map((each) => [each.id, each])).values()]
  perform(
    store,
    'DELETE FROM built',
    'DELETE FROM plain',
    ...unique.map((each) => built.insert(each)),
    'INSERT INTO plain SELECT * FROM built',
  )
}
const decoded = (rows: readonly object[]): unknown[] =>
  (rows as Row[]).map((each) => ({
    ...each,
    done: (each.done as unknown) === 1,
    due: each.due === null ? null : new Date(each.due),
  }))
const raw = (store: Store, query: string): unknown[] => decoded(store.query({ query }))

test('a selection gives the rows of the same statement in SQL', async () => {
  const store = await openStore({ schema })
  const selection = fc.record({
    rows: fc.array(row, { maxLength: 6 }),
    conditions: fc.array(condition, { maxLength: 3 }),
    order: fc.array(fc.tuple(column, fc.constantFrom('asc', 'desc')), { maxLength: 2 }),
    limit: fc.option(fc.integer({ min: 0, max: 4 })),
    offset: fc.option(fc.integer({ min: 0, max: 4 })),
  })
  fc.assert(
    fc.property(selection, ({ rows, conditions, order, limit, offset }) => {
      fill(store, rows)
      let query = where(conditions)
      // Without an order of its own SQLite may give the rows of the two tables in any.
      const whole = [...order, ['id', 'asc']] as const
      for (const [by, way] of whole) query = query.orderBy?.(by, way) as Loose
      if (limit !== null) query = query.limit?.(limit) as Loose
      if (offset !== null) query = query.offset?.(offset) as Loose
      const sql =
        `SELECT * FROM plain${whereOf(conditions)} ORDER BY ` +
        `${whole.map(([by, way]) => `${name(by)} ${way}`).join(', ')} ` +
        `LIMIT ${limit ?? -1} OFFSET ${offset ?? 0}`
      expect(store.query(query)).toEqual(raw(store, sql))
      const [count] = store.query({
        query: `SELECT COUNT(*) AS n FROM plain${whereOf(conditions)}`,
      }) as readonly { readonly n: number }[]
      expect(store.query(where(conditions).count?.() as Loose)).toBe(count?.n)
    }),
    { numRuns: 80 },
  )
})

test('updates, deletes and inserts leave the rows that the same SQL leaves', async () => {
  const store = await openStore({ schema })
  const change = fc.record(
    { text: texts, size: fc.option(values.size), done: values.done, due: fc.option(dates) },
    { requiredKeys: [] },
  )
  const set = (values: object): string =>
    Object.entries(values)
      .map(([of, value]) => `${name(of)} = ${literal(value)}`)
      .join(', ')
  const writes = fc.oneof(
    fc.record({
      kind: fc.constant('update' as const),
      conditions: fc.array(condition, { maxLength: 2 }),
      change,
    }),
    fc.record({
      kind: fc.constant('delete' as const),
      conditions: fc.array(condition, { maxLength: 2 }),
    }),
    fc.record({
      kind: fc.constant('insert' as const),
      row,
      conflict: fc.constantFrom('ignore', 'replace', 'update', 'excluded'),
      change,
    }),
  )
  type Write = typeof writes extends fc.Arbitrary<infer T> ? T : never
  const pair = (each: Write): readonly [Query<unknown>, string] | undefined => {
    if (each.kind === 'delete') {
      return [
        where(each.conditions).delete?.() as Loose,
        `DELETE FROM plain${whereOf(each.conditions)}`,
      ]
    }
    const isEmpty = Object.keys(each.change).length === 0
    if (each.kind === 'update') {
      const builder = where(each.conditions).update?.(each.change) as Loose
      const sql = `UPDATE plain SET ${set(each.change)}${whereOf(each.conditions)}`
      return isEmpty ? undefined : [builder, sql]
    }
    const insert = built.insert(each.row) as unknown as Loose
    const names = Object.keys(each.row).map(name).join(', ')
    const list = `INTO plain (${names}) VALUES (${Object.values(each.row).map(literal).join(', ')})`
    const upsert = `INSERT ${list} ON CONFLICT (id) DO`
    switch (each.conflict) {
      case 'ignore':
        return [insert.onConflict?.('id', 'ignore') as Loose, `${upsert} NOTHING`]
      case 'replace':
        return [insert.onConflict?.('id', 'replace') as Loose, `INSERT OR REPLACE ${list}`]
      case 'excluded': {
        const builder = insert.onConflict?.('id', 'update', { text: undefined }) as Loose
        return [builder, `${upsert} UPDATE SET text = excluded.text`]
      }
      default: {
        const builder = isEmpty ? undefined : insert.onConflict?.('id', 'update', each.change)
        return builder && [builder, `${upsert} UPDATE SET ${set(each.change)}`]
      }
    }
  }
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 5 }),
      fc.array(writes, { minLength: 1, maxLength: 4 }),
      fc.array(condition, { maxLength: 1 }),
      (rows, list, conditions) => {
        fill(store, rows)
        let told: unknown
        const watched = where(conditions).orderBy?.('id', 'asc') as Loose
        const unsubscribe = store.subscribe(watched, (result) => {
          told = result
        })
        for (const each of list) {
          const [builder, sql] = pair(each) ?? []
          if (builder === undefined || sql === undefined) continue
          perform(store, builder, sql)
          expect(store.query(built.orderBy('id', 'asc'))).toEqual(
            raw(store, 'SELECT * FROM plain ORDER BY id'),
          )
          // And whoever watches has been told exactly that.
          expect(told).toEqual(raw(store, `SELECT * FROM plain${whereOf(conditions)} ORDER BY id`))
        }
        unsubscribe()
      },
    ),
    { numRuns: 80 },
  )
})

test('JSON_CONTAINS finds what is in the array, and nothing else', async () => {
  const tags = SQLite.table({
    name: 'tags',
    columns: { id: SQLite.integer({ primaryKey: true }), list: SQLite.json({ nullable: true }) },
  })
  const store = await openStore({
    schema: makeSchema({
      events: { did: Events.synced({ name: 'did', schema: fields({}) }) },
      state: SQLite.makeState({ tables: { tags }, materializers: { did: () => write() } }),
    }),
  })
  const element = fc.constantFrom('a', "b'", '1', 1, 1.5, '', 'true')
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.array(element, { maxLength: 3 })), { maxLength: 4 }),
      element,
      (lists, wanted) => {
        perform(store, 'DELETE FROM tags', ...lists.map((list, id) => tags.insert({ id, list })))
        const has = (list: unknown) => Array.isArray(list) && list.includes(wanted)
        const all = lists.map((list, id) => ({ id, list }))
        const ids = (keep: (list: unknown) => boolean) =>
          all.filter(({ list }) => keep(list)).map(({ id }) => id)
        const query = (op: string) =>
          (tags as unknown as Loose).where?.('list', op, wanted).select?.('id') as Loose
        expect(store.query(query('JSON_CONTAINS'))).toEqual(ids(has))
        expect(store.query(query('JSON_NOT_CONTAINS'))).toEqual(ids((list) => !has(list)))
      },
    ),
    { numRuns: 60 },
  )
})

test('what a write returns are columns of the rows it wrote', () => {
  const query = built.insert({ id: 1 }).returning('id', 'done')
  expect(query.asSql().query).toMatch(/ RETURNING "id", "done"$/)
  const { decoders, finish } = query.compile()
  expect(finish([{ id: 1, done: decoders[1]?.(0) }])).toEqual([{ id: 1, done: false }])
})
