import { Schema } from "effect"

/** What a member says on its stdout, a line of JSON each. Nothing in it is derived from a token's value. */
export const Report = Schema.Union(
  Schema.TaggedStruct("Asks", {}),
  Schema.TaggedStruct("HasToken", {
    /** The `key_id` that LINE gives to a v2.1 token: tells tokens apart. */
    keyId: Schema.String,
    issuedHere: Schema.Boolean,
    sharing: Schema.Literal("shared", "local"),
    expiresIn: Schema.Number
  }),
  Schema.TaggedStruct("Failed", { message: Schema.String }),
  /** Since the last time. */
  Schema.TaggedStruct("Reads", { reads: Schema.Number, failed: Schema.Number })
)

export type Report = typeof Report.Type

export const ReportLine = Schema.parseJson(Report)
