/**
 * A request to the emulator.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineRequest {
  readonly method: string
  readonly path: string
  /** What follows the `?`, still encoded. */
  readonly query: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** As received; empty for a body over 2 MB. */
  readonly body: string
  /** The `x-line-request-id` of the answer. */
  readonly requestId: string
  /** When it had arrived, in epoch milliseconds of the emulator's clock. */
  readonly at: number
}

/** An answer, before the headers that every answer carries. */
export interface LineResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export const json = (status: number, value: unknown, headers?: Readonly<Record<string, string>>): LineResponse => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(value)
})

export const empty: LineResponse = { status: 200, headers: {}, body: "" }

/** The error shape of OAuth (RFC 6749 section 5.2); LINE answers all of these with 400. */
export const oauthError = (error: string, description?: string): LineResponse =>
  json(400, description === undefined ? { error } : { error, error_description: description })

/** The error shape of the Messaging API, which token endpoints use too. */
export const messageError = (status: number, message: string, details?: ReadonlyArray<ErrorDetail>): LineResponse =>
  json(status, details === undefined ? { message } : { message, details })

export interface ErrorDetail {
  readonly message: string
  readonly property: string
}

export const parametersInvalid = oauthError("invalid_request", "some parameters missed or invalid")

export const rateLimited = messageError(429, "The API rate limit has been exceeded. Try again later.")

/** The media type without its parameters, lower-case; empty where there is none. */
export const mediaType = (request: LineRequest): string => {
  const contentType = request.headers["content-type"] ?? ""
  const parameters = contentType.indexOf(";")
  return (parameters === -1 ? contentType : contentType.slice(0, parameters)).trim().toLowerCase()
}
