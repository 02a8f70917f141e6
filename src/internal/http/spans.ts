import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"

/**
 * Replaces the exits that spans inside of the effect end with: an HTTP client's own hold the request as it was sent.
 *
 * @internal
 */
export const withSpanExits =
  (f: (exit: Exit.Exit<unknown, unknown>) => Exit.Exit<unknown, unknown>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.tracer, (tracer) =>
      Effect.withTracer(
        self,
        Tracer.make({
          span: (...args) => {
            const span = tracer.span(...args)
            const end = span.end.bind(span)
            span.end = (endTime, exit) => end(endTime, f(exit))
            return span
          },
          context: (f, fiber) => tracer.context(f, fiber)
        })
      )
    )
