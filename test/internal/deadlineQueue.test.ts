import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as DeadlineQueue from "../../src/internal/cache/deadlineQueue.js"

const item = () => ({ wakeAt: Number.POSITIVE_INFINITY, queuedAt: Number.POSITIVE_INFINITY })

const operation = FastCheck.oneof(
  FastCheck.record({
    _tag: FastCheck.constant("schedule" as const),
    index: FastCheck.nat(9),
    at: FastCheck.oneof(FastCheck.nat(50), FastCheck.constant(Number.POSITIVE_INFINITY))
  }),
  FastCheck.record({ _tag: FastCheck.constant("take" as const), now: FastCheck.nat(50) }),
  FastCheck.record({ _tag: FastCheck.constant("shift" as const), skew: FastCheck.integer({ min: -20, max: 20 }) })
)

describe("DeadlineQueue", () => {
  it("moves an item once, although it has a dead slot where it is moved to", () => {
    const queue = DeadlineQueue.make<ReturnType<typeof item>>()
    const moved = item()
    DeadlineQueue.schedule(queue, moved, 13)
    DeadlineQueue.schedule(queue, moved, 12)
    DeadlineQueue.shift(queue, 1)
    assert.strictEqual(DeadlineQueue.earliest(queue), 13)
  })

  it("sweeps the dead slots out once they outnumber the items by 64", () => {
    const queue = DeadlineQueue.make<ReturnType<typeof item>>()
    const moved = item()
    const sizes = Array.from({ length: 70 }, (_, index) => {
      DeadlineQueue.schedule(queue, moved, 1000 - index)
      return DeadlineQueue.size(queue)
    })
    assert.deepStrictEqual(sizes.slice(64), [65, 66, 1, 2, 3, 4])
    assert.strictEqual(DeadlineQueue.earliest(queue), 931)
    for (let index = 0; index < 64; index++) {
      DeadlineQueue.schedule(queue, moved, 900 - index)
    }
    // Two items have 66 and one slot, and then there is none left of which one could be live.
    const other = item()
    DeadlineQueue.schedule(queue, other, 1000)
    DeadlineQueue.schedule(queue, moved, Number.POSITIVE_INFINITY)
    DeadlineQueue.schedule(queue, other, Number.POSITIVE_INFINITY)
    assert.isTrue(DeadlineQueue.size(queue) <= 64)
    assert.strictEqual(DeadlineQueue.earliest(queue), Number.POSITIVE_INFINITY)
  })

  it("lets go of the items that were taken, once there are more of them than others", () => {
    const queue = DeadlineQueue.make<ReturnType<typeof item>>()
    for (let at = 0; at < 100; at++) {
      DeadlineQueue.schedule(queue, item(), at)
    }
    const held = Array.from({ length: 100 }, () => {
      DeadlineQueue.takeDue(queue, 100)
      return queue.heap.ids.length
    })
    assert.deepStrictEqual(held.slice(0, 82), Array(82).fill(100))
    assert.deepStrictEqual(held.slice(82), Array(18).fill(17))
  })

  it("gives the earliest first after all were moved, whichever was scheduled when", () => {
    const queue = DeadlineQueue.make<ReturnType<typeof item>>()
    const [first, second, third] = [item(), item(), item()] as const
    DeadlineQueue.schedule(queue, first, 10)
    DeadlineQueue.schedule(queue, second, 20)
    DeadlineQueue.shift(queue, -5)
    assert.strictEqual(DeadlineQueue.takeDue(queue, 5), first)
    DeadlineQueue.schedule(queue, third, 18)
    assert.strictEqual(DeadlineQueue.earliest(queue), 15)
  })

  it("gives an item once, although it has a dead slot at its deadline", () => {
    const queue = DeadlineQueue.make<ReturnType<typeof item>>()
    const moved = item()
    for (const at of [12, 5, 12]) {
      DeadlineQueue.schedule(queue, moved, at)
    }
    assert.strictEqual(DeadlineQueue.takeDue(queue, 12), moved)
    assert.strictEqual(DeadlineQueue.takeDue(queue, 12), undefined)
  })

  it("forgets an item that has no deadline any more, once", () => {
    const queue = DeadlineQueue.make<ReturnType<typeof item>>()
    const forgotten = item()
    DeadlineQueue.schedule(queue, forgotten, 10)
    for (let times = 0; times < 2; times++) {
      DeadlineQueue.schedule(queue, forgotten, Number.POSITIVE_INFINITY)
      assert.deepStrictEqual([forgotten.queuedAt, queue.items], [Number.POSITIVE_INFINITY, 0])
    }
    assert.strictEqual(DeadlineQueue.earliest(queue), Number.POSITIVE_INFINITY)
    assert.strictEqual(DeadlineQueue.size(queue), 0)
  })

  it("gives nothing before its deadline, and everything from then on", () => {
    const queue = DeadlineQueue.make<ReturnType<typeof item>>()
    const waits = item()
    DeadlineQueue.schedule(queue, waits, 10)
    assert.strictEqual(DeadlineQueue.takeDue(queue, 9), undefined)
    assert.strictEqual(DeadlineQueue.takeDue(queue, 10), waits)
    assert.deepStrictEqual([waits.queuedAt, queue.items], [Number.POSITIVE_INFINITY, 0])
  })

  it("behaves as a map from item to deadline, and sweeps dead slots", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(operation, { maxLength: 400 }), (operations) => {
        const queue = DeadlineQueue.make<ReturnType<typeof item>>()
        const items = Array.from({ length: 10 }, item)
        const model = new Map<ReturnType<typeof item>, number>()
        for (const operation of operations) {
          switch (operation._tag) {
            case "schedule": {
              const scheduled = items[operation.index]!
              DeadlineQueue.schedule(queue, scheduled, operation.at)
              model.delete(scheduled)
              if (operation.at !== Number.POSITIVE_INFINITY) model.set(scheduled, operation.at)
              break
            }
            case "take": {
              const taken = DeadlineQueue.takeDue(queue, operation.now)
              const earliest = Math.min(...model.values())
              if (taken === undefined) {
                assert.isTrue(earliest > operation.now)
              } else {
                assert.strictEqual(model.get(taken), earliest)
                assert.isTrue(earliest <= operation.now)
                model.delete(taken)
              }
              break
            }
            case "shift": {
              DeadlineQueue.shift(queue, operation.skew)
              for (const [shifted, at] of model) model.set(shifted, at + operation.skew)
              break
            }
          }
          assert.strictEqual(DeadlineQueue.earliest(queue), Math.min(...model.values()))
          assert.isTrue(DeadlineQueue.size(queue) <= 2 * model.size + 65)
        }
      }),
      { numRuns: 300 }
    )
  })
})
