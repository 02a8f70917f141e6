/**
 * What tests of an application, or of an issuer, can use in place of the real thing.
 *
 * @since 0.1.0
 */
export * from "./LineEmulator.js"
export * from "./TokenStoreContract.js"
