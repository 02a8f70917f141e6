import * as Cause from "effect/Cause"
import { nameOf } from "../issueErrorOf.js"

/**
 * Replaces the defects in a cause by errors that keep their names alone. What an HTTP client dies with may hold the
 * request as it was sent, with its headers, its body and the parameters of its URL.
 */
export const cleanDefects = <E>(cause: Cause.Cause<E>): Cause.Cause<E> =>
  Cause.match(cause, {
    onEmpty: Cause.empty,
    onFail: (error): Cause.Cause<E> => Cause.fail(error),
    onDie: (defect) => Cause.die(named(nameOf(defect))),
    onInterrupt: Cause.interrupt,
    onSequential: Cause.sequential,
    onParallel: Cause.parallel
  })

const named = (name: string): Error => Object.assign(new Error("an HTTP client died"), { name })
