import FlatQueue from "flatqueue"

/** Something that wants to be looked at when `wakeAt` has come. Only the queue writes these fields. */
export interface Timed {
  wakeAt: number
  /** The instant of its one live slot in the queue, which may be earlier than `wakeAt`; `Infinity` without one. */
  queuedAt: number
}

export interface DeadlineQueue<A extends Timed> {
  /** Sets the deadline of an item, in place of the one it had; `Infinity` for none. */
  readonly schedule: (item: A, at: number) => void
  /** The earliest deadline, or `Infinity`. */
  readonly earliest: () => number
  /** Takes an item whose deadline has come out of the queue. */
  readonly takeDue: (now: number) => A | undefined
  /** Moves all deadlines by `skew`. */
  readonly shift: (skew: number) => void
  /** How many slots are held. */
  readonly size: () => number
}

const none = Number.POSITIVE_INFINITY

/**
 * A heap in which a deadline can move. Moving it later costs nothing until the old slot comes up; moving it earlier
 * adds a slot and leaves a dead one, and the dead ones are swept out when they outnumber the items.
 */
export const make = <A extends Timed>(): DeadlineQueue<A> => {
  let heap = new FlatQueue<A>()
  let items = 0

  const push = (item: A, at: number) => {
    item.queuedAt = at
    heap.push(item, at)
    sweep()
  }

  const sweep = () => {
    if (heap.length > 2 * items + 64) {
      rebuild(0)
    }
  }

  const rebuild = (skew: number) => {
    const old = heap
    heap = new FlatQueue()
    for (let slot = 0; slot < old.length; slot++) {
      const item = old.ids[slot]!
      if (old.values[slot] === item.queuedAt) {
        item.queuedAt += skew
        item.wakeAt += skew
        heap.push(item, item.queuedAt)
      }
    }
  }

  // `pop` alone leaves the item in the array.
  const pop = () => {
    heap.pop()
    if (heap.ids.length > 2 * heap.length + 64) {
      heap.shrink()
    }
  }

  /** Drops dead slots and moves early ones until the first slot tells the truth. */
  const settle = (): A | undefined => {
    for (let item = heap.peek(); item !== undefined; item = heap.peek()) {
      const at = heap.peekValue()
      if (at === item.wakeAt && at === item.queuedAt) {
        return item
      }
      pop()
      if (at === item.queuedAt) {
        push(item, item.wakeAt)
      }
    }
    return undefined
  }

  const remove = (item: A) => {
    item.queuedAt = none
    items--
  }

  return {
    schedule: (item, at) => {
      item.wakeAt = at
      if (at === none) {
        if (item.queuedAt !== none) remove(item)
        sweep()
      } else if (at < item.queuedAt) {
        if (item.queuedAt === none) items++
        push(item, at)
      }
    },
    earliest: () => settle()?.wakeAt ?? none,
    takeDue: (now) => {
      const item = settle()
      if (item === undefined || item.wakeAt > now) {
        return undefined
      }
      pop()
      remove(item)
      return item
    },
    shift: rebuild,
    size: () => heap.length
  }
}
