import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"

/** Changes the exits of the spans in an effect. The spans of an HTTP client end with the request as it was sent. */
export const mapSpanExit =
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
