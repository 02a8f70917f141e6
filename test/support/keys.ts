import { generateKeyPairSync, type KeyObject } from "node:crypto"

const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString()

const client = generateKeyPairSync("rsa", { modulusLength: 2048 })
const elliptic = generateKeyPairSync("ec", { namedCurve: "P-256" })
const assertion = generateKeyPairSync("rsa", { modulusLength: 2048 })

/** Made for this run, as PKCS#8: what a client signs with. */
export const clientKey = pem(client.privateKey)
export const clientEcKey = pem(elliptic.privateKey)
export const assertionKey = pem(assertion.privateKey)

/** What a server checks it with. */
export const publicKeys = {
  client: client.publicKey,
  elliptic: elliptic.publicKey,
  assertion: assertion.publicKey
}
