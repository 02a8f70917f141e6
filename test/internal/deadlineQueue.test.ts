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
