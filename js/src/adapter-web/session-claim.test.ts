import { beforeEach, expect, test } from 'vitest'
import { settle, TestClock, TestContext, TestLocks } from '../../test/doubles.js'
import { type PageClaims, SessionClaim, sessionIdWaitMsMax } from './session-claim.js'

let clock: TestClock
let locks: TestLocks

beforeEach(() => {
  clock = new TestClock()
  locks = new TestLocks()
})

const openPage = () => {
  const context = new TestContext()
  const ofPage: PageClaims = new Map()
  return {
    context,
    claim: (id = 'a') =>
      new SessionClaim({ clock, locks: locks.for(context) }, ofPage, 'store', id),
  }
}

/** What `take` says, once the time has passed that it may take. */
const outcomeOf = async (taking: Promise<boolean>): Promise<boolean | 'open'> => {
  let outcome: boolean | 'open' = 'open'
  void taking.then((isOurs) => {
    outcome = isOurs
  })
  await clock.advance(sessionIdWaitMsMax)
  await settle()
  return outcome
}

test('the first page goes by its id, a duplicate of it by another', async () => {
  const [first, second] = [openPage().claim(), openPage().claim()]
  expect(await outcomeOf(first.take())).toBe(true)
  expect(await outcomeOf(second.take())).toBe(false)
  expect(await outcomeOf(second.change('b'))).toBe(true)
  const names = ['livestore-wasm-session-id-store-a', 'livestore-wasm-session-id-store-b']
  expect(locks.heldNames()).toEqual(names)
})

test('a page that reloads waits for the page before it, and keeps its id', async () => {
  const before = openPage()
  expect(await outcomeOf(before.claim().take())).toBe(true)
  const after = openPage().claim()
  const taking = after.take()
  await clock.advance(sessionIdWaitMsMax / 2)
  before.context.kill()
  expect(await outcomeOf(taking)).toBe(true)
})

test('stores of one page share its id, until the last of them is closed', async () => {
  const page = openPage()
  const [first, second] = [page.claim(), page.claim()]
  expect(await outcomeOf(first.take())).toBe(true)
  expect(await outcomeOf(second.take())).toBe(true)
  first.release()
  first.release()
  expect(await outcomeOf(openPage().claim().take())).toBe(false)
  second.release()
  expect(await outcomeOf(openPage().claim().take())).toBe(true)
})

test('an id that is given back, as by a page that is frozen, may be taken again', async () => {
  const claim = openPage().claim()
  for (let i = 0; i < 3; i++) {
    expect(await outcomeOf(claim.take())).toBe(true)
    claim.release()
    await settle()
    expect(locks.heldNames()).toEqual([])
  }
})

test('a page that inherits the id waits for it as long as it takes', async () => {
  const before = openPage()
  expect(await outcomeOf(before.claim().take())).toBe(true)
  const after = openPage().claim()
  after.inherit()
  await clock.advance(sessionIdWaitMsMax * 10)
  before.context.kill()
  expect(await outcomeOf(openPage().claim().take())).toBe(false)
  after.release()
  expect(await outcomeOf(openPage().claim().take())).toBe(true)
})
