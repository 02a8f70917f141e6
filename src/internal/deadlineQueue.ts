import TinyQueue from "tinyqueue"

/** Something that wants to be looked at when `wakeAt` has come. Only the queue writes these fields. */
export interface Timed {
  wakeAt: number
  /** The instant of its one live slot in the queue, which may be earlier than `wakeAt`. */
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

interface Slot<A> {
  at: number
  readonly item: A
}

const compare = (a: Slot<unknown>, b: Slot<unknown>) => a.at - b.at

/**
 * A heap in which a deadline can move. Moving it later costs nothing until the old slot comes up; moving it earlier
 * adds a slot and leaves a dead one, and the dead ones are swept out when they outnumber the items.
 */
export const make = <A extends Timed>(): DeadlineQueue<A> => {
  let heap = new TinyQueue<Slot<A>>([], compare)
  let items = 0

  const live = (slot: Slot<A>) => slot.at === slot.item.queuedAt

  const push = (item: A, at: number) => {
    item.queuedAt = at
    heap.push({ at, item })
    if (heap.length > 2 * items + 64) {
      heap = new TinyQueue(heap.data.filter(live), compare)
    }
  }

  /** Drops dead slots and moves early ones until the first slot tells the truth. */
  const settle = (): Slot<A> | undefined => {
    for (let slot = heap.peek(); slot !== undefined; slot = heap.peek()) {
      if (live(slot) && slot.item.wakeAt === slot.at) {
        return slot
      }
      heap.pop()
      if (live(slot)) {
        push(slot.item, slot.item.wakeAt)
      }
    }
    return undefined
  }

  const remove = (item: A) => {
    item.queuedAt = Number.POSITIVE_INFINITY
    items--
  }

  return {
    schedule: (item, at) => {
      item.wakeAt = at
      if (at === Number.POSITIVE_INFINITY) {
        if (item.queuedAt !== at) remove(item)
      } else if (at < item.queuedAt) {
        if (item.queuedAt === Number.POSITIVE_INFINITY) items++
        push(item, at)
      }
    },
    earliest: () => settle()?.at ?? Number.POSITIVE_INFINITY,
    takeDue: (now) => {
      const slot = settle()
      if (slot === undefined || slot.at > now) {
        return undefined
      }
      heap.pop()
      remove(slot.item)
      return slot.item
    },
    shift: (skew) => {
      for (const slot of heap.data) {
        if (live(slot)) {
          slot.item.queuedAt += skew
          slot.item.wakeAt += skew
        }
        slot.at += skew
      }
    },
    size: () => heap.length
  }
}
