import FlatQueue from "flatqueue"

/** Something that has to be looked at when an instant has come. Only the queue writes these fields. */
export interface Timed {
  /** The deadline: the instant at which it has to be looked at. `Infinity` if there is none. */
  wakeAt: number
  /**
   * The instant of its one live slot in the queue, which may be earlier than `wakeAt`. `Infinity` if it has no slot.
   */
  queuedAt: number
}

/**
 * A heap in which a deadline can move. Moving it later costs nothing until the old slot comes up. Moving it earlier
 * adds a slot and leaves a dead one, and the dead slots are swept out when they outnumber the items.
 */
export interface DeadlineQueue<A extends Timed> {
  /** The slots, live ones and dead ones, the earliest first. */
  heap: FlatQueue<A>
  /** How many items have a deadline. */
  items: number
}

const none = Number.POSITIVE_INFINITY

/** Makes an empty queue. */
export const make = <A extends Timed>(): DeadlineQueue<A> => ({ heap: new FlatQueue(), items: 0 })

/** Sets the deadline of an item, in place of the one that it had. With `Infinity` it has none any more. */
export const schedule = <A extends Timed>(queue: DeadlineQueue<A>, item: A, at: number): void => {
  item.wakeAt = at
  if (at === none) {
    if (item.queuedAt !== none) remove(queue, item)
    sweep(queue)
  } else if (at < item.queuedAt) {
    if (item.queuedAt === none) queue.items++
    push(queue, item, at)
  }
}

/** Gives the earliest deadline, or `Infinity` if there is none. */
export const earliest = <A extends Timed>(queue: DeadlineQueue<A>): number => settle(queue)?.wakeAt ?? none

/** Takes one item whose deadline has come out of the queue, if there is one. */
export const takeDue = <A extends Timed>(queue: DeadlineQueue<A>, now: number): A | undefined => {
  const item = settle(queue)
  if (item === undefined || item.wakeAt > now) {
    return undefined
  }
  pop(queue)
  remove(queue, item)
  return item
}

/** Moves all deadlines by `skew` milliseconds, and sweeps the dead slots out. */
export const shift = <A extends Timed>(queue: DeadlineQueue<A>, skew: number): void => {
  // All are found before any is moved: a dead slot may lie where its item is moved to.
  const live = new Set(
    queue.heap.ids.slice(0, queue.heap.length).filter((item, slot) => queue.heap.values[slot] === item.queuedAt)
  )
  queue.heap = new FlatQueue()
  for (const item of live) {
    item.queuedAt += skew
    item.wakeAt += skew
    queue.heap.push(item, item.queuedAt)
  }
}

/** How many slots the queue holds, the dead ones included. */
export const size = <A extends Timed>({ heap }: DeadlineQueue<A>): number => heap.length

/** Drops dead slots and moves early ones, until the first slot is that of the earliest deadline. */
const settle = <A extends Timed>(queue: DeadlineQueue<A>): A | undefined => {
  for (let item = queue.heap.peek(); item !== undefined; item = queue.heap.peek()) {
    const at = queue.heap.peekValue()
    if (at === item.wakeAt && at === item.queuedAt) {
      return item
    }
    pop(queue)
    if (at === item.queuedAt) {
      push(queue, item, item.wakeAt)
    }
  }
  return undefined
}

const push = <A extends Timed>(queue: DeadlineQueue<A>, item: A, at: number): void => {
  item.queuedAt = at
  queue.heap.push(item, at)
  sweep(queue)
}

// The pop of FlatQueue leaves the item in its array, and with it in memory.
const pop = <A extends Timed>({ heap }: DeadlineQueue<A>): void => {
  heap.pop()
  if (heap.ids.length > 2 * heap.length + 64) {
    heap.shrink()
  }
}

const remove = <A extends Timed>(queue: DeadlineQueue<A>, item: A): void => {
  item.queuedAt = none
  queue.items--
}

const sweep = <A extends Timed>(queue: DeadlineQueue<A>): void => {
  if (queue.heap.length > 2 * queue.items + 64) {
    shift(queue, 0)
  }
}
